//! Hosts that fail. regrow recovers by asking again or elsewhere, or prints one line that names the object.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, number};
use crate::server::{Answer, Request, Server, dead_url};
use regrow_demo::{noise, versions};

struct Site {
    env: TestEnvironment,
    image: Vec<u8>,
}

impl Site {
    fn new() -> Self {
        let env = TestEnvironment::new();
        let (old, image) = versions();
        env.make("old", &old);
        env.make("app", &image);
        assert!(env.packs_of("app.rgx").len() > 1);
        env.write("out", b"the old output");
        Self { env, image }
    }

    fn host(&self, decide: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        Server::with(self.env.root(), decide)
    }

    /// Checks that the extract succeeds, and that its counts are the host's.
    #[track_caller]
    fn recovers(&self, what: &str, server: &Server, arguments: &str) {
        let outcome = self.env.run(&format!("extract --json {arguments} {} new", server.url("app.rgx")));
        assert_eq!(outcome.code, Some(0), "{what}: {}", outcome.stderr);
        assert!(self.env.read("new") == self.image, "{what}");
        self.env.remove("new");
        check_extract(&outcome.json(), &self.image);
    }

    /// Checks that the extract fails with one line about `about`, and leaves the output as it was.
    #[track_caller]
    fn fails(&self, codes: &[i32], about: &str, server: &Server, arguments: &str) -> Outcome {
        let outcome = self.env.run(&format!("extract {arguments} {} out", server.url("app.rgx")));
        let outcome = outcome.failure_of(codes, about);
        assert_eq!(self.env.read("out"), b"the old output");
        outcome
    }
}

/// Faults that a host may have for a while.
fn faults() -> Vec<(&'static str, Answer)> {
    vec![
        ("500", Answer::Status(500)),
        ("503", Answer::Status(503)),
        ("429", Answer::Status(429)),
        ("reset", Answer::Reset),
        ("reset in body", Answer::ResetInBody),
        ("short body", Answer::Short),
        ("less than asked for", Answer::Less),
        ("416", Answer::Status(416)),
    ]
}

#[test]
fn what_fails_three_times_is_asked_for_again() {
    let site = Site::new();
    for (what, fault) in faults() {
        let first_three = {
            let fault = fault.clone();
            site.host(move |request| if request.number < 3 { fault.clone() } else { Answer::Serve })
        };
        // A 416 and a partial answer are no answers to a request for a whole index.
        if !matches!(fault, Answer::Status(416) | Answer::Less) {
            site.recovers(what, &first_three, "--timeout 2");
        }
        let in_between = site.host(move |request| {
            if request.is_pack() && (2..5).contains(&request.number) { fault.clone() } else { Answer::Serve }
        });
        site.recovers(what, &in_between, "--timeout 2 --connections 1");
    }
}

#[test]
fn a_host_that_hangs_is_asked_again() {
    let site = Site::new();
    for (what, hang) in [("hang", Answer::Hang), ("hang in body", Answer::HangInBody)] {
        let server = site.host(move |request| if request.number == 2 { hang.clone() } else { Answer::Serve });
        site.recovers(what, &server, "--timeout 1");
    }
    let always = site.host(|request| if request.is_pack() { Answer::Hang } else { Answer::Serve });
    site.fails(&[4], ".pack", &always, "--timeout 1 --tries 1");
}

#[test]
fn whole_answers_do_for_ranges() {
    let site = Site::new();
    let server = site.host(|_| Answer::Whole);
    site.recovers("200 for ranges", &server, "");
}

#[test]
fn a_second_store_helps() {
    let site = Site::new();
    let good = Server::new(site.env.root());
    let other = site.env.read("out").repeat(20_000);
    let all = faults().into_iter().chain([
        ("404", Answer::Status(404)),
        ("403", Answer::Status(403)),
        ("401", Answer::Status(401)),
        ("a page", Answer::Page("text/html", b"<html>no</html>".repeat(50_000))),
        ("a short page", Answer::Page("text/html", b"<html>no</html>".to_vec())),
        ("other bytes", Answer::Instead(other)),
    ]);
    for (what, fault) in all {
        let bad = site.host(move |request| if request.is_pack() { fault.clone() } else { Answer::Serve });
        site.recovers(
            what,
            &bad,
            &format!("--tries 1 --timeout 2 --store {} --store {}", bad.url("store"), good.url("store")),
        );
    }
    site.recovers("dead", &good, &format!("--tries 1 --store {} --store store", dead_url("store")));
    let hanging = site.host(|_| Answer::Hang);
    let arguments = format!("--tries 1 --timeout 1 --connections 64 --store {} --store store", hanging.url("store"));
    site.recovers("hanging", &good, &arguments);
}

