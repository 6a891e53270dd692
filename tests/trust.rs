//! What a device is safe from that trusts keys: the attacks that The Update Framework lists, by hosts on the way. Those
//! that need no host are in sync/src/place/trust/tests.rs.

mod replaced;

use std::path::Path;
use std::time::{Duration, SystemTime};

use regrow_demo::{noise, versions};
use regrow_index::Index;
use regrow_sync::{
    ExtractOptions, HttpOptions, Keys, Location, Network, NoProgress, Output, RetryPolicy, SyncError, Trust,
    TrustError, extract, read_key,
};

use crate::environment::{Outcome, TestEnvironment, small_chunks};
use crate::server::{Answer, Request, Server};

const MAKE: &str = "make --allow-partial --avg-size 1KiB --pack-size 256KiB";
/// What a device gives to each command.
const DEVICE: &str = "--key ours.key.pub --state state --catalog catalog";

/// A publisher with a key, and with the images `one` and `two` of a channel.
fn published() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.run("key new ours.key").success();
    env.run("key new theirs.key").success();
    let (one, two) = versions();
    for (name, image, counter) in [("one", one, 1), ("two", two, 2)] {
        env.write(name, &image);
        env.run(&format!("{MAKE} --sign ours.key --channel stable --counter {counter} --expires 90 {name}.rgx {name}"))
            .success();
    }
    env
}

fn install(env: &TestEnvironment, index: &str) -> Outcome {
    env.run(&format!("extract {DEVICE} {index} out"))
}

/// Checks that an index is refused by one line with these words, and that nothing was written or fetched.
#[track_caller]
fn check_refused(env: &TestEnvironment, outcome: Outcome, about: &str) {
    outcome.failure(3, about);
    let left = env.files("");
    assert!(!left.iter().any(|name| name.starts_with("out") || name.starts_with(".out")), "{left:?}");
}

#[test]
fn a_signed_image_is_installed_and_remembered() {
    let env = published();
    let report = env.json(&format!("extract {DEVICE} one.rgx out"));
    assert_eq!((report["signers"].as_u64(), env.read("out")), (Some(1), env.read("one")));
    assert_eq!(env.files("state").iter().filter(|name| name.ends_with(".json")).count(), 2);
    let checked = env.json("verify --key ours.key.pub --state state two.rgx");
    assert_eq!((checked["channel"].as_str(), checked["counter"].as_u64()), (Some("stable"), Some(2)));
    env.run("verify two.rgx").failure(2, "--key");
    env.run("verify --key theirs.key.pub --state state two.rgx").failure(3, "not trusted");
    env.run("verify --key theirs.key.pub --state state one.rgx out").failure(3, "not trusted");
    env.run("verify --key ours.key.pub --state state one.rgx out").success();
    let problems = env.run("verify --json --key theirs.key.pub --state state --store store one.rgx");
    assert!(problems.code == Some(3) && problems.stderr.contains("not trusted"), "{problems:?}");
}

#[test]
fn arbitrary_software_is_refused() {
    let env = published();
    env.write("evil", &noise("evil", 100_000));
    env.run(&format!("{MAKE} --sign theirs.key --channel stable --counter 9 evil.rgx evil")).success();
    env.run(&format!("{MAKE} --format 2 unsigned.rgx evil")).success();
    env.run(&format!("{MAKE} --format 1 old.rgx evil")).success();
    let server = Server::new(env.root());
    for (index, about) in
        [("evil.rgx", "keys that are not trusted here"), ("unsigned.rgx", "not signed"), ("old.rgx", "version 1")]
    {
        server.reset_counts();
        check_refused(&env, install(&env, &server.url(index)), about);
        assert!(server.requests().iter().all(|request| !request.is_pack()), "only the index is read");
    }
    assert!(!env.exists("state"), "what is refused leaves no trace");
    // Signatures of another statement, and a statement of other claims.
    let mut index = Index::decode(&env.read("evil.rgx")).unwrap();
    let signed = Index::decode(&env.read("one.rgx")).unwrap();
    index.units.as_mut().unwrap().signatures = signed.units.as_ref().unwrap().signatures.clone();
    env.write("moved.rgx", &index.encode());
    check_refused(&env, install(&env, "moved.rgx"), "is not of this statement");
    let mut index = signed;
    index.units.as_mut().unwrap().claims.counter = 9;
    env.write("claimed.rgx", &index.encode());
    check_refused(&env, install(&env, "claimed.rgx"), "is not of this statement");
}

