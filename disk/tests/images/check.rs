//! Compares a division with the tree that the image was made from.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use regrow_disk::codec::decode;
use regrow_disk::{DiskFile, Division, StretchKind};

/// What is looked for.
pub(crate) struct Expected<'e> {
    /// The plain image.
    pub(crate) plain: &'e [u8],
    /// What the paths in the division begin with.
    pub(crate) prefix: &'e str,
    /// Whether zeros of a file may be missing.
    pub(crate) holes: bool,
    /// Files of fewer bytes may be missing.
    pub(crate) least: u64,
}

/// Each file's stretches, joined, must be the file's bytes, and nothing else is a file.
pub(crate) fn compare(division: &Division, root: &Path, expected: &Expected<'_>) {
    let mut found = joined(division, expected.plain);
    let known: HashMap<_, _> = division.files.iter().map(|file| (file.path.as_slice(), file)).collect();
    let (mut there, mut missing) = (HashSet::new(), Vec::new());
    for path in files(root) {
        let name =
            [expected.prefix.as_bytes(), path.strip_prefix(root).expect("within").as_os_str().as_bytes()].concat();
        let bytes = fs::read(&path).expect("a file");
        let shown = String::from_utf8_lossy(&name).into_owned();
        if let Some(file) = known.get(name.as_slice()) {
            assert!(whole(file, expected.plain) == bytes, "the runs of {shown} have other bytes");
        }
        match found.remove(&name) {
            Some(stretches) => {
                assert!(same(&stretches, &bytes, expected), "{shown} has other bytes");
                there.insert(bytes);
            }
            // Zeros take no room.
            None if expected.holes && bytes.iter().all(|&byte| byte == 0) => {}
            None if (bytes.len() as u64) < expected.least => {}
            None => missing.push((shown, bytes)),
        }
    }
    // Bytes that two files have are the first one's.
    for (shown, bytes) in missing {
        assert!(there.contains(&bytes), "{shown} is missing");
    }
    assert!(
        found.is_empty(),
        "no such files: {:?}",
        found.keys().map(|name| String::from_utf8_lossy(name)).collect::<Vec<_>>()
    );
}

/// The same without the files of other images than that whose paths begin with a prefix.
pub(crate) fn only(division: &Division, prefix: &str) -> Division {
    let mut one = division.clone();
    for stretch in &mut one.stretches {
        if let StretchKind::File(number) = stretch.kind
            && !division.files[number as usize].path.starts_with(prefix.as_bytes())
        {
            stretch.kind = StretchKind::System;
        }
    }
    one
}

/// The plain image, for which each block is decoded, and must hold what the division says.
pub(crate) fn plain(image: &[u8], division: &Division) -> Vec<u8> {
    let (mut at, mut out) = (0, Vec::new());
    for piece in &division.pieces {
        let stored = &image[at..at + piece.bytes as usize];
        at += stored.len();
        match piece.form.block() {
            None => out.extend_from_slice(stored),
            Some((codec, plain_bytes)) => {
                let plain = decode(codec, stored, plain_bytes as usize).expect("a block");
                assert_eq!(plain.len(), plain_bytes as usize);
                out.extend(plain);
            }
        }
    }
    assert_eq!(at, image.len());
    out
}

/// All bytes of a file by its runs, which tell of short files, ends and holes too.
pub(crate) fn whole(file: &DiskFile, plain: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; file.bytes as usize];
    for run in &file.runs {
        let (file_at, plain_at, len) = (run.file_at as usize, run.plain_at as usize, run.bytes as usize);
        bytes[file_at..file_at + len].copy_from_slice(&plain[plain_at..plain_at + len]);
    }
    bytes
}

/// The stretches' bytes of each file that has some, by its path.
fn joined<'p>(division: &Division, plain: &'p [u8]) -> BTreeMap<Vec<u8>, Vec<&'p [u8]>> {
    assert_eq!(division.plain_bytes(), plain.len() as u64);
    let (mut at, mut found) = (0, BTreeMap::<_, Vec<_>>::new());
    for stretch in &division.stretches {
        let end = at + stretch.bytes as usize;
        if let StretchKind::File(number) = stretch.kind {
            let path = division.files[number as usize].path.clone();
            found.entry(path).or_default().push(&plain[at..end]);
        }
        at = end;
    }
    found
}

/// Whether the stretches, which may lie in any order, are a file's bytes, or all of its blocks but holes. A short end may
/// be missing.
fn same(stretches: &[&[u8]], bytes: &[u8], expected: &Expected<'_>) -> bool {
    let all = stretches.concat();
    let without_zeros = |bytes: &[u8], block: usize| -> Vec<u8> {
        bytes.chunks(block).filter(|block| block.iter().any(|&byte| byte != 0)).flatten().copied().collect()
    };
    if all == bytes
        || expected.holes && (10..=20).any(|log| without_zeros(bytes, 1 << log) == without_zeros(&all, 1 << log))
    {
        return true;
    }
    // Zeros are found anywhere.
    if bytes.iter().chain(&all).all(|&byte| byte == 0) {
        return all.len() <= bytes.len();
    }
    let starts: HashMap<_, _> = bytes.chunks(512).zip((0..).step_by(512)).collect();
    let mut rest = vec![1; bytes.len()];
    // Neighbours in the image may be apart in the file.
    for part in stretches.iter().flat_map(|stretch| stretch.chunks(512)) {
        let ends = bytes.ends_with(part).then(|| bytes.len() - part.len());
        let at = ends.or_else(|| starts.get(part).copied());
        match at.filter(|&at| bytes[at..].starts_with(part)) {
            Some(at) => rest[at..at + part.len()].fill(0),
            None if part.iter().all(|&byte| byte == 0) => {}
            None => return false,
        }
    }
    let missing: usize = rest.iter().map(|&byte| usize::from(byte)).sum();
    let is_hole = |(&left, &byte): (&u8, &u8)| left == 0 || byte == 0;
    let short = (missing as u64) < expected.least && rest[..bytes.len() - missing].iter().all(|&byte| byte == 0);
    short || expected.holes && rest.iter().zip(bytes).all(is_hole)
}

/// The regular files below a folder.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let kind = entry.file_type().expect("a type");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found
}
