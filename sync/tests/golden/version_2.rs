//! Indexes of version 2, whose images have parts.

use std::fs::File;
use std::path::{Path, PathBuf};

use regrow_chunker::{ImageId, PartKind};
use regrow_image::WalkRules;
use regrow_index::{CodedStretch, DiskNote, DiskPiece, Index};
use regrow_local::{Pool, SeedContext};
use regrow_patch::{Between, ChunkCost, PatchImage, PatchLevel, PatchVersion};
use regrow_sync::{
    ExtractOptions, IndexFormat, Location, MakeOptions, NoProgress, Output, Trust, extract, make, verify_store,
};

use crate::{disks, image, network};

fn folder(name: &str) -> PathBuf {
    crate::folder().with_file_name(name)
}

fn read(path: &Path) -> (Vec<u8>, Index) {
    let bytes = std::fs::read(path).unwrap();
    let index = Index::decode(&bytes).unwrap();
    assert_eq!(index.encode(), bytes);
    (bytes, index)
}

fn images() -> [(PathBuf, Vec<u8>); 3] {
    let coded = std::fs::read(folder("v1-coded").join("image.tar")).unwrap();
    [
        (folder("v2").join("old.rgx"), image::golden_archive(1)),
        (folder("v2").join("image.rgx"), image::golden_archive(2)),
        (folder("v2-coded").join("image.rgx"), coded),
    ]
}

#[test]
fn parted_images_are_made_as_they_were() {
    for (path, image) in images() {
        let (_, index) = read(&path);
        let units = index.units.as_ref().unwrap();
        assert_eq!(index.walk_version, 3);
        assert_eq!((index.image_bytes, index.image_digest), (image.len() as u64, *blake3::hash(&image).as_bytes()));
        let work = tempfile::tempdir().unwrap();
        let out = work.path().join("out");
        let location = Location::Path(path.clone());
        let options = ExtractOptions::default();
        extract(&location, Output::File(out.clone()), &options, &mut network(), &NoProgress).unwrap();
        assert!(std::fs::read(&out).unwrap() == image);
        let store = Location::Path(path.with_file_name("store"));
        let report = verify_store(&store, &[location], &Trust::default(), &mut network(), &NoProgress).unwrap();
        assert_eq!((report.ok, report.problems), (true, Vec::new()));
        let mut options = MakeOptions::new(work.path().join("store"), work.path().join("image.rgx"));
        (options.params, options.format) = (Some(index.params), Some(IndexFormat::V2));
        make(&mut image.as_slice(), "image".as_ref(), None, &options, &mut network(), &NoProgress).unwrap();
        let (_, again) = read(&work.path().join("image.rgx"));
        assert_eq!((again.image_id(), &again.codings), (index.image_id(), &index.codings));
        // Only the numbers of files are new since then.
        let mut made = again.units.unwrap();
        assert_ne!(made.files, units.files);
        made.files = units.files.clone();
        assert_eq!(&made, units);
    }
}

#[test]
fn versions_share_parts() {
    let [old, new] = ["old.rgx", "image.rgx"].map(|name| read(&folder("v2").join(name)).1);
    let parts = |index: &Index| index.units.as_ref().unwrap().parts.clone();
    let kinds: Vec<PartKind> = parts(&new).iter().map(|part| part.kind).collect();
    assert_eq!(kinds, [PartKind::Tar, PartKind::Tar, PartKind::File]);
    let shared: Vec<bool> =
        parts(&old).iter().zip(parts(&new)).map(|(old, new)| (old.unit, old.name) == (new.unit, new.name)).collect();
    assert_eq!(shared, [true, false, true]);
}

