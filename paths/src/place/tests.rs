use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

/// A folder for the test to write into.
fn folder() -> (tempfile::TempDir, Place) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::open(folder.path()).unwrap();
    (folder, place)
}

const NAME: &str = "name";

fn name() -> &'static OsStr {
    OsStr::new(NAME)
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Opens the own file, and tells whether the earlier bytes are still in it.
fn is_kept(folder: &Path, place: &Place) -> bool {
    let path = folder.join(NAME);
    let file = place.own_file(name()).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert!(path.symlink_metadata().unwrap().is_file() && place.names(name(), &file));
    file.metadata().unwrap().len() > 0
}

#[test]
fn own_files_are_kept_and_made_private() {
    let (folder, place) = folder();
    drop(place.own_file(name()).unwrap());
    for old in [0o600, 0o644, 0o4755, 0o400] {
        fs::write(folder.path().join(NAME), b"kept").unwrap();
        set_mode(&folder.path().join(NAME), old);
        assert!(is_kept(folder.path(), &place), "{old:o}");
        assert_eq!(fs::read(folder.path().join(NAME)).unwrap(), b"kept");
    }
}

#[test]
fn what_others_can_change_is_made_again() {
    let (folder, place) = folder();
    let (path, other) = (folder.path().join(NAME), folder.path().join("other"));
    fs::write(&other, b"other").unwrap();
    set_mode(&other, 0o604);
    for kind in ["link", "hard link", "group", "world", "fifo", "socket", "dangling"] {
        match kind {
            "link" => symlink(&other, &path).unwrap(),
            "dangling" => symlink(folder.path().join("absent"), &path).unwrap(),
            "hard link" => fs::hard_link(&other, &path).unwrap(),
            "fifo" => rustix::fs::mknodat(CWD, &path, FileType::Fifo, FILE_MODE, 0).unwrap(),
            "socket" => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
            _ => {
                fs::write(&path, b"stranger's").unwrap();
                // A group with the owner's number counts as the owner's own.
                let is_other_group = std::os::unix::fs::chown(&path, None, Some(1234)).is_ok();
                set_mode(&path, if kind == "group" && is_other_group { 0o620 } else { 0o602 });
            }
        }
        assert!(matches!(place.find_file(name(), Access::Read).unwrap(), Ownership::Foreign), "{kind}");
        assert!(!is_kept(folder.path(), &place), "{kind}");
        assert_eq!(fs::read(&path).unwrap(), b"", "{kind}");
        assert_eq!((fs::read(&other).unwrap(), mode(&other)), (b"other".to_vec(), 0o604), "{kind}");
        assert!(!folder.path().join("absent").exists(), "{kind}");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_folder_in_the_place_of_a_file_is_an_error() {
    let (folder, place) = folder();
    fs::create_dir(folder.path().join(NAME)).unwrap();
    place.own_file(name()).unwrap_err();
}

#[test]
fn files_of_another_user() {
    let (folder, place) = folder();
    let path = folder.path().join(NAME);
    fs::write(&path, b"stranger's").unwrap();
    if std::os::unix::fs::chown(&path, Some(1234), Some(1234)).is_err() {
        return;
    }
    assert!(!is_kept(folder.path(), &place));
    assert_eq!(path.metadata().unwrap().uid(), 0);
}

#[test]
fn a_lock_is_held_once() {
    let (_folder, place) = folder();
    let first = place.locked_file(name()).unwrap().unwrap();
    assert!(place.locked_file(name()).unwrap().is_none());
    drop(first);
    assert!(place.locked_file(name()).unwrap().is_some());
}

#[test]
fn folders_are_private_and_no_links() {
    let (folder, place) = folder();
    let (path, other) = (folder.path().join(NAME), folder.path().join("other"));
    fs::create_dir(&other).unwrap();
    fs::write(other.join("file"), b"other").unwrap();
    for kind in ["absent", "link", "file", "world", "readable"] {
        match kind {
            "absent" => {}
            "link" => symlink(&other, &path).unwrap(),
            "file" => fs::write(&path, b"file").unwrap(),
            _ => {
                fs::create_dir(&path).unwrap();
                set_mode(&path, if kind == "world" { 0o777 } else { 0o755 });
            }
        }
        let own = place.own_folder(name()).unwrap();
        drop(own.new_file(OsStr::new("inner")).unwrap());
        assert_eq!(mode(&path), 0o700, "{kind}");
        assert!(path.join("inner").exists() && !other.join("inner").exists(), "{kind}");
        fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_folder_of_others_with_files_is_left_alone() {
    let (folder, place) = folder();
    let path = folder.path().join(NAME);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("file"), b"theirs").unwrap();
    if std::os::unix::fs::chown(&path, Some(1234), Some(1234)).is_err() {
        return;
    }
    place.own_folder(name()).unwrap_err();
    place.remove_cache(name()).unwrap();
    assert_eq!(fs::read(path.join("file")).unwrap(), b"theirs");
}

#[test]
fn a_cache_of_ours_that_others_can_write_goes_too() {
    let (folder, place) = folder();
    let path = folder.path().join(NAME);
    fs::create_dir_all(path.join("ab")).unwrap();
    fs::write(path.join("ab").join(entry()), b"ours").unwrap();
    set_mode(&path, 0o775);
    assert!(matches!(place.find_folder(name()).unwrap(), Ownership::Foreign));
    place.remove_cache(name()).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_folder_of_ours_that_is_no_cache_stays_as_it_is() {
    let path = |folder: &Path, inner: &str| folder.join(NAME).join(inner);
    for inner in ["file", "ab/file", "cd/ef/file", &entry(), "patches/.part-1"] {
        let (folder, place) = folder();
        let file = path(folder.path(), inner);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::create_dir_all(path(folder.path(), "00")).unwrap();
        fs::write(path(folder.path(), "00").join(entry()), b"ours").unwrap();
        fs::write(&file, b"ours").unwrap();
        set_mode(&folder.path().join(NAME), 0o755);
        assert!(!place.may_hold_cache(name()), "{inner}");
        place.own_folder(name()).unwrap_err();
        place.remove_cache(name()).unwrap();
        assert_eq!((fs::read(&file).unwrap(), mode(&folder.path().join(NAME))), (b"ours".to_vec(), 0o755), "{inner}");
        assert!(path(folder.path(), "00").join(entry()).exists(), "{inner}");
    }
}

/// The name of a part of a pack.
fn entry() -> String {
    format!("{}-0-4", "ab".repeat(32))
}

#[test]
fn removing_a_folder_does_not_follow_links() {
    let (folder, place) = folder();
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("file"), b"other").unwrap();
    let own = place.own_folder(name()).unwrap();
    let inner = own.own_folder(OsStr::new("ab")).unwrap();
    drop(inner.new_file(OsStr::new(&entry())).unwrap());
    symlink(&other, folder.path().join(format!("name/ab/{}-4-4", "ab".repeat(32)))).unwrap();
    place.remove_cache(name()).unwrap();
    place.remove_cache(name()).unwrap();
    assert!(!folder.path().join(NAME).exists());
    // A link in the folder's place stays, and so does its target.
    symlink(&other, folder.path().join(NAME)).unwrap();
    place.remove_cache(name()).unwrap();
    assert_eq!(fs::read(other.join("file")).unwrap(), b"other");
}
