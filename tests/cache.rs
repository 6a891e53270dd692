//! `--cache` and `--catalog`, which are trusted for nothing.

use std::fs::File;
use std::time::{Duration, SystemTime};

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, number};
use crate::server::Server;
use regrow_demo::{noise, versions};

#[test]
fn a_cache_saves_the_second_fetch() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let server = Server::new(env.root());
    let extract = format!("extract --cache cache {} out", server.url("new.rgx"));
    let first = env.json(&extract);
    env.remove("out");
    server.reset_counts();
    let second = env.json(&extract);
    assert!(env.read("out") == new);
    check_extract(&second, &new);
    assert_eq!(number(&second, "chunks_store"), 0, "{second}");
    assert_eq!(number(&second, "bytes_fetched"), 32, "the hash at the end of the index alone: {second}");
    assert!(number(&first, "bytes_fetched") > 1_000_000, "{first}");
}

#[test]
fn several_runs_share_a_cache_and_a_catalog() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    env.write("seed", &old);
    age(&env, "seed");
    let server = Server::new(env.root());
    let shared = format!("extract --cache cache --catalog catalog --seed seed {}", server.url("new.rgx"));
    let runs: Vec<_> = (0..5).map(|n| env.spawn(&mut env.command(&format!("{shared} out-{n}")))).collect();
    runs.into_iter().for_each(|run| drop(Outcome::wait(run).success()));
    assert!((0..5).all(|n| env.read(&format!("out-{n}")) == new));
}

#[test]
fn no_home_is_needed() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    env.remove("home-cache");
    env.write("old", &old);
    let mut command = env.command("extract --seed old new.rgx out");
    command.env_remove("HOME").env_remove("XDG_CACHE_HOME");
    Outcome::of(&mut command).success();
    assert!(env.read("out") == new && !env.exists("home-cache"));
    env.write("home-cache", b"a file");
    env.run("extract --seed old new.rgx out2").success();
    assert!(env.read("out2") == new);
}

type Damage = fn(usize, Vec<u8>) -> Vec<u8>;

#[test]
fn a_damaged_cache_costs_a_fetch() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let server = Server::new(env.root());
    let extract = format!("extract --cache cache {} out", server.url("new.rgx"));
    let damages: [(&str, Damage); 5] = [
        ("flipped", |_, mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }),
        ("flipped first", |_, mut bytes| {
            bytes[0] ^= 0x80;
            bytes
        }),
        ("cut", |n, bytes| bytes[..bytes.len() * (n % 5) / 5].to_vec()),
        ("noise", |_, bytes| noise("cache", bytes.len())),
        ("some flipped", |n, mut bytes| {
            let last = bytes.len() - 1;
            bytes[last] ^= u8::from(n % 2 == 0);
            bytes
        }),
    ];
    for (name, damage) in damages {
        env.json(&extract);
        env.remove("out");
        for (number, file) in env.files("cache").into_iter().enumerate() {
            let bytes = env.read(&file);
            if !bytes.is_empty() {
                env.write(&file, &damage(number, bytes));
            }
        }
        server.reset_counts();
        let report = env.json(&extract);
        assert!(env.read("out") == new, "{name}");
        check_extract(&report, &new);
        assert_eq!(number(&report, "bytes_fetched"), server.body_bytes(), "{name}");
        env.remove("out");
        // A damaged entry has been dropped, and the next run replaces it at the latest.
        env.json(&extract);
        env.remove("out");
        let healed = env.json(&extract);
        assert_eq!(number(&healed, "chunks_store"), 0, "{name}: {healed}");
        assert_eq!(number(&healed, "requests"), 1, "{name}: {healed}");
        env.remove("out");
    }
}

#[test]
fn a_cache_that_cannot_be_written_fails_nothing() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    env.write("cache", b"a file");
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --cache cache {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    check_extract(&report, &new);
}

/// Makes a file look as if it had been written long ago, because fresh files are not remembered.
fn age(env: &TestEnvironment, name: &str) {
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(env.path(name)).unwrap().set_modified(hour_ago).unwrap();
}

#[test]
fn a_catalog_is_never_the_truth() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    env.write("seed", &old);
    age(&env, "seed");
    let server = Server::new(env.root());
    let extract = format!("extract --catalog catalog --seed seed {} out", server.url("new.rgx"));
    let first = env.json(&extract);
    let catalog = env.read("catalog");
    let flipped = |step: usize| {
        let mut bytes = catalog.clone();
        (100..bytes.len()).step_by(step).for_each(|at| bytes[at] ^= 0x11);
        bytes
    };
    let damaged = [
        Vec::new(),
        b"not a database".to_vec(),
        noise("catalog", catalog.len()),
        catalog[..catalog.len() / 2].to_vec(),
        flipped(7),
        flipped(3001),
        flipped(4096),
    ];
    for (number, bytes) in damaged.into_iter().enumerate() {
        env.remove("out");
        env.write("catalog", &bytes);
        let report = env.json(&extract);
        assert!(env.read("out") == new, "{number}");
        check_extract(&report, &new);
        assert_eq!(report["chunks_seed"], first["chunks_seed"], "{number}: the seed is scanned again");
    }
    env.remove("out");
    env.remove("catalog");
    std::fs::create_dir(env.path("catalog")).unwrap();
    env.json(&extract);
    assert!(env.read("out") == new, "a folder where the catalog should be");
}

#[test]
fn a_seed_that_changed_since_the_catalog_saw_it() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let extract = "extract --catalog catalog --seed seed new.rgx out";
    env.write("seed", &old);
    age(&env, "seed");
    env.json(extract);
    env.remove("out");
    // The file has the same size and time, so only its content tells.
    env.write("seed", &noise("quietly", old.len()));
    age(&env, "seed");
    check_extract(&env.json(extract), &new);
    assert!(env.read("out") == new);
    // The catalog may also know the output.
    age(&env, "out");
    env.json(extract);
    let wrong = [&[1], &new[1..]].concat();
    env.write("out", &wrong);
    age(&env, "out");
    env.json(extract);
    assert!(env.read("out") == new, "an output that only looks finished");
}
