//! Indexes that are found elsewhere than they are asked for, hosts that compress them, and hosts that allow few
//! requests.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::environment::TestEnvironment;
use crate::server::{Answer, Request, Server, dead_url};
use regrow_demo::noise;

fn site() -> (TestEnvironment, Vec<u8>) {
    let env = TestEnvironment::new();
    let image = noise("elsewhere", 1_500_000);
    env.make("app", &image);
    (env, image)
}

#[test]
fn the_store_is_where_a_redirect_found_the_index() {
    let (env, image) = site();
    env.write("v7/app.rgx", &env.read("app.rgx"));
    let moves = |to: String| {
        move |request: &Request| match request.path.as_str() {
            "latest/app.rgx" => Answer::Moved(to.clone()),
            _ => Answer::Serve,
        }
    };
    let extracts = |server: &Server, not_found: bool| {
        server.reset_counts();
        env.run(&format!("extract --connections 1 {} new", server.url("latest/app.rgx"))).success();
        assert!(env.read("new") == image);
        env.remove("new");
        let wrong = server.requests().iter().filter(|request| !env.exists(&request.path)).count();
        // The redirect itself is one request. At the wrong place, at most one pack is asked for.
        assert_eq!(wrong, 1 + usize::from(not_found));
    };
    // The store lies beside the place where the index was found.
    std::fs::rename(env.path("store"), env.path("v7/store")).unwrap();
    extracts(&Server::with(env.root(), moves("/v7/app.rgx".to_owned())), false);
    let other = Server::new(env.root());
    let server = Server::with(env.root(), moves(other.url("v7/app.rgx")));
    env.run(&format!("extract --tries 1 {} new", server.url("latest/app.rgx"))).success();
    env.remove("new");
    assert_eq!(server.request_count(), 1);
    // The store lies beside the place where the index was asked for.
    std::fs::create_dir(env.path("latest")).unwrap();
    std::fs::rename(env.path("v7/store"), env.path("latest/store")).unwrap();
    extracts(&Server::with(env.root(), moves("/v7/app.rgx".to_owned())), true);
    // The store is nowhere: the message names the place where the index was found.
    std::fs::rename(env.path("latest/store"), env.path("away")).unwrap();
    let server = Server::with(env.root(), moves("/v7/app.rgx".to_owned()));
    env.run(&format!("extract {} new", server.url("latest/app.rgx"))).failure(4, "/v7/store/packs/");
    env.run(&format!("extract --redirects none {} new", server.url("latest/app.rgx"))).failure(4, "redirected to");
}

#[test]
fn headers_stay_where_they_were_given_for() {
    let (env, image) = site();
    let other = Server::new(env.root());
    let to = other.url("app.rgx");
    let home = Server::with(env.root(), move |request| match request.path.as_str() {
        "latest.rgx" => Answer::Moved(to.clone()),
        _ => Answer::Serve,
    });
    let extract = |arguments: &[&str]| {
        let url = home.url("latest.rgx");
        let arguments = [&["extract"], arguments, &[&url, "new"]].concat();
        crate::environment::Outcome::of(&mut env.command_of(&arguments))
    };
    extract(&["--header", "X-Token: secret"]).success();
    assert!(env.read("new") == image);
    env.remove("new");
    assert!(home.requests().iter().all(|request| request.header("x-token") == Some("secret")));
    assert!(other.requests().len() > 1 && other.requests().iter().all(|request| request.header("x-token").is_none()));
    // A host that wants the header says so.
    for status in [401, 403] {
        let strict = Server::with(env.root(), move |request| match request.header("x-token") {
            Some(_) => Answer::Serve,
            None => Answer::Status(status),
        });
        let to = strict.url("app.rgx");
        let home = Server::with(env.root(), move |_| Answer::Moved(to.clone()));
        let info = |headers: &[&str]| {
            let url = home.url("app.rgx");
            let arguments = [&["info", url.as_str()], headers].concat();
            crate::environment::Outcome::of(&mut env.command_of(&arguments))
        };
        let outcome = info(&["--header", "X-Token: secret"]);
        let line = outcome.failure(4, "where a redirect leads; the headers went to the first host only").stderr;
        let origin = strict.url("").trim_end_matches('/').to_owned();
        assert!(line.contains(&format!("--header \"{origin}=Name: value\"")) && !line.contains("secret"), "{line}");
        // What the line says helps.
        info(&["--header", &format!("{origin}=X-Token: secret")]).success();
    }
}

#[test]
fn an_index_that_a_host_compresses_is_unpacked() {
    let (env, image) = site();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&env.read("app.rgx")).unwrap();
    let packed = encoder.finish().unwrap();
    let cut = packed[..packed.len() / 2].to_vec();
    let host = |body: Vec<u8>| {
        Server::with(env.root(), move |request| match request.is_pack() {
            true => Answer::Serve,
            false => Answer::Page("application/octet-stream\r\nContent-Encoding: gzip", body.clone()),
        })
    };
    let (good, bad) = (host(packed), host(cut));
    env.run(&format!("extract {} new", good.url("app.rgx"))).success();
    assert!(env.read("new") == image);
    env.run(&format!("info --tries 1 {}", bad.url("app.rgx"))).failure(4, "Content-Encoding: gzip");
}

/// A host that allows five requests in any second, and refuses others with this status.
fn limited(env: &TestEnvironment, status: u16) -> Server {
    let allowed = Mutex::new(VecDeque::new());
    Server::with(env.root(), move |_| {
        let (now, mut allowed) = (Instant::now(), allowed.lock().unwrap());
        allowed.retain(|at: &Instant| now.duration_since(*at) < Duration::from_secs(1));
        if allowed.len() >= 5 {
            return Answer::Status(status);
        }
        allowed.push_back(now);
        Answer::Serve
    })
}

#[test]
fn a_host_that_allows_five_requests_a_second() {
    let (env, image) = site();
    for status in [429, 503] {
        let server = limited(&env, status);
        env.run(&format!("extract --tries 2 --connections 16 {} new", server.url("app.rgx"))).success();
        assert!(env.read("new") == image);
        env.remove("new");
        let requests = server.request_count();
        assert!(requests < 100, "{requests} requests");
    }
    // Several stores that all have such a limit, or one beside a host that is down.
    for status in [429, 503] {
        let (one, other) = (limited(&env, status), limited(&env, status));
        for second in [other.url("store"), dead_url("store")] {
            let stores = format!("--store {} --store {second}", one.url("store"));
            env.run(&format!("extract --connections 16 {stores} app.rgx new")).success();
            assert!(env.read("new") == image);
            env.remove("new");
        }
    }
    let busy = Server::with(env.root(), |request| if request.is_pack() { Answer::Status(503) } else { Answer::Serve });
    env.run(&format!("extract --tries 2 {} new", busy.url("app.rgx"))).failure(4, "HTTP 503");
}
