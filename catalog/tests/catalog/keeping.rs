//! What is kept, for how long, and what is not kept.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use regrow_catalog::{Catalog, SeedKey};

use crate::environment::{Environment, RULES, blob, settled};

#[test]
fn what_is_put_is_found_by_this_and_the_next_process() {
    let environment = Environment::new();
    let key = environment.settled_key("seed.tar");
    let catalog = environment.catalog();
    assert_eq!(catalog.get_seed(&key), None);
    catalog.put_seed(&key, &blob(1));
    assert_eq!(catalog.get_seed(&key), Some(blob(1)));
    drop(catalog);
    let catalog = environment.catalog();
    assert!(catalog.is_on_disk());
    assert_eq!(catalog.get_seed(&key), Some(blob(1)));
    assert_eq!(catalog.last_problem(), None);
}

#[test]
fn an_empty_blob_is_a_blob() {
    let environment = Environment::new();
    let key = environment.settled_key("seed.tar");
    let catalog = environment.catalog();
    catalog.put_seed(&key, b"");
    assert_eq!(catalog.get_seed(&key), Some(Vec::new()));
}

#[test]
fn another_state_or_other_rules_are_not_found() {
    let environment = Environment::new();
    let key = environment.settled_key("seed.tar");
    let catalog = environment.catalog();
    catalog.put_seed(&key, &blob(1));
    let others = [
        SeedKey { bytes: key.bytes + 1, ..key.clone() },
        SeedKey { modified_ns: key.modified_ns + 1, ..key.clone() },
        SeedKey { changed_ns: key.changed_ns + 1, ..key.clone() },
        SeedKey { inode: key.inode + 1, ..key.clone() },
        SeedKey { device: key.device + 1, ..key.clone() },
        SeedKey { rules: format!("{RULES}!"), ..key.clone() },
        SeedKey { path: environment.path("other.tar"), ..key.clone() },
    ];
    for other in others {
        assert_eq!(catalog.get_seed(&other), None, "{other:?}");
    }
    assert_eq!(catalog.get_seed(&key), Some(blob(1)));
}

#[test]
fn real_changes_of_a_file_are_seen() {
    let environment = Environment::new();
    let path = environment.path("seed.tar");
    let key = environment.settled_key("seed.tar");
    let catalog = environment.catalog();
    catalog.put_seed(&key, &blob(1));
    std::thread::sleep(std::time::Duration::from_millis(20));
    // Size and modified time are those of before, so only the changed time tells.
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "CONTENTS of seed.tar").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    let now = environment.settled_key("seed.tar");
    assert_eq!((now.bytes, now.modified_ns), (key.bytes, key.modified_ns));
    assert_eq!(catalog.get_seed(&now), None);
    // The file is replaced by a copy, which has another inode.
    fs::copy(&path, environment.path("copy")).unwrap();
    fs::rename(environment.path("copy"), &path).unwrap();
    assert_eq!(catalog.get_seed(&environment.settled_key("seed.tar")), None);
}

#[test]
fn the_key_has_the_canonical_path() {
    let environment = Environment::new();
    let direct = environment.fresh_key("seed.tar");
    std::os::unix::fs::symlink(environment.path("seed.tar"), environment.path("link.tar")).unwrap();
    let linked = environment.fresh_key("link.tar");
    assert_eq!(linked.path, direct.path);
    assert_eq!(linked.path, environment.path("seed.tar").canonicalize().unwrap());
    assert!(SeedKey::of(&environment.path("absent"), &fs::metadata("/").unwrap(), RULES).is_err());
}

#[test]
fn a_newer_entry_replaces_the_older() {
    let environment = Environment::new();
    let old = environment.settled_key("seed.tar");
    let new = SeedKey { modified_ns: old.modified_ns + 5, ..old.clone() };
    let catalog = environment.catalog();
    catalog.put_seed(&old, &blob(1));
    catalog.put_seed(&new, &blob(2));
    assert_eq!(catalog.get_seed(&old), None);
    assert_eq!(catalog.get_seed(&new), Some(blob(2)));
}

#[test]
fn a_file_that_was_just_written_is_not_remembered() {
    let environment = Environment::new();
    let fresh = environment.fresh_key("seed.tar");
    let catalog = environment.catalog();
    catalog.put_seed(&fresh, &blob(1));
    assert_eq!(catalog.get_seed(&fresh), None);
    assert!(catalog.last_problem().unwrap().contains("changed just before"));
    // The time of the look counts, however long the reading took.
    let stale_look = SeedKey { observed_ns: fresh.changed_ns + 1_000_000_000, ..fresh.clone() };
    catalog.put_seed(&stale_look, &blob(1));
    assert_eq!(catalog.get_seed(&fresh), None);
    catalog.put_seed(&settled(fresh.clone()), &blob(1));
    assert_eq!(catalog.get_seed(&fresh), Some(blob(1)));
}

