//! The built command and the public API from end to end. They are one binary, so that it links once.
//!
//! The tests need nothing but loopback and a temporary folder. A test that needs root (a full disk, another user)
//! prints a line and is passed over if it cannot have that.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod cache;
mod cdn;
mod changed;
mod chaos;
mod coded;
mod coded_disk;
mod compressed;
mod compressed_disk;
mod cost;
mod courtesy;
mod crossings;
mod damage;
mod damaged_seeds;
mod diff;
mod disk;
mod disk_crossings;
mod divided;
mod elsewhere;
mod environment;
mod exit_codes;
mod first_install;
mod folders;
mod format2;
mod full;
mod gc;
mod head;
mod hostile;
mod hosts;
mod killed;
mod known_index;
mod layer;
mod library;
mod load;
mod make;
mod mutations;
mod neighbours;
mod network;
mod normalized;
mod outputs;
mod patch;
mod proxies;
mod push;
mod qcow2;
mod rangeless;
mod registry;
#[allow(dead_code, reason = "the store's own tests use more of it")]
#[path = "../store/tests/registry_server/mod.rs"]
mod registry_server;
mod report;
mod revalidated;
mod round_trip;
mod s3;
#[path = "../store/tests/s3server/mod.rs"]
mod s3server;
mod seed_changes;
mod seeds;
mod server;
mod shares;
mod signing;
mod sources;
mod state;
mod storages;
mod trust;
mod whole;
mod zstd;
