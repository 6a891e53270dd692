//! `regrow sign`, `regrow key`, and `make --sign`.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use regrow_demo::noise;
use regrow_index::{Index, Statement};

use crate::environment::{Outcome, TestEnvironment, pass_over};

const MAKE: &str = "make --avg-size 1KiB --pack-size 256KiB --format 2";

/// An image without signatures, and a key.
fn environment() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.write("image", &noise("image", 50_000));
    env.run(&format!("{MAKE} app.rgx image")).success();
    env.run("key new release.key").success();
    env
}

fn index(env: &TestEnvironment) -> Index {
    Index::decode(&env.read("app.rgx")).unwrap()
}

fn statement(env: &TestEnvironment) -> Statement {
    index(env).statement().unwrap()
}

fn verify(env: &TestEnvironment, key: &str) -> Outcome {
    env.run(&format!("verify --json --state state --key {key} app.rgx"))
}

/// Whether another program is there, and succeeds.
fn succeeds(env: &TestEnvironment, program: &str, arguments: &str) -> Option<bool> {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).current_dir(env.root());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    match child {
        Ok(child) => Some(child.wait_with_output().unwrap().status.success()),
        Err(_) => {
            pass_over(&format!("{program} is not installed"));
            None
        }
    }
}

#[test]
fn keys_are_files_of_minisign_that_are_not_written_over() {
    let env = environment();
    let mode = |name: &str| env.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("release.key"), 0o600);
    let (secret, public) = (env.read("release.key"), env.read("release.key.pub"));
    env.run("key new release.key").failure(1, "is there already");
    env.remove("release.key");
    env.run("key new release.key").failure(1, "release.key.pub: is there already");
    assert!(!env.exists("release.key"));
    env.write("release.key", &secret);
    for name in ["release.key", "release.key.pub"] {
        assert_eq!(env.run(&format!("key show {name}")).success().stdout, public);
    }
    let pem = env.run("key show --pem release.key").success().stdout;
    assert!(pem.starts_with(b"-----BEGIN PUBLIC KEY-----\n"));
    env.write("release.pem", &pem);
    assert_eq!(env.run("key show --pem release.pem").success().stdout, pem);
    env.run("key show image").failure(2, "no Ed25519 public key");
    env.run("sign --key release.key.pub app.rgx").failure(2, "signing takes the secret one");
    env.run("verify --key release.key app.rgx").failure(2, "keep it off this machine");
}

#[test]
fn the_head_alone_changes() {
    let env = environment();
    let before = index(&env);
    let report = env.json("sign --key release.key --channel stable --counter 7 --expires 30 app.rgx");
    assert_eq!((report["channel"].as_str(), report["signatures"].as_u64()), (Some("stable"), Some(1)));
    let after = index(&env);
    let claims = &statement(&env).claims;
    assert_eq!((claims.channel.as_str(), claims.counter), ("stable", 7));
    assert_eq!(claims.expires_at, claims.signed_at + 30 * 86_400);
    let mut same = after.clone();
    same.units.as_mut().unwrap().claims = before.units.as_ref().unwrap().claims.clone();
    same.units.as_mut().unwrap().signatures.clear();
    assert_eq!(same, before);
    assert_eq!(verify(&env, "release.key.pub").success().json()["signers"].as_u64(), Some(1));
    // A key signs once, and the same claims change nothing.
    let signed = env.read("app.rgx");
    env.run("sign --key release.key --channel stable app.rgx").success();
    assert_eq!(env.read("app.rgx"), signed);
    env.run("key new second.key").success();
    env.run("sign --key second.key app.rgx").success();
    assert_eq!(index(&env).units.unwrap().signatures.len(), 2);
    // Other claims are signed by nobody yet.
    let changed = env.run("sign --key release.key --expires never app.rgx").success();
    assert!(changed.stderr.contains("2 signatures of the earlier claims are removed"), "{}", changed.stderr);
    assert_eq!(index(&env).units.unwrap().signatures.len(), 1);
    verify(&env, "second.key.pub").failure(3, "not trusted");
}