#[test]
fn the_oldest_used_are_dropped_first() {
    let environment = Environment::new();
    let keys: Vec<SeedKey> = (0..5).map(|at| environment.settled_key(&format!("{at}.tar"))).collect();
    let catalog = environment.catalog().with_blob_bytes_max(3_000);
    let thousand = |entry: u8| vec![entry; 1_000];
    for (entry, key) in (0..3).zip(&keys) {
        catalog.put_seed(key, &thousand(entry));
    }
    assert!(catalog.get_seed(&keys[0]).is_some());
    catalog.put_seed(&keys[3], &thousand(3));
    let kept: Vec<bool> = keys.iter().map(|key| catalog.get_seed(key).is_some()).collect();
    assert_eq!(kept, [true, false, true, true, false]);
    catalog.put_seed(&keys[4], &vec![4; 2_500]);
    let kept: Vec<bool> = keys.iter().map(|key| catalog.get_seed(key).is_some()).collect();
    assert_eq!(kept, [false, false, false, false, true]);
}

#[test]
fn a_blob_above_the_bound_costs_no_other_its_place() {
    let environment = Environment::new();
    let (small, large) = (environment.settled_key("small"), environment.settled_key("large"));
    let catalog = environment.catalog().with_blob_bytes_max(1_000);
    catalog.put_seed(&small, &[1; 900]);
    catalog.put_seed(&large, &[2; 1_001]);
    assert!(catalog.last_problem().unwrap().contains("1001 bytes"));
    assert_eq!(catalog.get_seed(&large), None);
    assert_eq!(catalog.get_seed(&small), Some(vec![1; 900]));
}

#[test]
fn a_smaller_bound_holds_from_the_next_entry_on() {
    let environment = Environment::new();
    let (old, new) = (environment.settled_key("old"), environment.settled_key("new"));
    environment.catalog().put_seed(&old, &blob(1));
    let catalog = environment.catalog().with_blob_bytes_max(500);
    assert!(catalog.get_seed(&old).is_some());
    catalog.put_seed(&new, b"new");
    assert_eq!(catalog.get_seed(&old), None);
    assert!(catalog.get_seed(&new).is_some());
}

#[test]
fn in_memory_it_works_and_leaves_nothing() {
    let environment = Environment::new();
    let key = environment.settled_key("seed.tar");
    let catalog = Catalog::in_memory();
    assert!(!catalog.is_on_disk());
    catalog.put_seed(&key, &blob(1));
    assert_eq!(catalog.get_seed(&key), Some(blob(1)));
    assert_eq!(catalog.last_problem(), None);
    assert_eq!(fs::read_dir(environment.folder.path()).unwrap().count(), 1);
}

fn assert_works_in_memory(environment: &Environment, catalog: &Catalog) {
    assert!(!catalog.is_on_disk());
    assert!(catalog.last_problem().is_some());
    let key = environment.settled_key("seed.tar");
    assert_eq!(catalog.get_seed(&key), None);
    catalog.put_seed(&key, &blob(1));
    assert_eq!(catalog.get_seed(&key), Some(blob(1)));
}

#[test]
fn where_no_folder_can_be_made_it_works_in_memory() {
    let environment = Environment::new();
    fs::write(environment.path("cache"), "a file in the way").unwrap();
    assert_works_in_memory(&environment, &environment.catalog());
    assert_works_in_memory(&environment, &Catalog::open("/proc/regrow/catalog.db".as_ref()));
}

#[test]
fn where_a_folder_has_its_name_it_works_in_memory() {
    let environment = Environment::new();
    fs::create_dir_all(environment.catalog_path()).unwrap();
    assert_works_in_memory(&environment, &environment.catalog());
    assert!(environment.catalog_path().is_dir());
}

#[test]
fn in_a_read_only_folder_it_works_in_memory() {
    let environment = Environment::new();
    let folder = environment.path("read-only");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    // A user whom permissions do not bind can write here anyway.
    let is_bound = fs::write(folder.join("probe"), "").is_err();
    let catalog = Catalog::open(&folder.join("catalog.db"));
    if is_bound {
        assert_works_in_memory(&environment, &catalog);
    } else {
        assert!(catalog.is_on_disk());
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_catalog_that_became_read_only_is_made_anew_or_left() {
    let environment = Environment::new();
    drop(environment.catalog());
    fs::set_permissions(environment.catalog_path(), fs::Permissions::from_mode(0o444)).unwrap();
    let key = environment.settled_key("seed.tar");
    let catalog = environment.catalog();
    catalog.put_seed(&key, &blob(1));
    assert_eq!(catalog.get_seed(&key), Some(blob(1)));
    assert!(catalog.is_on_disk());
}