#[test]
fn two_stores_that_are_damaged_at_different_places_are_one_good_one() {
    let site = Site::new();
    for (store, remainder) in [("one", 0), ("two", 1)] {
        for (number, pack) in site.env.packs("store").iter().enumerate() {
            let mut bytes = site.env.read(pack);
            if number % 2 == remainder {
                let length = bytes.len();
                bytes[length / 3] ^= 4;
                bytes[length - 200] ^= 4;
            }
            site.env.write(&pack.replacen("store", store, 1), &bytes);
        }
    }
    let server = Server::new(site.env.root());
    site.recovers("folders", &server, "--store one --store two");
    let stores = format!("--store {} --store {}", server.url("two"), server.url("one"));
    site.recovers("hosts", &server, &stores);
}

#[test]
fn what_does_not_pass_is_named() {
    let site = Site::new();
    let packs = |fault: Answer| site.host(move |request| if request.is_pack() { fault.clone() } else { Answer::Serve });
    for (_, fault) in faults() {
        let server = packs(fault);
        let outcome = site.fails(&[3, 4], "pack", &server, "--tries 2 --timeout 1");
        assert!(outcome.stderr.contains(&server.url("store")), "no host in: {}", outcome.stderr);
    }
    for (codes, fault) in [
        ([4, 4], Answer::Status(404)),
        ([4, 4], Answer::Status(401)),
        ([3, 4], Answer::Page("text/html", b"<html>no</html>".to_vec())),
        ([3, 3], Answer::Page("text/html", b"<html>no</html>".repeat(50_000))),
        ([3, 3], Answer::Instead(noise("other", 1_000_000))),
    ] {
        site.fails(&codes, "pack", &packs(fault), "--tries 1");
    }
}

#[test]
fn verify_tells_wrong_bytes_from_wrong_answers() {
    let site = Site::new();
    let verify = |server: &Server| {
        let command = format!("verify --tries 2 --store {} {}", server.url("store"), server.url("app.rgx"));
        site.env.run(&command)
    };
    // Hosts that do not serve the end of a file are as good as others, since a pack's size is known.
    let no_suffix = site.host(|request| match request.header("range") {
        Some(range) if range.starts_with("bytes=-") => Answer::Status(416),
        _ => Answer::Serve,
    });
    verify(&no_suffix).success();
    for fault in [Answer::Less, Answer::Status(416), Answer::Status(503), Answer::Reset] {
        let server = site.host(move |request| if request.range.is_some() { fault.clone() } else { Answer::Serve });
        verify(&server).failure(4, "pack");
    }
    let pack = site.env.packs_of("app.rgx").remove(0);
    let bytes = site.env.read(&pack);
    for wrong in [&bytes[..bytes.len() - 1], &bytes[1..], &[&bytes[..], b"!"].concat()] {
        site.env.write(&pack, wrong);
        let outcome = verify(&Server::new(site.env.root()));
        assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    }
}

#[test]
fn who_got_nothing_leaves_nothing() {
    let site = Site::new();
    std::fs::create_dir(site.env.path("to")).unwrap();
    let empty = site.host(|request| if request.is_pack() { Answer::Status(404) } else { Answer::Serve });
    site.env.run(&format!("extract {} to/out", empty.url("app.rgx"))).failure(4, ".pack");
    site.env.run(&format!("extract --seed absent {} to/out", empty.url("app.rgx"))).failure(1, "absent");
    assert_eq!(site.env.files("to"), Vec::<String>::new());
}