#[test]
fn the_wrong_software_is_refused() {
    let env = published();
    let digest = blake3::hash(&env.read("one")).to_string();
    let pinned = |index: &str| env.run(&format!("extract --digest {digest} --catalog catalog {index} out"));
    check_refused(&env, pinned("two.rgx"), "(--digest)");
    pinned("one.rgx").success();
    env.remove("out");
    env.run(&format!("{MAKE} --sign ours.key --channel beta --counter 9 beta.rgx one")).success();
    check_refused(&env, env.run(&format!("extract {DEVICE} --name stable beta.rgx out")), "(--name)");
}

#[test]
fn a_mix_of_channels_is_refused() {
    let env = published();
    install(&env, "one.rgx").success();
    env.remove("out");
    env.run(&format!("{MAKE} --sign ours.key --channel beta --counter 9 one.rgx two")).success();
    check_refused(&env, install(&env, "one.rgx"), "--name \"beta\" takes these from now on");
    env.run(&format!("extract {DEVICE} --name beta one.rgx out")).success();
    install(&env, "one.rgx").success();
    // Blocks of another image do not go with a signed head.
    let (one, two) = (env.read("one.rgx"), env.read("two.rgx"));
    let head = |file: &[u8]| 48 + u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
    env.write("mixed.rgx", &[&two[..head(&two)], &one[head(&one)..]].concat());
    env.remove("out");
    check_refused(&env, install(&env, "mixed.rgx"), "mixed.rgx");
}

#[test]
fn a_rollback_is_refused_also_from_a_mirror() {
    let env = published();
    let server = Server::new(env.root());
    install(&env, &server.url("two.rgx?token=1")).success();
    env.remove("out");
    env.write("mirror/one.rgx", &env.read("one.rgx"));
    for index in [server.url("one.rgx"), server.url("two.rgx/../one.rgx"), "mirror/one.rgx".to_owned()] {
        check_refused(&env, install(&env, &index), "--allow-older takes it anyway");
    }
    env.run(&format!("extract {DEVICE} --dry-run --allow-older one.rgx out")).success();
    check_refused(&env, install(&env, "one.rgx"), "counter");
    env.run(&format!("extract {DEVICE} --allow-older one.rgx out")).success();
    assert_eq!(env.read("out"), env.read("one"));
    install(&env, "one.rgx").success();
}

#[test]
fn a_fast_forward_by_others_changes_nothing() {
    let env = published();
    install(&env, "one.rgx").success();
    let mut index = Index::decode(&env.read("one.rgx")).unwrap();
    index.units.as_mut().unwrap().claims.counter = u64::MAX;
    env.write("forward.rgx", &index.encode());
    install(&env, "forward.rgx").failure(3, "is not of this statement");
    install(&env, "two.rgx").success();
    // What a dry run sees is not remembered either.
    env.run(&format!("{MAKE} --sign ours.key --channel stable --counter 9 nine.rgx two")).success();
    env.run(&format!("extract {DEVICE} --dry-run nine.rgx out")).success();
    install(&env, "two.rgx").success();
}

#[test]
fn a_freeze_ends_when_the_statement_expires() {
    let env = published();
    let key = read_key(&env.path("ours.key.pub")).unwrap();
    let day = Duration::from_secs(86_400);
    let run = |now| {
        let mut network =
            small_chunks(Network::new(HttpOptions::default(), RetryPolicy::default(), env.path("scratch")).unwrap());
        let keys = Keys::new(vec![key]).unwrap();
        let options = ExtractOptions { trust: Trust { keys, now, ..Trust::default() }, ..ExtractOptions::default() };
        let location = Location::Path(env.path("one.rgx"));
        extract(&location, Output::File(env.path("out")), &options, &mut network, &NoProgress)
    };
    let refused = run(SystemTime::now() + 91 * day).unwrap_err();
    assert!(matches!(refused, SyncError::Untrusted { reason: TrustError::Expired { .. }, .. }), "{refused}");
    assert!(!env.exists("out"));
    run(SystemTime::now() + 89 * day).unwrap();
}

#[test]
fn endless_data_ends() {
    let env = published();
    for is_sized in [true, false] {
        let server = Server::with(env.root(), move |_| Answer::Endless { is_sized });
        install(&env, &server.url("one.rgx")).failure_of(&[3, 4], "one.rgx");
    }
    // The sizes of all packs are in the index.
    let server =
        Server::with(
            env.root(),
            |request: &Request| {
                if request.is_pack() { Answer::Endless { is_sized: false } } else { Answer::Serve }
            },
        );
    let outcome = install(&env, &server.url("one.rgx"));
    assert!(outcome.code != Some(0) || env.read("out") == env.read("one"), "{}", outcome.stderr);
    assert!(server.body_bytes() < 100 << 20);
}

