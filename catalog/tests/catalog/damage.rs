//! Whatever is done to the file, a catalog opens, works, and never returns wrong bytes.

use std::fs;

use regrow_catalog::SeedKey;

use crate::environment::{Environment, blob};

const ENTRIES: usize = 4;

/// A catalog with some entries: its bytes, and their keys.
fn sample(environment: &Environment) -> (Vec<u8>, Vec<SeedKey>) {
    let keys: Vec<SeedKey> = (0..ENTRIES).map(|at| environment.settled_key(&format!("{at}.tar"))).collect();
    let catalog = environment.catalog();
    for (at, key) in keys.iter().enumerate() {
        catalog.put_seed(key, &blob(at));
    }
    drop(catalog);
    (fs::read(environment.catalog_path()).unwrap(), keys)
}

/// Returns the number of entries that are still found, and checks that all of them are right. A new entry must be
/// found at once and after reopening.
fn assert_never_wrong(environment: &Environment, file: &[u8], keys: &[SeedKey], what: &str) -> usize {
    fs::write(environment.catalog_path(), file).unwrap();
    let catalog = environment.catalog();
    let mut found = 0;
    for (at, key) in keys.iter().enumerate() {
        if let Some(bytes) = catalog.get_seed(key) {
            assert!(bytes == blob(at), "{what}: wrong bytes");
            found += 1;
        }
    }
    let last = keys.len() - 1;
    catalog.put_seed(&keys[last], &blob(last));
    assert!(catalog.is_on_disk(), "{what}: {:?}", catalog.last_problem());
    assert!(catalog.get_seed(&keys[last]) == Some(blob(last)), "{what}: {:?}", catalog.last_problem());
    drop(catalog);
    let catalog = environment.catalog();
    assert!(catalog.get_seed(&keys[last]) == Some(blob(last)), "{what}: {:?}", catalog.last_problem());
    found
}

#[test]
fn truncated_anywhere() {
    let environment = Environment::new();
    let (file, keys) = sample(&environment);
    assert_eq!(assert_never_wrong(&environment, &file, &keys, "whole"), ENTRIES);
    let near_start = (0..130).step_by(3);
    let spread = (130..file.len()).step_by(511);
    for length in near_start.chain(spread).chain([file.len() - 1]) {
        let _ = fs::remove_file(environment.catalog_path());
        assert_never_wrong(&environment, &file[..length], &keys, &format!("cut to {length}"));
    }
}

#[test]
fn flipped_bytes_anywhere() {
    let environment = Environment::new();
    let (file, keys) = sample(&environment);
    let header = 0..100;
    let spread = (100..file.len()).step_by(199);
    for at in header.chain(spread) {
        let mut damaged = file.clone();
        damaged[at] ^= if at % 2 == 0 { 0xFF } else { 1 << (at % 8) };
        assert_never_wrong(&environment, &damaged, &keys, &format!("flipped at {at}"));
    }
}

#[test]
fn pages_of_zeros_and_of_noise() {
    let environment = Environment::new();
    let (file, keys) = sample(&environment);
    for start in (0..file.len()).step_by(4_096) {
        let end = (start + 4_096).min(file.len());
        let mut damaged = file.clone();
        damaged[start..end].fill(0);
        assert_never_wrong(&environment, &damaged, &keys, &format!("zeros at {start}"));
        let noise = (start..end).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8);
        damaged.splice(start..end, noise);
        assert_never_wrong(&environment, &damaged, &keys, &format!("noise at {start}"));
    }
}

