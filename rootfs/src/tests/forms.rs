//! Forms of tars that other writers make.

use super::shown::{entries, metadata, paths, shown};
use super::*;
use crate::tar::read::Found;
use crate::tar::write::{Head, Writer};

const BLOCK: usize = 512;

/// A header with these fields, each at its place.
pub(super) fn header(fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut block = [0u8; BLOCK];
    let defaults: [(usize, &[u8]); 7] = [
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, b"00000000000\0"),
        (136, b"00000000001\0"),
        (156, b"0"),
        (257, b"ustar\x0000"),
    ];
    for (at, bytes) in defaults.iter().chain(fields) {
        block[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.to_vec()
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(BLOCK), 0);
    data
}

pub(super) fn octal(size: usize) -> Vec<u8> {
    format!("{size:011o}\0").into_bytes()
}

/// An entry of this type with data.
pub(super) fn with_data(flag: u8, name: &[u8], data: &[u8]) -> Vec<u8> {
    [header(&[(0, name), (124, &octal(data.len())), (156, &[flag])]), padded(data)].concat()
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length).unwrap();
        data.extend_from_slice(format!("{length} {key}=").as_bytes());
        data.extend_from_slice(value);
        data.push(b'\n');
    }
    with_data(b'x', b"PaxHeader", &data)
}

fn only_file(layer: &[u8]) -> (Metadata, Contents) {
    let entry = entries(layer).pop().unwrap();
    let Found::Special(Special::File(contents)) = entry.found else { panic!("{:?}", entry.found) };
    (entry.metadata, contents)
}

#[test]
fn long_names_of_gnu_tar_and_of_pax() {
    let long = "d/".repeat(90) + "file";
    let gnu = [with_data(b'L', b"././@LongLink", format!("{long}\0").as_bytes()), with_data(b'0', b"d/d", b"1")];
    let link = [
        with_data(b'K', b"././@LongLink", format!("{long}\0").as_bytes()),
        header(&[(0, b"link"), (157, b"d/d"), (156, b"1")]),
    ];
    assert_eq!(paths(&[gnu.concat(), link.concat()].concat()), [long.clone(), format!("link = {long}")]);
    let pax = [pax(&[("path", long.as_bytes())]), with_data(b'0', b"d/d", b"1")].concat();
    assert_eq!(paths(&pax), [long]);
    let prefix = header(&[(0, b"name"), (345, b"some/prefix")]);
    assert_eq!(paths(&prefix), ["some/prefix/name"]);
}

#[test]
fn old_folders_and_global_headers() {
    let global = with_data(b'g', b"pax_global_header", b"16 comment=commit");
    let folder = header(&[(0, b"old/"), (156, b"\0"), (257, b"\0\0\0\0\0\0\0\0")]);
    assert_eq!(paths(&[global, folder].concat()), ["old/"]);
}

#[test]
fn numbers_and_times_of_pax_count() {
    let records: [(&str, &[u8]); 4] =
        [("uid", b"4000000000"), ("gid", b"3000000"), ("mtime", b"1700000000.25"), ("SCHILY.xattr.user.a", b"\0=\n")];
    let (found, _) = only_file(&[pax(&records), with_data(b'0', b"x", b"1")].concat());
    assert_eq!((found.uid, found.gid), (4_000_000_000, 3_000_000));
    assert_eq!(found.modified, Time { seconds: 1_700_000_000, nanos: 250_000_000 });
    assert_eq!(found.xattrs.unwrap()[&b"user.a"[..]], b"\0=\n");
    let base_256 = header(&[(0, b"x"), (108, &[0x80, 0, 0, 0, 0x80, 0, 0, 1]), (136, &[0xff; 12])]);
    let (found, _) = only_file(&base_256);
    assert_eq!((found.uid, found.modified.seconds), (0x8000_0001, -1));
}

#[test]
fn sparse_files_of_all_forms_hold_the_same() {
    // One block at 512, a hole of a block on both sides of it.
    let data = [7u8; BLOCK];
    let plain = [vec![0; BLOCK], data.to_vec(), vec![0; BLOCK]].concat();
    let (_, plain) = only_file(&with_data(b'0', b"s", &plain));
    let in_old_header = header(&[
        (0, b"s"),
        (124, &octal(BLOCK)),
        (156, b"S"),
        (257, b"ustar  \0"),
        (386, &[&octal(BLOCK)[..], &octal(BLOCK), &octal(3 * BLOCK), &octal(0)].concat()),
        (483, &octal(3 * BLOCK)),
    ]);
    let old = [in_old_header, data.to_vec()].concat();
    let real: (&str, &[u8]) = ("GNU.sparse.size", b"1536");
    let in_turn: [(&str, &[u8]); 4] =
        [real, ("GNU.sparse.numblocks", b"1"), ("GNU.sparse.offset", b"512"), ("GNU.sparse.numbytes", b"512")];
    let version_0 = [pax(&in_turn), with_data(b'0', b"s", &data)];
    let version_01 = [pax(&[real, ("GNU.sparse.map", b"512,512")]), with_data(b'0', b"s", &data)];
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"s"),
        ("GNU.sparse.realsize", b"1536"),
    ];
    let in_data = [padded(b"2\n512\n512\n1536\n0\n"), data.to_vec()].concat();
    let version_1 = [pax(&records), with_data(b'0', b"GNUSparseFile.0/s", &in_data)];
    for layer in [old, version_0.concat(), version_01.concat(), version_1.concat()] {
        assert_eq!(paths(&layer), ["s"]);
        let (_, sparse) = only_file(&layer);
        assert!(sparse.is_same(&plain));
        assert_eq!(sparse.runs.as_deref(), Some(&[DataRun { at: 512, bytes: 512 }][..]));
        assert_eq!(layer[sparse.place.at as usize..][..BLOCK], data);
    }
}

#[test]
fn what_is_sparse_stays_sparse() {
    let records: [(&str, &[u8]); 2] = [("GNU.sparse.size", b"1000000"), ("GNU.sparse.map", b"4096,3,8192,4")];
    let sparse = [pax(&records), with_data(b'0', b"s", b"abcdefg")].concat();
    let mut layers = Layers::default();
    let (old, new) = (layers.tree([Vec::new()]), layers.tree([sparse]));
    let (layer, made) = layers.between(&old, &new, &DifferenceOptions::default());
    assert_eq!(shown(&made), shown(&new));
    assert!(layer.len() < 4096);
    let (_, contents) = only_file(&layer);
    assert_eq!((contents.bytes, contents.stored_bytes()), (1_000_000, 7));
}

#[test]
fn names_that_are_no_text_come_back() {
    let names = [b"caf\xe9".to_vec(), b"\xff".repeat(200)];
    let mut writer = Writer::new(Vec::new());
    let metadata = metadata(0o644, 1);
    for name in &names {
        writer.entry(&Head { flag: b'6', path: name, link_name: b"", metadata: &metadata, device: None }).unwrap();
    }
    let layer = writer.finish().unwrap();
    let found: Vec<_> = entries(&layer).into_iter().map(|entry| entry.path.as_bytes().to_vec()).collect();
    assert_eq!(found, names);
}
