//! A catalog must belong to this user alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use regrow_catalog::Catalog;

use crate::environment::{Environment, blob};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// An environment with a catalog that knows one seed.
fn made() -> Environment {
    let environment = Environment::new();
    environment.catalog().put_seed(&environment.settled_key("seed"), &blob(1));
    environment
}

#[track_caller]
fn check(environment: &Environment, path: &Path, refused_for: Option<&str>) {
    let catalog = Catalog::open(path);
    let found = catalog.get_seed(&environment.settled_key("seed"));
    match (refused_for, catalog.refusal()) {
        (None, None) => assert!(found == Some(blob(1))),
        (Some(about), Some(reason)) => {
            assert!(reason.contains(about), "{about:?} is not in: {reason}");
            assert!(found.is_none() && !catalog.is_on_disk());
        }
        (_, reason) => panic!("{refused_for:?}: {reason:?}, {:?}", catalog.last_problem()),
    }
}

#[test]
fn a_catalog_is_made_for_its_user_alone() {
    let environment = made();
    let path = environment.catalog_path();
    let folder = path.parent().unwrap();
    assert_eq!([&path, folder, folder.parent().unwrap()].map(mode), [0o600, 0o700, 0o700]);
    // A catalog that an earlier version made is used, and made private.
    set_mode(&path, 0o644);
    set_mode(folder, 0o755);
    check(&environment, &path, None);
    assert_eq!([&path, folder].map(mode), [0o600, 0o755]);
}

#[test]
fn one_that_others_can_write_is_not_used() {
    let environment = made();
    let path = environment.catalog_path();
    let folder = path.parent().unwrap();
    let before = fs::read(&path).unwrap();
    for (file_mode, folder_mode, place) in
        [(0o602, 0o700, "catalog.db"), (0o600, 0o707, "regrow"), (0o600, 0o1777, "regrow")]
    {
        set_mode(&path, file_mode);
        set_mode(folder, folder_mode);
        check(&environment, &path, Some(&format!("{place}: may be written by other users")));
        assert_eq!((mode(&path), mode(folder)), (file_mode, folder_mode));
    }
    assert!(fs::read(&path).unwrap() == before);
    set_mode(folder, 0o700);
    check(&environment, &path, None);
}

#[test]
fn a_new_folder_is_made_only_where_nobody_can_swap_it() {
    let environment = Environment::new();
    let shared = environment.path("shared");
    fs::create_dir(&shared).unwrap();
    set_mode(&shared, 0o1777);
    assert!(Catalog::open(&shared.join("mine/catalog.db")).is_on_disk());
    set_mode(&shared, 0o777);
    let catalog = Catalog::open(&shared.join("other/catalog.db"));
    assert!(catalog.refusal().is_some() && !shared.join("other").exists());
}

#[test]
fn own_links_are_followed_and_pipes_are_not_waited_for() {
    let environment = made();
    let link = environment.path("link");
    symlink(environment.catalog_path().parent().unwrap(), &link).unwrap();
    check(&environment, &link.join("catalog.db"), None);
    symlink("link/catalog.db", environment.path("file-link")).unwrap();
    check(&environment, &environment.path("file-link"), None);
    for name in ["pipe.db", "new.db.lock"] {
        let pipe = environment.path(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    }
    assert!(Catalog::is_foreign(&environment.path("pipe.db")));
    check(&environment, &environment.path("pipe.db"), Some("is not a regular file"));
    assert!(!Catalog::open(&environment.path("new.db")).is_on_disk());
}

#[test]
fn one_of_another_user_is_not_used() {
    let environment = made();
    let path = environment.catalog_path();
    let folder = path.parent().unwrap();
    if chown(environment.catalog_path(), Some(1234), None).is_err() {
        eprintln!("passed over: only root can give files away");
        return;
    }
    let belongs = Some("belongs to another user");
    for place in [path.as_path(), folder, Path::new(&format!("{}.lock", path.display()))] {
        chown(place, Some(1234), None).unwrap();
        check(&environment, &path, belongs);
        chown(place, Some(0), None).unwrap();
    }
    check(&environment, &path, None);
    let link = environment.path("link");
    symlink(folder, &link).unwrap();
    lchown(&link, Some(1234), None).unwrap();
    check(&environment, &link.join("catalog.db"), Some("is reached through a link of another user"));
}
