//! Hosts that waste time, room or trust: endless answers, redirects, headers, and the time limit of a run.

use std::process::Command;

use regrow_index::Index;

use crate::environment::{Outcome, TestEnvironment};
use crate::server::{Answer, Request, Server};
use regrow_demo::noise;

/// An index, its store, and an output that is there already.
fn site() -> (TestEnvironment, Vec<u8>) {
    let env = TestEnvironment::new();
    let image = noise("network", 1_000_000);
    env.make("app", &image);
    env.write("out", b"the old output");
    (env, image)
}

fn packs(answer: Answer) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    move |request| if request.is_pack() { answer.clone() } else { Answer::Serve }
}

/// Makes the index state that its packs have 2^50 bytes.
fn inflate(env: &TestEnvironment) {
    let mut index = Index::decode(&env.read("app.rgx")).unwrap();
    for pack in &mut index.packs {
        let more = (1 << 50) - pack.bytes;
        pack.bytes += more;
        pack.skeleton_at += more;
        pack.tail_at += more;
    }
    env.write("app.rgx", &index.encode());
}

#[test]
fn nothing_is_skipped_through_for_ever() {
    let (env, _) = site();
    inflate(&env);
    for is_sized in [true, false] {
        let server = Server::with(env.root(), packs(Answer::Endless { is_sized }));
        let outcome = env.run(&format!("extract {} out", server.url("app.rgx")));
        outcome.failure(4, "the host does not give ranges");
        assert_eq!(env.read("out"), b"the old output");
        // Bytes that fit into the buffers of both sides were sent before the connection was closed.
        assert!(server.body_bytes() < 64 << 20, "{}", server.body_bytes());
    }
}

#[test]
fn answers_without_a_length_are_not_gathered() {
    let (env, _) = site();
    let server = Server::with(env.root(), packs(Answer::Endless { is_sized: false }));
    // The tails are zeros. That is noticed when as many bytes have come as were asked for.
    env.run(&format!("extract --tries 1 {} out", server.url("app.rgx"))).failure(3, ".pack");
    assert!(server.body_bytes() < 64 << 20, "{}", server.body_bytes());
}

#[test]
fn a_run_ends_in_time_and_the_next_goes_on() {
    let (env, image) = site();
    let waits = [
        ("a body that stops", Answer::HangInBody, "--timeout 600"),
        ("no answer", Answer::Hang, "--timeout 600"),
        ("a body that drips", Answer::Slow(1), ""),
        ("waits between attempts", Answer::Status(503), "--tries 1000"),
        ("a low limit", Answer::Serve, "--limit-rate 100"),
    ];
    for (what, answer, arguments) in waits {
        let server = Server::with(env.root(), packs(answer));
        let command = format!("extract --max-time 1s {arguments} {} out", server.url("app.rgx"));
        let outcome = env.run(&command);
        assert_eq!(outcome.code, Some(4), "{what}: {}", outcome.stderr);
        outcome.failure(4, "the time allowed for this run, 1 s, is over (--max-time)");
        assert_eq!(env.read("out"), b"the old output", "{what}");
    }
    let good = Server::new(env.root());
    env.run(&format!("extract --max-time 10m {} out", good.url("app.rgx"))).success();
    assert!(env.read("out") == image);
    assert_eq!(env.run("info --max-time 0 app.rgx").code, Some(2));
}

/// A host on this machine that is reached like a distant one: the command uses it as a proxy.
fn far(env: &TestEnvironment, proxy: &Server, arguments: &str) -> Command {
    let mut command = env.command(arguments);
    for name in ["http_proxy", "https_proxy"] {
        command.env(name, proxy.url("").trim_end_matches('/'));
    }
    command.env("no_proxy", "127.0.0.1,localhost,::1");
    command
}

