//! Storages of each kind, as tests lay them out. The layers in them must be the parts that an archive has.

mod hostile;
mod laid_out;

use std::path::Path;

use regrow_catalog::Catalog;
use regrow_chunker::{Params, UnitId};
use regrow_image::{StreamKind, WalkRules};

use super::*;
use crate::pool::Pool;
use crate::{NoProgress, Progress, Seed};
use laid_out::{LaidOut, gzip, layer, name_of};

/// What opening a storage gave.
struct Opened {
    seeds: Seeds,
    layers: u64,
    warnings: Vec<String>,
    scans: usize,
}

/// A receiver of warnings.
#[derive(Default)]
struct Warnings(std::sync::Mutex<Vec<String>>);

impl Progress for Warnings {
    fn warn(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

fn params() -> Params {
    Params::new(1024, 4096, 16384).unwrap()
}

/// An index that names this layer, whose size it states or not.
fn wanting(layer: &[u8], bytes: Option<u64>) -> WantedLayers {
    WantedLayers::of_parts(&[(name_of(layer), unit_id(layer), bytes)])
}

/// Opens a storage for this layer.
fn open(storage: &EngineStorage, layer: &[u8], catalog: Option<&Catalog>) -> Result<Opened, LocalError> {
    open_wanted(storage, &mut wanting(layer, None), catalog)
}

fn open_wanted(
    storage: &EngineStorage,
    wanted: &mut WantedLayers,
    catalog: Option<&Catalog>,
) -> Result<Opened, LocalError> {
    let (pool, scratch) = (Pool::new(), tempfile::tempdir().unwrap());
    let (warnings, scans) = (Warnings::default(), std::cell::Cell::new(0));
    let context = SeedContext {
        rules: WalkRules::V3,
        params: params(),
        pool: &pool,
        catalog,
        progress: &warnings,
        scratch: scratch.path(),
        unfolds: true,
        on_scan: &|| scans.set(scans.get() + 1),
    };
    let mut seeds = Seeds::default();
    let opened = storage.open_layers(wanted, &mut seeds, &context)?;
    let warnings = warnings.0.into_inner().unwrap();
    Ok(Opened { seeds, layers: opened.layers, warnings, scans: scans.get() })
}

/// The unit id of a layer, as the scan of an archive that holds it gives it.
fn unit_id(layer: &[u8]) -> UnitId {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(layer.len() as u64);
    archive.append_data(&mut header, "some/layer.tar", layer).unwrap();
    first_unit_id(&archive.into_inner().unwrap(), true)
}

fn first_unit_id(image: &[u8], unfolds: bool) -> UnitId {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    std::fs::write(&path, image).unwrap();
    let pool = Pool::new();
    let context = SeedContext {
        rules: WalkRules::V3,
        params: params(),
        pool: &pool,
        catalog: None,
        progress: &NoProgress,
        scratch: folder.path(),
        unfolds,
        on_scan: &|| (),
    };
    FileSeed::open(&path, &context).unwrap().scan().units(params()).unwrap().parts[0]
}

/// The number of a seed's chunks that are there and right, and that of the others.
fn chunks(seed: &FileSeed) -> [usize; 2] {
    let mut counts = [0; 2];
    for stream in [StreamKind::Skeleton, StreamKind::Contents] {
        for record in seed.scan().records(stream) {
            let mut out = Vec::new();
            let place = seed.find(&record.id).unwrap();
            let read = seed.read(place, record.len as usize, &mut out);
            let is_right = read.is_ok() && blake3::hash(&out).as_bytes() == record.id.as_bytes();
            counts[usize::from(!is_right)] += 1;
        }
    }
    counts
}

/// Checks that a storage gives exactly this layer, whole.
fn check(opened: &Opened, layer: &[u8]) {
    assert_eq!((opened.layers, &opened.warnings[..]), (1, &[][..]));
    let seed = opened.seeds.seeds[0].as_file().unwrap();
    assert_eq!(seed.scan().units(params()).unwrap().parts, [unit_id(layer)]);
    let [right, wrong] = chunks(seed);
    assert!(right > 10 && wrong == 0, "{right} {wrong}");
    assert!(seed.is_unchanged());
}

#[test]
fn each_kind_gives_the_layer_that_an_archive_has() {
    let (wanted, other) = (layer("wanted"), layer("other"));
    let blobs = ["oci-plain", "oci-gzip", "oci-members", "oci-zstd", "oci-frames", "containerd", "containerd-zstd"];
    for kind in blobs.into_iter().chain(["docker", "docker-vfs", "docker-29", "containers"]) {
        let laid_out = LaidOut::new(kind, &[&wanted, &other]);
        let opened = open(&laid_out.storage, &wanted, None).unwrap();
        check(&opened, &wanted);
        assert_eq!(opened.scans, 1, "{kind}: only the wanted layer is read");
        let recognised = EngineStorage::recognised(&laid_out.storage.root).unwrap();
        assert_eq!(recognised, laid_out.storage, "{kind}");
    }
}

#[test]
fn scans_are_remembered() {
    let wanted = layer("remembered");
    let storages = ["oci-plain", "oci-gzip", "oci-zstd", "oci-frames", "docker", "containers"]
        .map(|kind| LaidOut::new(kind, &[&wanted]));
    laid_out::settle();
    for laid_out in &storages {
        let catalog = Catalog::in_memory();
        for scans in [1, 0] {
            let opened = open(&laid_out.storage, &wanted, Some(&catalog)).unwrap();
            assert_eq!(opened.scans, scans, "{}", laid_out.storage.kind);
            check(&opened, &wanted);
        }
    }
}

#[test]
fn a_compressed_layer_may_be_wanted_as_it_is() {
    let stored = gzip(&layer("stored"));
    let laid_out = LaidOut::new("oci-gzip", &[&layer("stored")]);
    let mut wanted = WantedLayers::of_parts(&[(name_of(&stored), first_unit_id(&stored, false), None)]);
    let opened = open_wanted(&laid_out.storage, &mut wanted, None).unwrap();
    assert_eq!((opened.layers, opened.warnings.len()), (1, 0));
    let seed = opened.seeds.seeds[0].as_file().unwrap();
    assert_eq!(seed.scan().digest, *blake3::hash(&stored).as_bytes());
    let parts = seed.scan().parts();
    assert_eq!((parts.len(), parts[0].plain.clone()), (1, 0..stored.len() as u64));
}

/// Old programs write headers without the mark of ustar.
#[test]
fn a_layer_of_an_old_tar_is_one() {
    let mut wanted = layer("old");
    wanted[257..265].fill(0);
    wanted[148..156].fill(b' ');
    let sum: u32 = wanted[..512].iter().map(|&byte| u32::from(byte)).sum();
    wanted[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    for kind in ["oci-plain", "oci-gzip"] {
        let laid_out = LaidOut::new(kind, &[&wanted]);
        check(&open(&laid_out.storage, &wanted, None).unwrap(), &wanted);
    }
}

#[test]
fn storages_are_named() {
    let named = |seed: &str| EngineStorage::named(Path::new(seed)).map(|storage| (storage.kind, storage.root));
    assert_eq!(named("oci:some/dir"), Some((StorageKind::Oci, "some/dir".into())));
    assert_eq!(named("docker:"), Some((StorageKind::Docker, "/var/lib/docker".into())));
    assert_eq!(named("docker:/mnt/a"), Some((StorageKind::Docker, "/mnt/a".into())));
    assert_eq!(named("containerd:"), Some((StorageKind::Containerd, "/var/lib/containerd".into())));
    assert_eq!(named("containers-storage:"), Some((StorageKind::Containers, "/var/lib/containers/storage".into())));
    for other in ["oci:", "./oci:x", "docker", "dockers:x", "/docker:x"] {
        assert_eq!(named(other), None, "{other}");
    }
}

#[test]
fn beginnings_of_names_are_enough() {
    let wanted = layer("beginning");
    let laid_out = LaidOut::new("docker", &[&wanted]);
    let mut names = wanting(&wanted, None).into_base();
    assert!(!names.is_enough());
    check(&open_wanted(&laid_out.storage, &mut names, None).unwrap(), &wanted);
    assert!(names.is_enough());
    // What was found is not looked for again.
    assert_eq!(open_wanted(&laid_out.storage, &mut names, None).unwrap().layers, 0);
}