#[test]
fn counters_grow_by_themselves() {
    let env = environment();
    env.run("sign --key release.key --counter auto app.rgx").success();
    let first = statement(&env).claims;
    assert_eq!(first.counter, first.signed_at);
    env.run("sign --key release.key --counter auto app.rgx").success();
    assert!(statement(&env).claims.counter > first.counter);
}

#[test]
fn what_cannot_be_signed_is_named() {
    let env = environment();
    env.run("make --avg-size 1KiB --format 1 old.rgx image").success();
    env.run("sign --key release.key old.rgx").failure(3, "make --format 2");
    env.run("make --avg-size 1KiB --format 1 --sign release.key old.rgx image").failure(2, "--format 1");
    env.run("sign app.rgx").failure(2, "--print");
    env.run("sign --print app.rgx app.rgx").failure(2, "one index");
    env.run("sign --key release.key http://127.0.0.1:1/app.rgx").failure(2, "for reading");
    env.run("sign --key release.key absent.rgx").failure(4, "absent.rgx");
    env.run("sign --key release.key --expires 2020-01-01 app.rgx").failure(2, "is past");
    assert_eq!(env.run("sign --key release.key --expires soon app.rgx").code, Some(2));
    let long = "x".repeat(256);
    env.run(&format!("sign --key release.key --channel {long} app.rgx")).failure(2, "255 bytes");
    env.run(&format!("{MAKE} --channel {long} new.rgx image")).failure(2, "255 bytes");
    let other = env.run("sign --key release.key --detached signature app.rgx").success();
    assert!(other.stdout.is_empty() && statement(&env).claims.signed_at == 0, "the index stays as it is");
    env.run("sign --key release.key --channel stable app.rgx").success();
    env.run("sign --attach signature --public release.key.pub app.rgx").failure(3, "is not of this statement");
}

#[test]
fn make_signs_what_it_makes() {
    let env = environment();
    env.run("make --avg-size 1KiB --sign release.key --channel stable --counter auto app.rgx image").success();
    assert_eq!(statement(&env).claims.channel, "stable");
    verify(&env, "release.key.pub").success();
    // Claims alone are for a signature that is made elsewhere.
    env.run("make --avg-size 1KiB --channel beta app.rgx image").success();
    assert_eq!((statement(&env).claims.channel.as_str(), index(&env).units.unwrap().signatures.len()), ("beta", 0));
    for claim in ["--sign release.key", "--channel beta"] {
        env.run(&format!("make --format 1 {claim} one.rgx image")).failure(2, "--format 1");
    }
    assert!(!env.exists("one.rgx"));
}

