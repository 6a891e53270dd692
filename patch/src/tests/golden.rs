//! The patches that are committed. `cargo test -p regrow-patch golden -- --ignored` writes those of version 2, which may
//! happen only together with a new version.

use super::*;

/// A patch of version 1 must give the same image as when it was written, and making it again must give the same
/// bytes.
#[test]
fn golden_patches_mean_what_they_meant() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sync/tests/golden/v1/patch");
    let read = |name: &str| std::fs::read(golden.join(name)).unwrap();
    let pair = Pair::with_params(&read("old.tar"), &read("new.tar"), Params::default());
    let ids = [&pair.base, &pair.target].map(|image| image.seed().scan().image_id(Params::default()));
    let mut file = std::fs::File::open(golden.join("old-to-new.patch")).unwrap();
    let header = crate::apply::open(&mut file).unwrap();
    assert_eq!([header.base, header.target], ids);
    let between = Between { ids: (ids[0], ids[1]), chunk_cost: header.chunk_cost, ..pair.between() };
    crate::check::check(&between, &mut file).unwrap();
    let mut patch = tempfile::tempfile().unwrap();
    made(write(&between, &mut patch).unwrap());
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut patch).unwrap();
    std::io::Read::read_to_end(&mut patch, &mut bytes).unwrap();
    assert!(bytes == read("old-to-new.patch"), "patches are written in another way: that needs a new version");
}

/// The folder of the patch of version 2, with the archives that it lies between.
fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v2")
}

/// The archives of the golden patch. Each has a layer that both share, one that was updated, with a compressed file, and
/// one of its own. In the new one the shared layer is compressed.
fn archives() -> [Vec<u8>; 2] {
    let changelog = |words| file("doc/changelog.gz", gzip(&text(9, words), "-6"));
    let [shared, old, new] = [1, 2, 3].map(super::parts::layer);
    let own = |words| tar(&[changelog(words), file("etc/motd", text(8, words / 100))]);
    let manifest = |name: &str| file("manifest.json", format!("[\"{name}\"]").into_bytes());
    let base = [file("0.tar", old), file("1.tar", shared.clone()), file("2.tar", own(3_000)), manifest("old")];
    let target =
        [file("a.tar", own(3_010)), file("b.tar.gz", gzip(&shared, "-6")), file("c.tar", new), manifest("new")];
    [tar(&base), tar(&target)]
}

fn pair_of_version_2() -> Pair {
    let [base, target] = ["old.tar", "new.tar"].map(|name| std::fs::read(folder().join(name)).unwrap());
    Pair::of_version(PatchVersion::V2, (&base, &target), Params::default())
}

fn written_again(pair: &Pair) -> Vec<u8> {
    let ids = [&pair.base, &pair.target].map(|image| image.id(pair.params));
    let mut patch = tempfile::tempfile().unwrap();
    made(write(&Between { ids: (ids[0], ids[1]), ..pair.between() }, &mut patch).unwrap());
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut patch).unwrap();
    std::io::Read::read_to_end(&mut patch, &mut bytes).unwrap();
    bytes
}

/// The same for a patch of version 2.
#[test]
fn golden_patches_between_parts_mean_what_they_meant() {
    let pair = pair_of_version_2();
    let path = folder().join("old-to-new.patch");
    let header = crate::apply::open(&mut std::fs::File::open(&path).unwrap()).unwrap();
    let ids = [&pair.base, &pair.target].map(|image| image.id(pair.params));
    assert_eq!((header.version, [header.base, header.target]), (PatchVersion::V2, ids));
    assert_eq!(pair.sides().held.len(), 1);
    crate::check::check(&pair.between(), &mut std::fs::File::open(&path).unwrap()).unwrap();
    // Which copies a patch has is the writer's choice, so they need not be those of the golden one.
    let (now, golden) = (written_again(&pair).len(), std::fs::read(path).unwrap().len());
    assert!(now <= golden + golden / 100, "{now} bytes, and {golden} before");
}

#[test]
#[ignore = "writes the golden patch of version 2"]
fn write_golden_patch_between_parts() {
    std::fs::create_dir_all(folder()).unwrap();
    for (name, bytes) in ["old.tar", "new.tar"].into_iter().zip(archives()) {
        std::fs::write(folder().join(name), bytes).unwrap();
    }
    std::fs::write(folder().join("old-to-new.patch"), written_again(&pair_of_version_2())).unwrap();
}

/// The folder of the patch of version 4, with the disk images that it lies between.
fn folder_of_joined() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v4")
}

fn pair_of_disks() -> Pair {
    let [base, target] = ["old.img", "new.img"].map(|name| std::fs::read(folder_of_joined().join(name)).unwrap());
    Pair::of_rules(WalkRules::V5, PatchVersion::V2, (&base, &target), Params::default())
}

/// A patch with joined files, which have pieces in both streams, and holes, must give the same image as when it was written.
/// Which files are joined is the writer's choice, so it need not be written again.
#[test]
fn golden_patches_with_joined_files_mean_what_they_meant() {
    let pair = pair_of_disks();
    let path = folder_of_joined().join("old-to-new.patch");
    let header = crate::apply::open(&mut std::fs::File::open(&path).unwrap()).unwrap();
    let ids = [&pair.base, &pair.target].map(|image| image.id(pair.params));
    assert_eq!((header.has_joined_files, [header.base, header.target]), (true, ids));
    crate::check::check(&pair.between(), &mut std::fs::File::open(&path).unwrap()).unwrap();
}
