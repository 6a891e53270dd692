//! Hosts that answer every range with the whole file, as the simplest ones do.

use crate::environment::TestEnvironment;
use crate::report::{check_extract, number};
use crate::server::{Answer, Server};
use regrow_demo::{noise, versions};

/// The size of the index, and of the packs that it needs.
fn needed_bytes(env: &TestEnvironment, index: &str) -> u64 {
    let packs: usize = env.packs_of(index).iter().map(|pack| env.read(pack).len()).sum();
    (packs + env.read(index).len()) as u64
}

#[test]
fn each_pack_is_fetched_once_and_one_warning_says_so() {
    let env = TestEnvironment::new();
    let (old, image) = versions();
    env.make("old", &old);
    env.make("app", &image);
    let needed = needed_bytes(&env, "app.rgx");
    for answer in [Answer::Whole, Answer::WholeUnsized] {
        let server = Server::with(env.root(), move |_| answer.clone());
        for connections in [1, 6, 32] {
            server.reset_counts();
            let command = format!("extract --json --connections {connections} {} new", server.url("app.rgx"));
            let outcome = env.run(&command).success();
            assert!(env.read("new") == image);
            env.remove("new");
            check_extract(&outcome.json(), &image);
            let asked = server.requests().iter().filter(|request| request.is_pack()).count();
            assert_eq!(asked, env.packs_of("app.rgx").len());
            assert!(server.body_bytes() <= needed, "{} of {needed}", server.body_bytes());
            let lines: Vec<&str> = outcome.stderr.lines().collect();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with("regrow: warning: http://127.0.0.1:") && lines[0].contains("no ranges"));
        }
        // Commands that only look at the ends read them from the same files.
        server.reset_counts();
        let (app, old) = (server.url("app.rgx"), server.url("old.rgx"));
        env.run(&format!("verify --store {} {app}", server.url("store"))).success();
        env.run(&format!("info {app}")).success();
        env.run(&format!("diff {old} {app}")).success();
        assert!(server.body_bytes() <= 5 * needed, "{} of {needed}", server.body_bytes());
    }
}

#[test]
fn bodies_that_break_off_are_asked_for_again() {
    let env = TestEnvironment::new();
    let image = noise("rangeless", 3_000_000);
    env.make("app", &image);
    let good = Server::new(env.root());
    for fault in [Answer::ResetInBody, Answer::Short, Answer::Status(503), Answer::HangInBody] {
        let server = Server::with(env.root(), move |request| match request.number {
            2 | 5 => fault.clone(),
            _ => Answer::Whole,
        });
        let report = env.json(&format!("extract --timeout 1 {} new", server.url("app.rgx")));
        assert!(env.read("new") == image);
        env.remove("new");
        check_extract(&report, &image);
        assert!(number(&report, "requests") > 0);
    }
    // If one of two stores is damaged, that costs a fetch from the other.
    let bad = Server::with(env.root(), |request| match request.is_pack() {
        true => Answer::Page("text/plain", noise("other", 400_000)),
        false => Answer::Whole,
    });
    let stores = format!("--store {} --store {}", bad.url("store"), good.url("store"));
    env.run(&format!("extract {stores} {} new", good.url("app.rgx"))).success();
    assert!(env.read("new") == image);
}
