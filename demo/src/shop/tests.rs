//! The pair at a small scale.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use super::archive::sha256;
use super::*;

const SCALE_PERCENT: u32 = 3;

type Files = BTreeMap<String, (u64, Vec<u8>)>;

fn written() -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = write_pair_scaled(folder.path(), SCALE_PERCENT).unwrap();
    (fs::read(old).unwrap(), fs::read(new).unwrap())
}

/// The files of a tar by their paths, each with its time. No path may come twice.
fn files_of(tar: &[u8]) -> Files {
    let mut files = Files::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).unwrap();
            let before = files.insert(path.clone(), (entry.header().mtime().unwrap(), contents));
            assert!(before.is_none(), "{path} twice");
        }
    }
    files
}

fn layers_of(image: &[u8]) -> Vec<Files> {
    let files = files_of(image);
    let manifest = String::from_utf8(files["manifest.json"].1.clone()).unwrap();
    let layers = manifest.split("\"Layers\":").nth(1).unwrap();
    let names = layers.split('"').filter(|name| name.ends_with(".tar"));
    names.map(|name| files_of(&files[name].1)).collect()
}

/// The numbers of new files that are the same, changed, and added, and of old files that are gone.
fn compared(old: &Files, new: &Files) -> (usize, usize, usize, usize) {
    let is_same = |path: &String| old.get(path).map(|(_, contents)| *contents == new[path].1);
    let count = |wanted: Option<bool>| new.keys().filter(|path| is_same(path) == wanted).count();
    let gone = old.keys().filter(|path| !new.contains_key(*path)).count();
    (count(Some(true)), count(Some(false)), count(None), gone)
}

#[test]
fn it_is_the_same_every_time() {
    assert!(written() == written());
}

#[test]
fn names_are_digests_and_the_config_lists_the_layers() {
    let (old, new) = written();
    for image in [old, new] {
        let files = files_of(&image);
        let config = files.iter().find(|(name, _)| name.len() == 69 && name.ends_with(".json")).unwrap().1;
        let config = String::from_utf8(config.1.clone()).unwrap();
        assert_eq!(files.len(), 5);
        for (name, (_, contents)) in files.iter().filter(|(name, _)| *name != "manifest.json") {
            let digest = sha256(contents);
            assert_eq!(name.split('.').next(), Some(digest.as_str()));
            assert!(name.ends_with(".json") || config.contains(&format!("sha256:{digest}")));
        }
    }
}

#[test]
fn sha256_is_sha256() {
    assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn the_release_changes_what_it_should() {
    let (old, new) = written();
    let (old, new) = (layers_of(&old), layers_of(&new));
    let base = compared(&old[0], &new[0]);
    assert_eq!((base.1, base.2, base.3), (2, 0, 0), "base");
    let packages = compared(&old[1], &new[1]);
    assert!((2..=4).contains(&packages.1) && packages.2 + packages.3 == 0, "packages: {packages:?}");
    let (same, edited, added, gone) = compared(&old[2], &new[2]);
    assert!(same > 50 && (2..15).contains(&edited), "app: {same} same, {edited} edited");
    // Two bundles have other names.
    assert!(added >= 4 && gone >= 2, "app: {added} added, {gone} gone");
    let new_times = new[2].iter().filter(|(path, (time, _))| old[2].get(*path).is_none_or(|(old, _)| old != time));
    assert_eq!(new_times.count(), new[2].len());
}

#[test]
fn a_rebuilt_library_differs_by_little_in_many_places() {
    let maker = Maker::new(Release::Old, 100);
    let build = |build| program::program(&maker.vocabulary, &maker.code, "libtest.so", 400_000, build);
    let (first, fixed) = (build(program::Build::First), build(program::Build::Fixed { functions: 4 }));
    assert!((350_000..450_000).contains(&first.len()), "{}", first.len());
    assert!(fixed.len() >= first.len() && fixed.len() - first.len() < 8_192);
    // After the last fix everything has moved by one distance, and only addresses differ.
    let windows: std::collections::HashSet<&[u8]> = first.windows(32).collect();
    let found = fixed.chunks(32).filter(|piece| windows.contains(piece)).count();
    let pieces = fixed.len() / 32;
    assert!(found > pieces / 2 && found < pieces - 100, "{found} of {pieces}");
}