/// The patch leads from one archive to the other, as the index announces.
#[test]
fn the_announced_patch_is_applied() {
    let indexes = ["old.rgx", "image.rgx"].map(|name| read(&folder("v2").join(name)).1);
    let ids = indexes.each_ref().map(Index::image_id);
    let path = folder("v2").join(format!("store/{}", regrow_store::patch_name(&ids[0], &ids[1])));
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert_eq!(
        indexes[1].patches.iter().map(|patch| (patch.base, patch.bytes)).collect::<Vec<_>>(),
        [(ids[0], Some(bytes))]
    );
    let work = tempfile::tempdir().unwrap();
    let pool = Pool::new();
    let params = indexes[0].params;
    let (scratch, progress) = (work.path(), &NoProgress);
    let open = |version: u64, id: ImageId| {
        let path = work.path().join(version.to_string());
        std::fs::write(&path, image::golden_archive(version)).unwrap();
        let (rules, pool, on_scan) = (WalkRules::V3, &pool, &|| ());
        let context = SeedContext { rules, params, pool, catalog: None, progress, scratch, unfolds: true, on_scan };
        let image = PatchImage::open(File::open(&path).unwrap(), &path, &context, scratch).unwrap();
        assert_eq!(image.id(params), id);
        image
    };
    let (base, target) = (open(1, ids[0]), open(2, ids[1]));
    let between = Between {
        codings: &[],
        base: &base.into(),
        target: &target.into(),
        ids: (ids[0], ids[1]),
        version: PatchVersion::V1,
        params,
        chunk_cost: ChunkCost::default(),
        level: PatchLevel::default(),
        least_saving: 0,
        pool: &pool,
        scratch,
        progress,
    };
    regrow_patch::check(&between, &mut File::open(path).unwrap()).unwrap();
}

/// Disk images are divided as they were, and those with compressed blocks are made again.
#[test]
fn disk_images_are_made_as_they_were() {
    check_disk("v2-disk", "ext4", &disks::golden_disk("ext4"));
    for (name, image) in disks::coded_disks() {
        check_disk("v2-disk-coded", name, &image);
    }
}

#[test]
fn compressed_blocks_are_coded_in_all_ways() {
    let pieces = |name: &str| match read(&folder("v2-disk-coded").join(name).with_extension("rgx")).1.codings.remove(0)
    {
        CodedStretch::Disk(disk) => disk.pieces,
        other => panic!("{other:?}"),
    };
    for name in ["gzip", "xz", "lz4"] {
        assert!(pieces(name).iter().all(|piece| matches!(piece, DiskPiece::Plain(_) | DiskPiece::Run(_))), "{name}");
    }
    assert!(pieces("kept").iter().any(|piece| matches!(piece, DiskPiece::Kept(_))));
    assert!(pieces("corrected").iter().any(|piece| matches!(piece, DiskPiece::Corrected(_))));
}

fn check_disk(beside: &str, name: &str, image: &[u8]) {
    let index = folder(beside).join(name).with_extension("rgx");
    let location = Location::Path(index.clone());
    let (_, index) = read(&index);
    assert_eq!(index.walk_version, 5);
    let work = tempfile::tempdir().unwrap();
    let (path, out) = (work.path().join("image"), work.path().join("out"));
    std::fs::write(&path, image).unwrap();
    extract(&location, Output::File(out.clone()), &ExtractOptions::default(), &mut network(), &NoProgress).unwrap();
    assert!(std::fs::read(&out).unwrap() == image, "{name}");
    let mut options = MakeOptions::new(work.path().join("store"), work.path().join("image.rgx"));
    options.image_file = Some(File::open(&path).unwrap());
    let input = &mut File::open(&path).unwrap();
    make(input, "image".as_ref(), None, &options, &mut network(), &NoProgress).unwrap();
    let (_, again) = read(&work.path().join("image.rgx"));
    assert_eq!((again.image_id(), &again.codings), (index.image_id(), &index.codings), "{name}");
    let [mut again, mut stated] = [again, index].map(|index| index.units.unwrap());
    // The words are for people, and may change.
    let is_same = |(again, stated): (DiskNote, DiskNote)| again.is_divided && again.files == stated.files;
    assert!(again.disk.take().zip(stated.disk.take()).is_some_and(is_same), "{name}");
    assert_eq!(again, stated, "{name}");
}