#[test]
fn a_key_that_is_a_pipe_is_not_waited_for() {
    let env = environment();
    rustix::fs::mkfifoat(rustix::fs::CWD, env.path("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    for command in ["extract --key pipe app.rgx out", "verify --key pipe app.rgx", "key show pipe"] {
        env.run(command).failure(1, "pipe: is no regular file");
    }
    let command = "extract --key release.key.pub --signature pipe app.rgx out";
    env.run(command).failure(1, "pipe: is no regular file");
}

#[test]
fn openssl_signs_and_verifies() {
    let env = environment();
    if succeeds(&env, "openssl", "genpkey -algorithm ed25519 -out hsm.key") != Some(true) {
        return;
    }
    assert_eq!(succeeds(&env, "openssl", "pkey -in hsm.key -pubout -out hsm.pem"), Some(true));
    // It signs what is printed.
    let printed = env.run("sign --print --channel stable --counter 7 app.rgx").success().stdout;
    assert_eq!(printed, statement(&env).encode());
    assert_eq!(env.run("sign --print app.rgx").success().stdout, printed, "the bytes stay the same");
    env.write("statement", &printed);
    let unsigned = env.read("app.rgx");
    assert_eq!(
        succeeds(&env, "openssl", "pkeyutl -sign -rawin -inkey hsm.key -in statement -out signature"),
        Some(true)
    );
    env.run("sign --attach signature --public hsm.pem app.rgx").success();
    verify(&env, "hsm.pem").success();
    // It verifies what its key signs here.
    env.run("sign --key hsm.key --detached ours app.rgx").success();
    let arguments = "pkeyutl -verify -rawin -pubin -inkey hsm.pem -in statement -sigfile ours";
    assert_eq!(succeeds(&env, "openssl", arguments), Some(true));
    // Its 64 bytes are taken beside an index too, and do not say which of the keys made them.
    assert_eq!(env.read("ours").len(), 64);
    env.write("app.rgx", &unsigned);
    env.run("verify --key release.key.pub --key hsm.pem --signature signature app.rgx").success();
    env.run("verify --key release.key.pub --signature signature app.rgx").failure(3, "none of the trusted keys");
}

#[test]
fn minisign_signs_and_verifies() {
    let env = environment();
    env.run("sign --key release.key --channel stable app.rgx").success();
    env.write("statement", &env.run("sign --print app.rgx").success().stdout);
    env.run("sign --key release.key --detached ours app.rgx").success();
    if succeeds(&env, "minisign", "-V -p release.key.pub -x ours -m statement") != Some(true) {
        return;
    }
    assert_eq!(succeeds(&env, "minisign", "-G -W -p its.pub -s its.key"), Some(true));
    for kind in ["", "-l "] {
        assert_eq!(succeeds(&env, "minisign", &format!("-S {kind}-s its.key -m statement -x its.minisig")), Some(true));
        env.run("sign --attach its.minisig --public its.pub app.rgx").success();
        verify(&env, "its.pub").success();
    }
    env.run("sign --key its.key app.rgx").success();
    verify(&env, "its.pub").success();
}

#[test]
fn a_detached_signature_takes_no_other_files_place() {
    let env = environment();
    for name in ["release.key", "release.key.pub", "app.rgx", "image"] {
        let before = env.read(name);
        env.run(&format!("sign --key release.key --detached {name} app.rgx")).failure(2, "is no signature");
        assert!(env.read(name) == before, "{name}");
    }
    env.write("signature", b"");
    for _ in 0..2 {
        env.run("sign --key release.key --detached signature app.rgx").success();
    }
}

#[test]
fn detached_signatures_are_taken() {
    let env = environment();
    env.run("key new other.key").success();
    let unsigned = env.read("app.rgx");
    for name in ["release", "other"] {
        env.run(&format!("sign --key {name}.key --detached {name}.minisig app.rgx")).success();
    }
    assert!(env.read("app.rgx") == unsigned);
    let server = crate::server::Server::new(env.root());
    let (index, signature) = (server.url("app.rgx"), server.url("release.minisig"));
    let take = |arguments: &str| env.run(&format!("extract --state state {arguments} {index} out"));
    take("--key release.key.pub").failure(3, "it is not signed");
    take(&format!("--key release.key.pub --signature {signature}")).success();
    assert!(env.read("out") == env.read("image"));
    env.run("verify --key release.key.pub --signature release.minisig app.rgx").success();
    env.run("verify --key release.key.pub --signature release.minisig app.rgx image").success();
    // Several count together, with those in the index.
    let both = "--threshold 2 --key release.key.pub --key other.key.pub --signature release.minisig";
    take(both).failure(3, "1 of the 2 signatures");
    take(&format!("{both} --signature other.minisig")).success();
    // What does not help is told.
    take("--key release.key.pub --signature other.minisig").failure(3, "not trusted");
    take("--key release.key.pub --signature image").failure(2, "no Ed25519 signature");
    take("--key release.key.pub --signature absent").failure(1, "absent");
    take(&format!("--key release.key.pub --signature {}", server.url("absent"))).failure(4, "absent");
    // One that cannot be had does not matter where another is enough.
    let absent = format!("--key release.key.pub --signature {}", server.url("absent"));
    let taken = take(&format!("{absent} --signature release.minisig")).success();
    assert!(taken.stderr.contains("absent"), "{}", taken.stderr);
    // What a host gives is damaged, not the command line.
    take(&format!("--key release.key.pub --signature {}", server.url("release.key.pub"))).failure(3, "signature");
    take(&format!("--key release.key.pub{}", " --signature release.minisig".repeat(17))).failure(2, "more than 16");
    take("--signature release.minisig").failure(2, "--signature: there is no key");
    env.run("sign --key other.key --channel stable app.rgx").success();
    take("--key release.key.pub --signature release.minisig").failure(3, "is not of this statement");
    take(&format!("{both} --signature other.minisig")).failure(3, "is not of this statement");
}
