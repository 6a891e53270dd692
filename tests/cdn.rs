//! Distant hosts: several of them, signed URLs, limits, and the number of bytes and requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, number};
use crate::server::{Answer, Server, dead_url};
use regrow_demo::{Tree, docker_save, noise};

#[path = "../store/tests/delay_proxy/mod.rs"]
mod delay_proxy;

use delay_proxy::{DelayProxy, Distance};

/// An image of noise in many packs.
pub(crate) fn many_packs(bytes: usize) -> (TestEnvironment, Vec<u8>) {
    let env = TestEnvironment::new();
    let image = noise("many packs", bytes);
    env.make("app", &image);
    (env, image)
}

fn stores(servers: &[&Server]) -> String {
    servers.iter().map(|server| format!("--store {} ", server.url("store"))).collect()
}

fn pack_requests(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.is_pack()).count()
}

#[test]
fn a_host_that_dies_is_left_alone_for_a_while() {
    for fault in [Answer::Status(500), Answer::Status(503), Answer::Reset, Answer::ResetInBody, Answer::Short] {
        let (env, image) = many_packs(3_000_000);
        let what = format!("{fault:?}");
        // The host works at first, and then fails.
        let first = Server::with(env.root(), move |request| match request.number {
            0..4 => Answer::Serve,
            _ => fault.clone(),
        });
        let second = Server::new(env.root());
        let extract = format!("extract --connections 1 {} app.rgx out", stores(&[&first, &second]));
        check_extract(&env.json(&extract), &image);
        assert!(env.read("out") == image, "{what}");
        let packs = env.packs_of("app.rgx").len();
        // A short body says nothing about the host as a whole. The other faults do.
        if what != "Short" {
            assert!(first.request_count() <= 4 + 3, "{what}: {} requests", first.request_count());
        }
        assert!(pack_requests(&second) > 0 && pack_requests(&second) <= 2 * packs, "{what}");
    }
}

#[test]
fn a_host_that_comes_back_is_used_again() {
    let (env, image) = many_packs(2_400_000);
    let begun = Instant::now();
    let late = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&late);
    // The host is down until 3 s have passed. That is noticed once or twice, and the host is not asked for 5 s
    // after that.
    let first = Server::with(env.root(), move |_| {
        if begun.elapsed() < Duration::from_secs(3) {
            return Answer::Status(500);
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Answer::Serve
    });
    let second = Server::new(env.root());
    let limits = "--connections 1 --limit-rate 280KB";
    check_extract(&env.json(&format!("extract {limits} {} app.rgx out", stores(&[&first, &second]))), &image);
    assert!(env.read("out") == image);
    assert!(begun.elapsed() > Duration::from_secs(6), "the extract was too short to tell");
    assert!(late.load(Ordering::SeqCst) > 0, "not used again");
    assert!(pack_requests(&second) > 1);
}

#[test]
fn damaged_frames_alone_come_from_the_next_host() {
    let (env, image) = many_packs(2_000_000);
    let pack = env.packs_of("app.rgx")[1].clone();
    let mut bad = env.read(&pack);
    bad[1000] ^= 1;
    let first = Server::with(env.root(), move |request| match request.path == pack {
        true => Answer::Instead(bad.clone()),
        false => Answer::Serve,
    });
    let second = Server::new(env.root());
    check_extract(&env.json(&format!("extract {} app.rgx out", stores(&[&first, &second]))), &image);
    assert!(env.read("out") == image);
    assert_eq!(second.request_count(), 1, "one frame");
    assert!(second.body_bytes() < 400_000, "{}", second.body_bytes());
}

#[test]
fn when_all_are_down_one_line_says_so() {
    let (env, _) = many_packs(300_000);
    let down = Server::with(env.root(), |_| Answer::Status(503));
    let dead = dead_url("store");
    for order in [format!("--store {dead} --store {}", down.url("store")), format!("--store {dead} --store {dead}/2")] {
        env.run(&format!("extract --tries 2 {order} app.rgx out")).failure(4, ".pack");
    }
    assert!(env.files("").iter().all(|name| !name.starts_with("out")));
}

