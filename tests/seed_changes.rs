//! Seeds that change while they are read, or that cannot be read. The result is a fetch or one clear line, never a
//! wrong byte.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, number};
use crate::server::{Answer, Server};
use regrow_demo::{noise, versions};

/// A host that runs `change` at the first request for a pack. The seeds are scanned by then.
fn changing_host(env: &TestEnvironment, change: impl Fn() + Send + Sync + 'static) -> Server {
    let done = AtomicBool::new(false);
    Server::with(env.root(), move |request| {
        if request.is_pack() && !done.swap(true, Ordering::AcqRel) {
            change();
        }
        Answer::Serve
    })
}

type Change = fn(&PathBuf);

const CHANGES: [(&str, Change); 4] = [
    ("truncated", |seed| std::fs::File::options().write(true).open(seed).unwrap().set_len(100_000).unwrap()),
    ("emptied", |seed| std::fs::write(seed, b"").unwrap()),
    ("rewritten", |seed| {
        let bytes = std::fs::metadata(seed).unwrap().len() as usize;
        std::fs::write(seed, noise("rewritten", bytes)).unwrap();
    }),
    ("shifted", |seed| {
        let mut bytes = std::fs::read(seed).unwrap();
        bytes.splice(900_000..900_000, *b"inserted");
        std::fs::write(seed, bytes).unwrap();
    }),
];

#[test]
fn a_file_that_changes_costs_a_fetch() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    for (name, change) in CHANGES {
        let seed = env.write("seed", &old);
        let server = changing_host(&env, move || change(&seed));
        let report = env.json(&format!("extract --seed seed {} out", server.url("new.rgx")));
        assert!(env.read("out") == new, "{name}");
        check_extract(&report, &new);
        assert_eq!(number(&report, "bytes_fetched"), server.body_bytes(), "{name}");
        env.remove("out");
    }
}

#[test]
fn a_file_that_changes_while_a_pipe_is_written() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    // The images have several blocks, with chunks that lie across their borders.
    let [old, new] = [old, new].map(|image| [image, noise("rest", 7_000_000)].concat());
    env.make("new", &new);
    for (name, change) in CHANGES {
        let seed = env.write("seed", &old);
        let server = changing_host(&env, move || change(&seed));
        let outcome = env.run(&format!("extract --seed seed {} -", server.url("new.rgx"))).success();
        assert!(outcome.stdout == new, "{name}");
    }
}

#[test]
fn counts_hold_when_a_seed_changes_under_a_pipe() {
    use crate::environment::small_chunks;
    use regrow_sync::{ExtractOptions, HttpOptions, Location, Network, NoProgress, Output, extract};
    let image = noise("across blocks", 9_000_000);
    let env = TestEnvironment::new();
    env.make("new", &image);
    let mut other = image.clone();
    other[..1000].fill(0);
    let seed = env.write("seed", &other);
    let rewritten = seed.clone();
    let server = changing_host(&env, move || std::fs::write(&rewritten, noise("else", 9_000_000)).unwrap());
    let options = ExtractOptions { seeds: vec![seed], ..ExtractOptions::default() };
    let policy = regrow_store::RetryPolicy::default();
    let mut network = small_chunks(Network::new(HttpOptions::default(), policy, env.path("scratch")).unwrap());
    let index = Location::parse(&server.url("new.rgx")).unwrap();
    let output = Output::Pipe(Box::new(std::io::sink()));
    let report = extract(&index, output, &options, &mut network, &NoProgress).unwrap();
    let parts = report.chunks_resumed + report.chunks_seed + report.chunks_cache + report.chunks_store;
    assert_eq!(parts, report.chunks, "{report:?}");
    assert_eq!(report.bytes_fetched, server.body_bytes());
}

#[test]
fn a_folder_that_changes_costs_a_fetch() {
    let tree = regrow_demo::Tree::sample("folder", 150);
    let image = tree.tar(1);
    let env = TestEnvironment::new();
    env.make("new", &image);
    for (path, bytes) in &tree.0 {
        env.write(&format!("folder/{path}"), bytes);
    }
    // A pack's end is asked for before the folder is searched by path, and frames after that. The seed changes at
    // each of these requests.
    for at in 1..4 {
        let folder = env.path("folder");
        let server = Server::with(env.root(), move |request| {
            if request.number == at {
                let _ = std::fs::rename(&folder, folder.with_file_name("gone"));
            }
            Answer::Serve
        });
        let report = env.json(&format!("extract --seed folder {} out", server.url("new.rgx")));
        assert!(env.read("out") == image, "{at}");
        check_extract(&report, &image);
        env.remove("out");
        let _ = std::fs::rename(env.path("gone"), env.path("folder"));
    }
}

#[test]
fn a_store_that_goes_away_costs_a_fetch() {
    let (old, new) = versions();
    let (env, host) = (TestEnvironment::new(), TestEnvironment::new());
    env.make("old", &old);
    host.make("new", &new);
    let packs = env.path("store/packs");
    let server = changing_host(&host, move || std::fs::rename(&packs, packs.with_file_name("gone")).unwrap());
    let report = env.json(&format!("extract --seed old.rgx {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    check_extract(&report, &new);
}

#[test]
fn a_seed_that_is_not_there_is_named() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    env.write("out", &old);
    for arguments in
        ["--seed absent new.rgx out", "--seed absent/deeper new.rgx out", "--seed new --seed absent new.rgx out"]
    {
        env.run(&format!("extract {arguments}")).failure_of(&[1, 2, 3, 4], "absent");
    }
    assert!(env.read("out") == old);
}

#[test]
fn a_seed_that_is_a_pipe_is_not_waited_for() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let made = std::process::Command::new("mkfifo").arg(env.path("pipe")).status();
    if !made.is_ok_and(|status| status.success()) {
        return crate::environment::pass_over("no mkfifo here");
    }
    let mut child = env.spawn(&mut env.command("extract --seed pipe new.rgx out"));
    for _ in 0..500 {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let is_waiting = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    let outcome = Outcome::wait(child);
    assert!(!is_waiting, "it waits for the pipe's other end");
    outcome.failure_of(&[1, 2], "pipe");
}

#[test]
fn damaged_seeds_are_passed_over_or_named() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    env.run("make --store mine new.rgx new").failure(1, "new");
    env.write("new", &new);
    env.run("make --avg-size 1KiB --store mine new.rgx new").success();
    for pack in env.packs("store") {
        let mut bytes = env.read(&pack);
        for at in (0..bytes.len()).step_by(997) {
            bytes[at] ^= 0x20;
        }
        env.write(&pack, &bytes);
    }
    for seed in ["store", "old.rgx"] {
        let outcome = env.run(&format!("extract --json --seed {seed} new.rgx out")).success();
        assert!(env.read("out") == new, "{seed}");
        check_extract(&outcome.json(), &new);
        env.remove("out");
    }
    let index = env.read("old.rgx");
    env.write("cut.rgx", &index[..index.len() / 2]);
    let outcome = env.run("extract --seed cut.rgx new.rgx out");
    if outcome.code == Some(0) {
        assert!(env.read("out") == new)
    } else {
        drop(outcome.failure_of(&[1, 2, 3, 4], "cut.rgx"))
    }
}

#[test]
fn a_seed_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let seed = env.write("old", &old);
    std::fs::set_permissions(seed, std::fs::Permissions::from_mode(0o000)).unwrap();
    let Some(mut command) = crate::disk::as_nobody(&env, "extract --seed old new.rgx scratch/out") else { return };
    Outcome::of(&mut command).failure_of(&[1, 4], "old");
    assert!(!env.exists("scratch/out"));
}
