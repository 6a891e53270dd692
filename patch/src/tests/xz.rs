//! Files that are .xz, or have one in them, are seen through.

use regrow_disk::codec::XzStreams;
use regrow_disk::{StreamCodec, XzEnd};

use super::*;
use crate::header::PatchHeader;

/// Preset 6 with a dictionary of 1 MiB.
const ENCODER: [u8; 7] = [0xb1, 0x40, 6, 0x80, 0x80, 0x40, 0];
const HEADER: [u8; 24] = [
    0xfd, b'7', b'z', b'X', b'Z', 0, 0, 1, 0x69, 0x22, 0xde, 0x36, 2, 0, 0x21, 1, 0x10, 0, 0, 0, 0xa8, 0x70, 0x8e, 0x86,
];

/// Compresses bytes as the modules of Linux are.
fn xz(plain: &[u8]) -> Vec<u8> {
    let encoder = XzStreams::take_numbered(&mut ENCODER.as_slice()).unwrap();
    let stream = encoder.encode(plain).unwrap();
    let end = XzEnd::take(&mut [2, 1].as_slice()).unwrap();
    [&HEADER, stream.as_slice(), &end.of(stream.len() as u64, plain)].concat()
}

/// Modules, of which all but each fifth change with the version, a package with data that does, and a file that is damaged in
/// the second version.
fn modules(version: usize) -> Vec<File> {
    let module = |number: usize| {
        let mut plain = text(number as u64, 3000 + number * 577);
        if !number.is_multiple_of(5) {
            plain[1000..1003].copy_from_slice(format!("{version:03}").as_bytes());
        }
        file(&format!("modules/6.1.{version}/{number}.ko.xz"), xz(&plain))
    };
    let mut files: Vec<File> = (0..20).map(module).collect();
    let package = [b"!<arch>\ncontrol.tar.xz".to_vec(), xz(&text(70, 900)), b"data.tar.xz".to_vec()].concat();
    let data = [text(71, 9000), vec![version as u8]].concat();
    files.push(file("package.deb", [package, xz(&data), b"end".to_vec()].concat()));
    let mut other = xz(&text(72, 9000));
    other[24] = if version == 1 { 0xe0 } else { 3 };
    files.push(file("other.xz", other));
    files
}

#[test]
fn xz_files_are_matched_by_what_they_hold() {
    let pair = Pair::of_version(PatchVersion::V2, (&tar(&modules(1)), &tar(&modules(2))), Params::default());
    let plan = pair.check(5);
    assert_eq!(plan.target_members.len(), 17);
    assert!(plan.target_members.iter().all(|member| member.xz.is_some()));
    let is_xz = |member: &BaseMember| matches!(member.codec, StreamCodec::Lzma2 { .. });
    assert!(plan.base_members.members.iter().all(is_xz));
    let mut patch = tempfile::tempfile().unwrap();
    let written = made(write(&pair.between(), &mut patch).unwrap());
    assert_eq!((written.members, written.header.rebuilder), (17, 2));
    assert!(written.header.patch_bytes < 3500, "{}", written.header.patch_bytes);
    crate::check::check(&pair.between(), &mut patch).unwrap();
    // Lower levels do not see through anything.
    assert!(pair.check(1).target_members.is_empty());
}

#[test]
fn a_patch_with_xz_files_that_is_damaged_is_refused() {
    let pair = Pair::of_version(PatchVersion::V2, (&tar(&modules(1)[..4]), &tar(&modules(2)[..4])), Params::default());
    let mut patch = tempfile::tempfile().unwrap();
    made(write(&pair.between(), &mut patch).unwrap());
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut patch).unwrap();
    std::io::Read::read_to_end(&mut patch, &mut bytes).unwrap();
    // The lists and the body are changed, and the checksum is that of what was changed.
    let end = bytes.len() - 32;
    let mut refused = 0;
    for at in (128..end).step_by(9) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x11;
        let sum = blake3::hash(&damaged[..end]);
        damaged[end..].copy_from_slice(sum.as_bytes());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&damaged).unwrap();
        // The last bytes of what is coded may make no difference.
        refused += usize::from(crate::check::check(&pair.between(), &mut file).is_err());
    }
    assert!(refused > 10, "{refused}");
    // A rebuilder of the future is refused by name.
    bytes[12] = 3;
    let header = PatchHeader::decode(bytes[..128].try_into().unwrap(), bytes.len() as u64);
    assert_eq!(header.unwrap_err().to_string(), "needs rebuilder 3, which this regrow does not have");
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/xz")
}

/// A patch with members of .xz files must give the same image as when it was written.
#[test]
fn golden_patches_of_xz_files_mean_what_they_meant() {
    let read = |name: &str| std::fs::read(folder().join(name)).unwrap();
    let pair = Pair::of_version(PatchVersion::V2, (&read("old.tar"), &read("new.tar")), Params::default());
    let mut patch = std::fs::File::open(folder().join("old-to-new.patch")).unwrap();
    assert_eq!(crate::apply::open(&mut patch).unwrap().rebuilder, 2);
    crate::check::check(&pair.between(), &mut patch).unwrap();
}

#[test]
#[ignore = "writes the golden patch of .xz files"]
fn write_golden_patch_of_xz_files() {
    std::fs::create_dir_all(folder()).unwrap();
    let [base, target] = [1, 2].map(|version| {
        let files = modules(version);
        tar(&[&files[..4], &files[20..21]].concat())
    });
    let pair = Pair::of_version(PatchVersion::V2, (&base, &target), Params::default());
    let ids = [&pair.base, &pair.target].map(|image| image.id(pair.params));
    let mut patch = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(folder().join("old-to-new.patch"))
        .unwrap();
    made(write(&Between { ids: (ids[0], ids[1]), ..pair.between() }, &mut patch).unwrap());
    std::fs::write(folder().join("old.tar"), base).unwrap();
    std::fs::write(folder().join("new.tar"), target).unwrap();
}