#[test]
fn a_signature_goes_with_all_requests_and_is_never_shown() {
    let (env, image) = many_packs(600_000);
    let server = Server::new(env.root());
    let url = server.url("app.rgx?Signature=s3cr3t&Expires=9");
    let outcome = env.run(&format!("extract -v {url} out")).success();
    assert!(!outcome.stderr.contains("s3cr3t"), "{}", outcome.stderr);
    assert!(env.read("out") == image);
    assert!(pack_requests(&server) > 0);
    let query = "Signature=s3cr3t&Expires=9";
    assert!(server.requests().iter().all(|request| request.query.as_deref() == Some(query)));
    env.remove("out");
    for (fault, only_packs) in [
        (Answer::Status(403), false),
        (Answer::Status(403), true),
        (Answer::Status(404), true),
        (Answer::Status(500), true),
        (Answer::Reset, true),
        (Answer::Instead(noise("other", 1_000_000)), true),
        (Answer::Page("text/html", b"<html>s3cr3t</html>".to_vec()), false),
    ] {
        let what = format!("{fault:?}").chars().take(20).collect::<String>();
        let bad = Server::with(env.root(), move |request| match request.is_pack() || !only_packs {
            true => fault.clone(),
            false => Answer::Serve,
        });
        let outcome = env.run(&format!("extract -v --tries 1 {} out", bad.url("app.rgx?Signature=s3cr3t")));
        assert!(matches!(outcome.code, Some(3 | 4)), "{what}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("s3cr3t"), "{what}: {}", outcome.stderr);
        let store = bad.url("store?Signature=s3cr3t");
        let outcome = env.run(&format!("verify --tries 1 --store {store} app.rgx"));
        assert!(!outcome.stderr.contains("s3cr3t"), "{what}: {}", outcome.stderr);
    }
    let dead = dead_url("app.rgx?Signature=s3cr3t");
    let outcome = env.run(&format!("extract -v --tries 1 {dead} out")).failure(4, "app.rgx");
    assert!(!outcome.stderr.contains("s3cr3t"), "{}", outcome.stderr);
}

/// A host that serves only clients that show the ticket.
fn guarded(env: &TestEnvironment) -> Server {
    Server::with(env.root(), |request| match request.header("cookie") {
        Some("ticket=s3cr3t; path=/") => Answer::Serve,
        _ => Answer::Status(403),
    })
}

#[test]
fn headers_go_with_all_requests_and_are_never_shown() {
    let (env, image) = many_packs(600_000);
    env.write("headers", b"X-Other: 1\r\n\r\nCookie: ticket=s3cr3t; path=/\r\n");
    for header in ["Cookie: ticket=s3cr3t; path=/", "@headers"] {
        let server = guarded(&env);
        let url = server.url("app.rgx");
        let run = |url: &str, header: &str| {
            let arguments = ["extract", "-v", "--tries", "1", "--header", header, url, "out"];
            let outcome = Outcome::of(&mut env.command_of(&arguments));
            assert!(!outcome.stderr.contains("s3cr3t"), "{}", outcome.stderr);
            outcome
        };
        run(&url, header).success();
        assert!(env.read("out") == image);
        assert!(pack_requests(&server) > 0);
        env.remove("out");
        run(&url, "Cookie: ticket=wr0ng-s3cr3t").failure(4, "app.rgx");
        run(&server.url("absent.rgx"), header).failure(4, "absent.rgx");
        run(&dead_url("app.rgx"), header).failure(4, "app.rgx");
    }
    env.write("headers", b"Cookie ticket=s3cr3t\n");
    env.write("odd", b"Cookie: ticket=\x01s3cr3t\n");
    let url = Server::new(env.root()).url("app.rgx");
    for header in ["@headers", "@odd", "ticket=s3cr3t", "Cook ie: s3cr3t", "@absent-s3cr3t/no"] {
        let outcome = Outcome::of(&mut env.command_of(&["extract", "--header", header, &url, "out"]));
        assert!(matches!(outcome.code, Some(1 | 2)), "{header}: {outcome:?}");
        let is_shown = outcome.stderr.contains("s3cr3t");
        // The name of a file is no secret.
        assert_eq!(is_shown, header.starts_with("@absent"), "{header}: {}", outcome.stderr);
    }
}

#[test]
fn a_limit_of_the_rate_is_kept() {
    let (env, image) = many_packs(1_000_000);
    let server = Server::new(env.root());
    let begun = Instant::now();
    let report = env.json(&format!("extract --limit-rate 500KB {} out", server.url("app.rgx")));
    // The burst and the last piece come on top.
    let least = number(&report, "bytes_fetched") as f64 / 500_000.0 * 0.7;
    assert!(begun.elapsed().as_secs_f64() >= least, "{:?} for {report}", begun.elapsed());
    assert!(env.read("out") == image);
}

/// The times at which requests came and were answered. Each answer takes some time, so that requests in flight
/// overlap.
#[derive(Clone, Default)]
struct Log {
    spans: Arc<Mutex<Vec<(Instant, Instant)>>>,
}

impl Log {
    fn host(&self, env: &TestEnvironment) -> Server {
        let spans = Arc::clone(&self.spans);
        Server::with(env.root(), move |_| {
            let begun = Instant::now();
            std::thread::sleep(Duration::from_millis(60));
            spans.lock().unwrap().push((begun, Instant::now()));
            Answer::Serve
        })
    }

    /// The largest number of requests that were in flight at once.
    fn width(&self) -> usize {
        let spans = self.spans.lock().unwrap();
        spans.iter().map(|at| spans.iter().filter(|other| other.0 <= at.0 && at.0 < other.1).count()).max().unwrap_or(0)
    }

    /// The number of requests that came one after the other, which is the number of round trips.
    fn depth(&self) -> usize {
        let mut spans = self.spans.lock().unwrap().clone();
        spans.sort_by_key(|span| span.1);
        let mut end = None;
        spans.iter().fold(0, |depth, span| {
            if end.is_some_and(|end| span.0 < end) {
                return depth;
            }
            end = Some(span.1);
            depth + 1
        })
    }
}

#[test]
fn requests_in_flight_are_as_many_as_allowed() {
    let (env, image) = many_packs(1_500_000);
    for connections in [1, 3] {
        let log = Log::default();
        let server = log.host(&env);
        env.run(&format!("extract --connections {connections} {} out", server.url("app.rgx"))).success();
        assert!(env.read("out") == image);
        env.remove("out");
        assert_eq!(log.width(), connections, "--connections {connections}");
    }
}

/// Makes `old` and `app.rgx`, whose image needs several packs besides `old`.
fn update() -> (TestEnvironment, Vec<u8>) {
    let env = TestEnvironment::new();
    let (base, app) = (Tree::sample("base", 120), Tree::sample("app", 200));
    env.make("old", &docker_save(std::slice::from_ref(&base), 1));
    let new = docker_save(&[base, app], 2);
    env.make("app", &new);
    (env, new)
}

#[test]
fn an_update_takes_few_round_trips() {
    let (env, new) = update();
    let packs = env.packs_of("app.rgx").len();
    assert!(packs > 3, "{packs} packs");
    let log = Log::default();
    let server = log.host(&env);
    let report = env.json(&format!("extract --connections 16 --seed old {} out", server.url("app.rgx")));
    assert!(env.read("out") == new);
    check_extract(&report, &new);
    // Skeleton frames come with the packs' ends, so that they take no requests of their own.
    let mut ranges: Vec<(String, (u64, u64))> =
        server.requests().into_iter().filter_map(|request| Some((request.path.clone(), request.range?))).collect();
    ranges.sort_unstable();
    let is_twice = |pair: &[(String, (u64, u64))]| pair[0].0 == pair[1].0 && pair[1].1.0 <= pair[0].1.1;
    assert!(!ranges.windows(2).any(is_twice), "some bytes are fetched twice: {ranges:?}");
    // The rounds are the index, the packs' ends, the patch if the seed is read slowly, and frames of the contents.
    assert!(log.depth() <= 4, "{} round trips for {report}", log.depth());
}

#[test]
fn an_update_over_a_long_way_is_bound_by_the_link() {
    let (env, new) = update();
    let server = Server::new(env.root());
    let host = server.url("").trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let (round_trip, bytes_per_second) = (Duration::from_millis(50), 20_000_000 / 8);
    let proxy = DelayProxy::start(host, Distance { round_trip, bytes_per_second }).unwrap();
    let begun = Instant::now();
    let report = env.json(&format!("extract --seed old {}/app.rgx out", proxy.url()));
    let taken = begun.elapsed();
    assert!(env.read("out") == new);
    let link = Duration::from_secs_f64(number(&report, "bytes_fetched") as f64 / bytes_per_second as f64);
    assert!(taken > link, "{taken:?}, the proxy is no proxy");
    // An idle machine takes 1.15 times the link's time and five round trips. This one may be busy.
    let most = link.mul_f64(1.15) + 5 * round_trip + Duration::from_secs(3);
    assert!(taken < most, "{taken:?}, {link:?} of them the link's: {report}");
    assert!(proxy.most_open() <= 6, "{} connections", proxy.most_open());
}
