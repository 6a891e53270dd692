use std::path::{Path, PathBuf};

use super::*;

const MIB: usize = 1 << 20;

/// Makes a folder with a file of these bytes.
fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("target");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn open_at(path: &Path, image_bytes: usize) -> InPlace {
    InPlace::open(&Spot::find(path).unwrap(), image_bytes as u64, false).unwrap()
}

/// Makes bytes that differ from their neighbours, and between seeds.
fn bytes(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| seed ^ (at % 251) as u8 ^ (at >> 12) as u8).collect()
}

fn is_zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

#[test]
fn the_first_mib_is_zeros_until_the_end() {
    let (old, new) = (bytes(1, 3 * MIB), bytes(2, 5 * MIB / 2));
    let (_folder, path) = file(&old);
    let target = open_at(&path, new.len());
    let disk = || std::fs::read(&path).unwrap();
    let mut found = vec![0; old.len() - MIB / 2];
    target.read(0, &mut found).unwrap();
    assert!(found == old[..found.len()], "what is there is found");
    target.write(0, &new[..MIB / 2]).unwrap();
    assert!(disk() == old, "the first MiB alone changes nothing");
    for at in (0..new.len()).step_by(MIB / 2) {
        target.write(at as u64, &new[at..at + MIB / 2]).unwrap();
        if at > MIB {
            assert!(is_zeros(&disk()[..MIB]));
        }
    }
    assert!(target.is_begun() && disk()[MIB..new.len()] == new[MIB..]);
    found.resize(new.len(), 0);
    target.read(0, &mut found).unwrap();
    assert!(found == new, "it reads as it will be");
    target.commit().unwrap();
    assert!(disk() == new);
}

#[test]
fn an_image_that_is_there_is_not_touched() {
    let image = bytes(3, 2 * MIB + 5);
    for tail in [0, 777] {
        let (_folder, path) = file(&[image.clone(), bytes(4, tail)].concat());
        let target = open_at(&path, image.len());
        for at in [0, MIB / 2, MIB, MIB + 3] {
            target.write(at as u64, &image[at..]).unwrap();
        }
        assert!(!target.is_begun());
        target.commit().unwrap();
        assert!(!target.is_begun() && std::fs::read(&path).unwrap() == image);
    }
}

#[test]
fn short_targets_and_small_images() {
    for (had, wanted) in
        [(0, 3 * MIB), (100, 3 * MIB), (0, 0), (100, 0), (0, 5000), (9000, 5000), (MIB, MIB), (7, MIB + 1)]
    {
        let image = bytes(5, wanted);
        let (_folder, path) = file(&bytes(6, had));
        let target = open_at(&path, wanted);
        assert_eq!(path.metadata().unwrap().len(), had as u64, "it is not made longer at once");
        for at in (0..wanted).step_by(4096) {
            target.write(at as u64, &image[at..wanted.min(at + 4096)]).unwrap();
        }
        target.commit().unwrap();
        assert!(std::fs::read(&path).unwrap() == image, "{had} {wanted}");
    }
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let refused = |path: &Path| match Spot::find(path).map(|spot| InPlace::open(&spot, 10, false)) {
        Ok(Err(SyncError::Usage(_))) => {}
        _ => panic!("{}", path.display()),
    };
    refused(&path);
    refused(Path::new("/dev/null"));
}