#[test]
fn a_flipped_bit_of_a_blob_drops_that_entry_only() {
    let environment = Environment::new();
    let (mut file, keys) = sample(&environment);
    let inside = &blob(2)[4_000..4_032];
    let at = file.windows(inside.len()).position(|window| window == inside).unwrap();
    file[at] ^= 1;
    fs::write(environment.catalog_path(), &file).unwrap();
    let catalog = environment.catalog();
    let found: Vec<bool> = keys.iter().map(|key| catalog.get_seed(key).is_some()).collect();
    // Other blobs have equal stretches, which may come first in the file. So any one of the blobs may be the
    // damaged one.
    assert_eq!(found.iter().filter(|found| !**found).count(), 1);
    assert!(catalog.last_problem().unwrap().contains("damaged"));
    let dropped = found.iter().position(|found| !found).unwrap();
    catalog.put_seed(&keys[dropped], &blob(dropped));
    assert_eq!(catalog.get_seed(&keys[dropped]), Some(blob(dropped)));
}

#[test]
fn another_programs_file_is_moved_aside() {
    let environment = Environment::new();
    let (_, keys) = sample(&environment);
    let letter = b"Dear reader, this is no database. ".repeat(100);
    assert_eq!(assert_never_wrong(&environment, &letter, &keys, "a letter"), 0);
    assert_eq!(fs::read(environment.path("cache/regrow/catalog.db.unusable")).unwrap(), letter);
}

#[test]
fn another_programs_database_is_moved_aside() {
    let environment = Environment::new();
    drop(environment.catalog());
    let path = environment.catalog_path();
    fs::remove_file(&path).unwrap();
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("CREATE TABLE letters (text); INSERT INTO letters VALUES ('dear')").unwrap();
    drop(foreign);
    let catalog = environment.catalog();
    assert!(catalog.is_on_disk());
    assert!(catalog.last_problem().unwrap().contains("another program's"));
    let moved = rusqlite::Connection::open(environment.path("cache/regrow/catalog.db.unusable")).unwrap();
    let text: String = moved.query_row("SELECT text FROM letters", [], |row| row.get(0)).unwrap();
    assert_eq!(text, "dear");
}

#[test]
fn other_versions_and_other_tables_are_made_anew() {
    let add_column = "ALTER TABLE entries ADD COLUMN more INTEGER";
    for change in ["PRAGMA user_version = 1", add_column, "CREATE VIEW v AS SELECT 1"] {
        let environment = Environment::new();
        let (_, keys) = sample(&environment);
        let path = environment.catalog_path();
        rusqlite::Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let file = fs::read(&path).unwrap();
        assert_eq!(assert_never_wrong(&environment, &file, &keys, change), 0);
        assert!(!environment.path("cache/regrow/catalog.db.unusable").exists(), "{change}");
    }
}

#[test]
fn a_write_ahead_log_is_put_back_to_a_journal() {
    let environment = Environment::new();
    let (_, keys) = sample(&environment);
    let connection = rusqlite::Connection::open(environment.catalog_path()).unwrap();
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    drop(connection);
    let file = fs::read(environment.catalog_path()).unwrap();
    assert_eq!(assert_never_wrong(&environment, &file, &keys, "WAL"), ENTRIES);
}

#[test]
fn damage_done_while_it_is_open() {
    let environment = Environment::new();
    let (file, keys) = sample(&environment);
    let catalog = environment.catalog();
    assert!(catalog.get_seed(&keys[0]).is_some());
    // The file is changed in place, so that the open handle sees it. The change counter at 24 makes SQLite read it
    // again.
    let mut damaged: Vec<u8> = file.iter().map(|byte| byte ^ 0x55).collect();
    damaged[..100].copy_from_slice(&file[..100]);
    damaged[27] = damaged[27].wrapping_add(40);
    fs::write(environment.catalog_path(), &damaged).unwrap();
    assert_eq!(catalog.get_seed(&keys[0]), None);
    assert!(catalog.last_problem().is_some());
    catalog.put_seed(&keys[0], &blob(0));
    assert_eq!(catalog.get_seed(&keys[0]), Some(blob(0)), "{:?}", catalog.last_problem());
    assert!(catalog.is_on_disk());
    drop(catalog);
    assert_eq!(environment.catalog().get_seed(&keys[0]), Some(blob(0)));
}