#[test]
fn a_host_far_away_sends_nobody_nearer() {
    let (env, _) = site();
    let near = Server::new(env.root());
    for host in ["127.0.0.1", "localhost", "LOCALHOST", "2130706433", "0x7f.1", "0.0.0.0", "[::1]", "[::ffff:7f00:1]"] {
        for scheme in ["http", "https"] {
            let to = format!("{scheme}://{host}:{}/app.rgx?secret", near.port());
            let proxy = Server::with(env.root(), move |_| Answer::Moved(to.clone()));
            let outcome = Outcome::of(&mut far(&env, &proxy, "extract --tries 1 http://far.example/app.rgx out"));
            let outcome = outcome.failure(4, "http://far.example/app.rgx: redirected to ");
            assert!(outcome.stderr.contains("an address of this machine"), "{host}: {}", outcome.stderr);
            assert!(outcome.stderr.contains("--redirects any") && !outcome.stderr.contains("secret"), "{host}");
        }
    }
    for host in ["10.0.0.1", "169.254.169.254", "[fd00::1]", "192.168.0.1"] {
        let proxy = Server::with(env.root(), move |_| Answer::Moved(format!("https://{host}/app.rgx")));
        Outcome::of(&mut far(&env, &proxy, "info http://far.example/app.rgx")).failure(4, "redirected to https://");
    }
    assert_eq!(near.request_count(), 0);
    let to = near.url("app.rgx");
    let proxy = Server::with(env.root(), move |_| Answer::Moved(to.clone()));
    Outcome::of(&mut far(&env, &proxy, "verify --redirects any http://far.example/app.rgx app")).success();
    assert_eq!(near.request_count(), 1);
}

#[test]
fn which_redirects_are_followed_can_be_chosen() {
    let (env, _) = site();
    let other = Server::new(env.root());
    let (there, here) = (other.url("app.rgx"), |request: &Request| request.path == "here");
    let elsewhere = Server::with(env.root(), move |_| Answer::Moved(there.clone()));
    let same =
        Server::with(
            env.root(),
            move |request| {
                if here(request) { Answer::Moved("/app.rgx".to_owned()) } else { Answer::Serve }
            },
        );
    for (which, follows_same, follows_other) in
        [("none", false, false), ("same-origin", true, false), ("safe", true, true), ("any", true, true)]
    {
        for (url, follows) in [(same.url("here"), follows_same), (elsewhere.url("x"), follows_other)] {
            let outcome = env.run(&format!("verify --redirects {which} {url} app"));
            if follows {
                outcome.success();
            } else {
                outcome.failure(4, "redirected to http://127.0.0.1:");
            }
        }
    }
}

/// Whether a server got the header `X-Token` with each request, or with none (`false`). Any mixture is wrong.
#[track_caller]
fn got_token(server: &Server) -> bool {
    let requests = server.requests();
    assert!(!requests.is_empty(), "nothing was asked");
    let with = requests.iter().filter(|request| request.header("x-token") == Some("secret")).count();
    assert!(with == 0 || with == requests.len(), "{with} of {}", requests.len());
    server.reset_counts();
    with > 0
}

#[test]
fn headers_go_to_the_host_of_the_index() {
    let (env, _) = site();
    let (home, other) = (Server::new(env.root()), Server::new(env.root()));
    let origin = |server: &Server| server.url("").trim_end_matches('/').to_owned();
    let (index, stores) = (home.url("app.rgx"), [home.url("store"), other.url("store")]);
    let extract = |headers: &[&str], index: &str, stores: &[String]| {
        let mut arguments = vec!["extract"];
        headers.iter().for_each(|header| arguments.extend(["--header", header]));
        stores.iter().for_each(|store| arguments.extend(["--store", store]));
        arguments.extend([index, "new"]);
        let outcome = Outcome::of(&mut env.command_of(&arguments));
        let _ = std::fs::remove_file(env.path("new"));
        outcome
    };
    let plain = "X-Token: secret";
    extract(&[plain], &index, &stores[1..]).success();
    assert_eq!((got_token(&home), got_token(&other)), (true, false));
    extract(&[plain], &index, &[]).success();
    assert!(got_token(&home));
    let named = format!("{}=X-Token: secret", origin(&other));
    extract(&[&named], &index, &stores[1..]).success();
    assert_eq!((got_token(&home), got_token(&other)), (false, true));
    env.write("headers", format!("# both\n{plain}\n{named}\n").as_bytes());
    extract(&["@headers"], &index, &stores[1..]).success();
    assert_eq!((got_token(&home), got_token(&other)), (true, true));
    // An index on this machine has no host. The stores decide, if they are on one host.
    extract(&[plain], "app.rgx", &stores[1..]).success();
    assert!(got_token(&other));
    extract(&[plain], "app.rgx", &stores).failure(2, "--header: the stores are on several hosts");
    extract(&["no header"], "app.rgx", &stores).failure(2, "--header: write it like");
    // Both indexes of a diff are named places.
    let (old, new) = (home.url("app.rgx"), other.url("app.rgx"));
    Outcome::of(&mut env.command_of(&["diff", "--header", plain, &old, &new])).success();
    assert_eq!((got_token(&home), got_token(&other)), (true, true));
}
