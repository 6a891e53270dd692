//! Everything at once: hosts that fail now and then, seeds that are half right, caches that rot, and kills. The
//! output must always be the image, or what it was before.

use std::time::Duration;

use crate::environment::{Outcome, TestEnvironment};
use crate::report::check_extract;
use crate::server::{Answer, Request, Server};
use regrow_demo::{noise, pick, versions};

/// The behaviour of a bad host, which fails a third of the requests.
fn whim(round: u64, request: &Request) -> Answer {
    match pick(&format!("whim {round} {}", request.number), 24) {
        0 => Answer::Status(500),
        1 => Answer::Status(503),
        2 => Answer::Reset,
        3 => Answer::ResetInBody,
        4 => Answer::Short,
        5 => Answer::Whole,
        6 if request.is_pack() => Answer::Instead(noise("whim", 2_000_000)),
        7 if request.is_pack() => Answer::Status(404),
        8 if request.is_pack() => Answer::Less,
        _ => Answer::Serve,
    }
}

/// The old image as a seed, damaged in some places.
fn damage(mut image: Vec<u8>, round: u64) -> Vec<u8> {
    for n in 0..pick(&format!("damages {round}"), 20) {
        let place = pick(&format!("damage {round} {n}"), image.len() as u64) as usize;
        image[place] ^= 0x55;
    }
    image.truncate(image.len() - pick(&format!("cut {round}"), 400_000) as usize);
    image
}

fn arguments(round: u64) -> String {
    let is_set = |what: &str| pick(&format!("{what} {round}"), 2) == 0;
    let mut arguments = String::from("extract --json --tries 3 --timeout 2 ");
    for (what, flag) in [
        ("seed", "--seed seed "),
        ("index", "--seed old.rgx "),
        ("cache", "--cache cache "),
        ("one", "--connections 1 "),
    ] {
        if is_set(what) {
            arguments.push_str(flag);
        }
    }
    arguments
}

#[test]
fn right_or_as_it_was() {
    let (old, new) = versions();
    let new = [new, noise("chaos", 1_500_000)].concat();
    let env = TestEnvironment::new();
    env.make("old", &old);
    env.make("new", &new);
    let mut succeeded = 0;
    for round in 0..60 {
        env.write("seed", &damage(old.clone(), round));
        if pick(&format!("out {round}"), 3) > 0 {
            env.write("out", &damage(new.clone(), round));
        }
        let before = env.exists("out").then(|| env.read("out"));
        for file in env.files("cache").iter().step_by(3) {
            env.write(file, &damage([env.read(file), vec![0; 400_000]].concat(), round));
        }
        let server = Server::with(env.root(), move |request| whim(round, request));
        let mut command = env.command(&format!("{} {} out", arguments(round), server.url("new.rgx")));
        let mut child = env.spawn(&mut command);
        if round % 5 == 4 {
            std::thread::sleep(Duration::from_micros(pick(&format!("kill {round}"), 120_000)));
            child.kill().unwrap();
        }
        let outcome = Outcome::wait(child);
        let after = env.exists("out").then(|| env.read("out"));
        if outcome.code == Some(0) {
            assert!(after.as_ref() == Some(&new), "round {round}");
            check_extract(&outcome.json(), &new);
            succeeded += 1;
        } else {
            assert!(after == before || after.as_ref() == Some(&new), "round {round}: {}", outcome.stderr);
            if outcome.code.is_some() {
                outcome.failure_of(&[3, 4], "http://");
            }
        }
        if after.is_some() {
            env.remove("out");
        }
    }
    assert!(succeeded > 20, "{succeeded}");
}