#[test]
fn frames_of_another_file_are_never_taken() {
    let site = Site::new();
    let lens: Vec<usize> = site.env.packs("store").iter().map(|pack| site.env.read(pack).len()).collect();
    // Tables are right but frames are not, so the second fetch comes from elsewhere.
    let longest = *lens.iter().max().unwrap() as u64;
    let server = site.host(move |request| match request.range {
        Some((16, _)) => Answer::Instead(noise("frames", longest as usize)),
        _ => Answer::Serve,
    });
    site.fails(&[3], "pack", &server, "--tries 1");
    site.recovers("with a good one", &server, &format!("--tries 1 --store {} --store store", server.url("store")));
}

#[test]
fn an_index_that_is_none() {
    let site = Site::new();
    let index = |fault: Answer| site.host(move |request| if request.is_pack() { Answer::Serve } else { fault.clone() });
    site.fails(&[4], "app.rgx", &index(Answer::Status(404)), "");
    site.fails(&[4], "app.rgx", &index(Answer::Status(403)), "");
    site.fails(&[4], "app.rgx", &index(Answer::Status(500)), "--tries 1");
    site.fails(&[4], "app.rgx", &index(Answer::Hang), "--tries 1 --timeout 1");
    site.fails(&[4], "app.rgx", &index(Answer::Reset), "--tries 1");
    site.fails(&[3, 4], "app.rgx", &index(Answer::Short), "--tries 1");
    let page = Answer::Page("text/html", b"<!doctype html><h1>Sign in</h1>".to_vec());
    site.fails(&[4], "app.rgx: the host answers with a web page", &index(page.clone()), "");
    let packs = site.host(move |request| if request.is_pack() { page.clone() } else { Answer::Serve });
    site.fails(&[4], ".pack: the host answers with a web page", &packs, "");
    site.fails(&[3], "app.rgx", &index(Answer::Page("text/html", Vec::new())), "");
    let cut = site.env.read("app.rgx").split_off(1);
    site.fails(&[3], "app.rgx", &index(Answer::Page("application/octet-stream", cut)), "");
    let right = site.env.read("app.rgx");
    let typed = index(Answer::Page("text/html; charset=utf-8", right));
    site.recovers("a wrong content type", &typed, "");
    let dead = dead_url("app.rgx");
    site.env.run(&format!("extract --tries 2 {dead} out")).failure(4, &dead);
}

#[test]
fn a_slow_host_is_not_given_up() {
    let site = Site::new();
    let server = site.host(|_| Answer::Slow(40_000));
    site.recovers("slow", &server, "--timeout 1");
}

#[test]
fn two_extracts_into_one_output() {
    let site = Site::new();
    let server = site.host(|request| if request.is_pack() { Answer::Slow(4_000) } else { Answer::Serve });
    let first = site.env.spawn(&mut site.env.command(&format!("extract {} new", server.url("app.rgx"))));
    while server.requests().iter().all(|request| !request.is_pack()) {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    site.env.run("extract app.rgx new").failure(1, "another regrow");
    Outcome::wait(first).success();
    assert!(site.env.read("new") == site.image);
}

#[test]
fn a_host_that_goes_away_leaves_what_it_gave() {
    let env = TestEnvironment::new();
    let image = noise("goes away", 5_000_000);
    env.make("app", &image);
    env.write("out", b"the old output");
    // The host gives four packs' contents, and no more.
    let given = AtomicU64::new(0);
    let server = Server::with(env.root(), move |request| match request.range {
        Some((16, _)) if given.fetch_add(1, Ordering::AcqRel) >= 4 => Answer::Reset,
        _ => Answer::Serve,
    });
    let url = server.url("app.rgx");
    let good = Server::new(env.root());
    let full = number(&env.json(&format!("extract --dry-run {} out", good.url("app.rgx"))), "bytes_fetched");
    env.run(&format!("extract --connections 1 --tries 1 {url} out")).failure(4, ".pack");
    assert_eq!(env.read("out"), b"the old output");
    let report = env.json(&format!("extract {} out", good.url("app.rgx")));
    assert!(env.read("out") == image);
    check_extract(&report, &image);
    assert!(number(&report, "chunks_resumed") > 0 && number(&report, "bytes_fetched") < full, "{full}: {report}");
}

#[test]
fn requests_stay_few() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    let report = site.env.json(&format!("extract {} new", server.url("app.rgx")));
    let packs = site.env.packs_of("app.rgx").len() as u64;
    assert!(number(&report, "requests") <= 1 + 3 * packs, "{report}, {packs} packs");
}