#[test]
fn extraneous_data_of_a_store_is_not_fetched() {
    let env = published();
    let server = Server::new(env.root());
    env.write("store/packs/ff/extra.pack", &noise("extra", 10_000));
    install(&env, &server.url("one.rgx")).success();
    let wanted = env.packs_of("one.rgx");
    let packs: Vec<_> = server.requests().into_iter().filter(Request::is_pack).map(|request| request.path).collect();
    assert!(!packs.is_empty() && packs.iter().all(|path| wanted.iter().any(|pack| path.ends_with(pack))), "{packs:?}");
}

#[test]
fn a_malicious_mirror_gives_no_wrong_byte() {
    let env = published();
    env.write("evil", &noise("evil", 300_000));
    env.run(&format!("{MAKE} --store evil-store --sign theirs.key --channel stable --counter 9 evil.rgx evil"))
        .success();
    let packs = env.packs("evil-store");
    let bytes = env.read(&packs[0]);
    let mirror =
        Server::with(
            env.root(),
            move |request| {
                if request.is_pack() { Answer::Instead(bytes.clone()) } else { Answer::Serve }
            },
        );
    let store = mirror.url("store");
    let outcome = env.run(&format!("extract {DEVICE} --tries 1 --store {store} one.rgx out"));
    outcome.failure_of(&[3, 4], "");
    assert!(!env.exists("out"));
    // Another store makes up for it.
    env.run(&format!("extract {DEVICE} --tries 1 --store {store} --store store one.rgx out")).success();
    assert_eq!(env.read("out"), env.read("one"));
}

#[test]
fn a_key_below_the_threshold_is_no_use() {
    let env = published();
    let device = "--key ours.key.pub --key theirs.key.pub --threshold 2 --state state --catalog catalog";
    let run = || env.run(&format!("extract {device} one.rgx out"));
    check_refused(&env, run(), "1 of the 2 signatures");
    env.run("sign --key theirs.key one.rgx").success();
    run().success();
    env.remove("out");
    // A thief of one key can claim nothing more.
    let stolen = env.run("sign --key theirs.key --counter 9 one.rgx").success();
    assert!(stolen.stderr.contains("2 signatures of the earlier claims are removed"), "{}", stolen.stderr);
    check_refused(&env, run(), "1 of the 2 signatures");
    env.run("extract --key ours.key.pub --threshold 2 one.rgx out").failure(2, "--threshold 2");
}

#[test]
fn a_plain_connection_without_a_key_is_named_once() {
    let env = published();
    let server = Server::new(env.root());
    // A proxy is asked by the whole URL, of which this one takes the path.
    std::fs::create_dir_all(env.path("http:")).unwrap();
    std::os::unix::fs::symlink(env.root(), env.path("http:/far.example")).unwrap();
    let (host, proxy) = ("http://far.example", server.url("").trim_end_matches('/').to_owned());
    let proxied = |more: &str| {
        let mut command = env.command(&format!("extract --tries 1 {more} {host}/one.rgx out"));
        Outcome::of(command.env("http_proxy", &proxy))
    };
    let warned = proxied("--catalog catalog").success().stderr;
    assert_eq!(warned.matches("http:// is not encrypted").count(), 1, "{warned}");
    let silent = proxied(DEVICE).success().stderr;
    assert!(!silent.contains("not encrypted"), "{silent}");
    let on_loopback = env.run(&format!("extract {} out", server.url("one.rgx"))).success().stderr;
    assert!(!on_loopback.contains("not encrypted"), "{on_loopback}");
}

#[test]
fn the_rest_of_an_index_may_change_under_a_signature() {
    let env = published();
    let signatures = |name: &str| {
        let index = Index::decode(&env.read(name)).unwrap();
        (index.statement().unwrap().encode(), index.units.unwrap().signatures)
    };
    let before = signatures("two.rgx");
    env.run("patch one.rgx two.rgx").success();
    assert_eq!(signatures("two.rgx"), before, "an announced patch");
    env.run("push two.rgx elsewhere/store").success();
    assert_eq!(signatures("elsewhere/two.rgx"), before, "another store");
    env.remove("one.rgx");
    env.run("gc --store store --repack --grace 0s").success();
    assert_eq!(signatures("two.rgx"), before, "packs that are written again");
    install(&env, "two.rgx").success();
    assert!(Path::new(&env.path("out")).exists());
}
