//! The formats are promises: files are read as they were written, and images are cut as they were.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "golden/chunks.rs"]
mod chunks;
#[path = "golden/disks.rs"]
mod disks;
#[path = "golden/image.rs"]
mod image;
#[path = "golden/version_2.rs"]
mod version_2;

use std::path::PathBuf;

use regrow_index::{CodedStretch, Index, IndexError};
use regrow_sync::{
    ExtractOptions, HttpOptions, Location, Network, NoProgress, Output, Params, ReaderLimits, RetryPolicy, SyncError,
    Trust, extract, verify_store,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn network() -> Network {
    let limits = ReaderLimits { min_avg_bytes: 1 << 10, ..ReaderLimits::default() };
    Network::new(HttpOptions::default(), RetryPolicy::default(), std::env::temp_dir()).unwrap().with_limits(limits)
}

#[test]
fn images_are_cut_where_they_were() {
    let image = image::golden_image();
    for (name, avg) in [("small", 1024), ("default", 16 << 10)] {
        let golden = std::fs::read_to_string(folder().join(format!("chunks-{name}.txt"))).unwrap();
        let params = Params::with_average(avg).unwrap();
        assert!(chunks::list_chunks(&image, params) == golden, "cuts of {name} changed: that needs a new version");
    }
}

#[test]
fn the_index_means_what_it_meant() {
    let bytes = std::fs::read(folder().join("image.rgx")).unwrap();
    let index = Index::decode(&bytes).unwrap();
    assert_eq!(index.encode(), bytes);
    assert_eq!(index.image_bytes, image::golden_image().len() as u64);
    assert_eq!(index.image_digest, *blake3::hash(&image::golden_image()).as_bytes());
    assert_eq!(index.store, "store");
    assert!(index.packs.len() > 1);
}

#[test]
fn the_store_gives_the_image() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let location = Location::Path(folder().join("image.rgx"));
    let options = ExtractOptions::default();
    extract(&location, Output::File(out.clone()), &options, &mut network(), &NoProgress).unwrap();
    assert!(std::fs::read(out).unwrap() == image::golden_image());
    let store = Location::Path(folder().join("store"));
    let report = verify_store(&store, &[location], &Trust::default(), &mut network(), &NoProgress).unwrap();
    assert_eq!((report.ok, report.problems), (true, Vec::new()));
}

/// An image with coded files: its index is read as it was written, gives the image, and is what a scan of the image
/// arrives at.
#[test]
fn coded_images_are_made_as_they_were() {
    let folder = folder().with_file_name("v1-coded");
    let (bytes, image) =
        (std::fs::read(folder.join("image.rgx")).unwrap(), std::fs::read(folder.join("image.tar")).unwrap());
    let index = Index::decode(&bytes).unwrap();
    assert_eq!(index.encode(), bytes);
    let encoders: Vec<&[u8]> = index
        .codings
        .iter()
        .filter_map(CodedStretch::file)
        .flat_map(|coding| &coding.members)
        .map(|m| &*m.encoder)
        .collect();
    assert_eq!(encoders, [[0x69], [0x66], [0x66], [0x66]]);
    assert_eq!((index.walk_version, &*index.codings[2].file().unwrap().tail), (2, [0; 16].as_slice()));
    let work = tempfile::tempdir().unwrap();
    let location = Location::Path(folder.join("image.rgx"));
    for seeds in [Vec::new(), vec![folder.join("image.tar")]] {
        let out = work.path().join(format!("out-{}", seeds.len()));
        let options = ExtractOptions { seeds, ..ExtractOptions::default() };
        let report = extract(&location, Output::File(out.clone()), &options, &mut network(), &NoProgress).unwrap();
        assert!(std::fs::read(out).unwrap() == image);
        assert_eq!(report.chunks_store, if options.seeds.is_empty() { report.chunks } else { 0 });
    }
    let mut options = regrow_sync::MakeOptions::new(work.path().join("store"), work.path().join("image.rgx"));
    (options.params, options.format) = (Some(index.params), Some(regrow_sync::IndexFormat::V1));
    regrow_sync::make(&mut image.as_slice(), "image".as_ref(), None, &options, &mut network(), &NoProgress).unwrap();
    let again = Index::decode(&std::fs::read(work.path().join("image.rgx")).unwrap()).unwrap();
    assert_eq!((again.image_id(), again.codings), (index.image_id(), index.codings));
}

/// The same image made today has the same recipe, whatever zstd makes of the frames.
#[test]
fn made_again_it_has_the_same_id() {
    let work = tempfile::tempdir().unwrap();
    let mut options = regrow_sync::MakeOptions::new(work.path().join("store"), work.path().join("image.rgx"));
    options.params = Some(Params::with_average(1024).unwrap());
    options.format = Some(regrow_sync::IndexFormat::V1);
    let image = image::golden_image();
    let report =
        regrow_sync::make(&mut image.as_slice(), "image".as_ref(), None, &options, &mut network(), &NoProgress)
            .unwrap();
    let golden = Index::decode(&std::fs::read(folder().join("image.rgx")).unwrap()).unwrap();
    assert_eq!(report.image_id, golden.image_id().to_string());
}

#[test]
fn other_versions_are_refused_by_number() {
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join("newer.rgx");
    let mut bytes = std::fs::read(folder().join("image.rgx")).unwrap();
    bytes[8] = 3;
    std::fs::write(&path, bytes).unwrap();
    let output = Output::File(work.path().join("out"));
    let options = ExtractOptions::default();
    let error = extract(&Location::Path(path.clone()), output, &options, &mut network(), &NoProgress).unwrap_err();
    assert!(matches!(&error, SyncError::Index { source: IndexError::Version(3), .. }), "{error}");
    assert!(error.to_string().contains("newer.rgx"), "{error}");
    assert!(!work.path().join("out").exists());
}

/// Packs are named by their bytes: made again elsewhere they have the same names, so nothing is uploaded twice.
#[test]
fn the_same_image_makes_the_same_packs() {
    let work = tempfile::tempdir().unwrap();
    let image = image::golden_image().repeat(9);
    let names = ["a", "b"].map(|name| {
        let mut options =
            regrow_sync::MakeOptions::new(work.path().join(name), work.path().join(format!("{name}.rgx")));
        options.params = Some(Params::with_average(1024).unwrap());
        options.pack_bytes = 40_000;
        regrow_sync::make(&mut image.as_slice(), "image".as_ref(), None, &options, &mut network(), &NoProgress)
            .unwrap();
        let index = Index::decode(&std::fs::read(work.path().join(format!("{name}.rgx"))).unwrap()).unwrap();
        index.packs.iter().map(|pack| pack.id).collect::<Vec<_>>()
    });
    assert!(names[0].len() > 2);
    assert_eq!(names[0], names[1]);
}
