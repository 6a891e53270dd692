//! SIGKILL at many moments. The output is the old file or the complete new one, and the next run continues the
//! work.

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::environment::OLD_INDEX;
use crate::environment::TestEnvironment;
use crate::make::check_store;
use crate::report::{check_extract, check_make, number};
use crate::server::{Answer, Server};
use regrow_demo::{noise, pick, versions};

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A host that is slow enough for a kill to happen during the fetch.
fn slow_host(env: &TestEnvironment) -> Server {
    Server::with(env.root(), |request| if request.is_pack() { Answer::Slow(24_000) } else { Answer::Serve })
}

/// Waits until the host has sent this many bytes, then some milliseconds more, and kills the command. Returns
/// whether it was still running.
fn kill_after(server: &Server, mut child: Child, bytes: u64, milliseconds: u64) -> bool {
    while server.body_bytes() < bytes {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        pause(1);
    }
    pause(milliseconds);
    let is_running = child.try_wait().unwrap().is_none();
    kill(child);
    is_running
}

#[test]
fn an_extract_goes_on_where_it_was_killed() {
    let (old, new) = (noise("old output", 50_000), [versions().1, noise("much", 7_500_000)].concat());
    let env = TestEnvironment::new();
    env.make("new", &new);
    let server = slow_host(&env);
    let url = server.url("new.rgx");
    let full = number(&env.json(&format!("extract --dry-run {url} never")), "bytes_fetched");
    let (mut killed, mut resumed) = (0, 0);
    for round in 0..12 {
        env.write("to/out", &old);
        server.reset_counts();
        let child = env.spawn(env.command(&format!("extract --connections 2 {url} to/out")).stdin(Stdio::null()));
        let bytes = pick(&format!("kill {round}"), full);
        killed += u32::from(kill_after(&server, child, bytes, round % 4));
        let found = env.read("to/out");
        assert!(found == old || found == new, "round {round}: a mixture");
        let again = Server::new(env.root());
        let report = env.json(&format!("extract {} to/out", again.url("new.rgx")));
        assert!(env.read("to/out") == new, "round {round}");
        check_extract(&report, &new);
        assert_eq!(number(&report, "bytes_fetched"), again.body_bytes());
        // Two requests may have been cut, each in a frame of at most 256 KiB, with some bytes on the way.
        if bytes > 1_500_000 && found == old {
            assert!(number(&report, "chunks_resumed") > 0, "round {round}, {bytes} of {full}: {report}");
            assert!(number(&report, "bytes_fetched") < full, "round {round}, {bytes} of {full}: {report}");
        }
        resumed += u32::from(number(&report, "chunks_resumed") > 0);
        assert_eq!(env.files("to"), ["to/out"], "round {round}");
    }
    assert!(killed >= 6 && resumed >= 4, "{killed} were killed, {resumed} went on");
}

#[test]
fn a_second_kill_and_a_third_lose_nothing() {
    let new = noise("three kills", 3_000_000);
    let env = TestEnvironment::new();
    env.make("new", &new);
    let server = slow_host(&env);
    let url = server.url("new.rgx");
    let empty = Server::with(env.root(), |request| if request.is_pack() { Answer::Status(404) } else { Answer::Serve });
    let mut last = u64::MAX;
    for _ in 0..3 {
        let planned = number(&env.json(&format!("extract --dry-run {url} out")), "bytes_fetched");
        assert!(planned <= last, "{planned} after {last}");
        last = planned;
        server.reset_counts();
        let child = env.spawn(&mut env.command(&format!("extract --connections 1 {url} out")));
        kill_after(&server, child, 900_000, 0);
        assert!(!env.exists("out"));
        // A run that gets nothing does not take away what others got.
        let arguments = format!("extract --store {} --store {} {url} out", empty.url("store"), empty.url("store"));
        env.run(&arguments).failure(4, ".pack");
    }
    let report = env.json(&format!("extract {url} out"));
    assert!(env.read("out") == new);
    check_extract(&report, &new);
    assert!(number(&report, "bytes_fetched") < 1_800_000, "{report}");
}

#[test]
fn a_cache_outlives_a_kill_of_a_pipe() {
    let new = noise("pipe", 2_000_000);
    let env = TestEnvironment::new();
    env.make("new", &new);
    let server = slow_host(&env);
    let url = server.url("new.rgx");
    let child = env.spawn(&mut env.command(&format!("extract --connections 1 --cache cache {url} -")));
    assert!(kill_after(&server, child, 1_200_000, 0));
    let again = Server::new(env.root());
    assert!(env.run(&format!("extract --cache cache {} -", again.url("new.rgx"))).success().stdout == new);
    assert!(again.body_bytes() < 1_600_000, "{}", again.body_bytes());
}

#[test]
fn an_extract_from_seeds_killed_at_any_time() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.write("old", &old);
    env.make("new", &new);
    for round in 0..25 {
        let in_place = round % 3 == 2;
        let flag = if in_place { "--in-place" } else { "" };
        env.write("to/out", &old);
        let child = env.spawn(&mut env.command(&format!("extract {flag} --seed old new.rgx to/out")));
        std::thread::sleep(Duration::from_micros(pick(&format!("seeds {round}"), 90_000)));
        kill(child);
        let found = env.read("to/out");
        assert!(in_place || found == old || found == new, "round {round}: a mixture");
        check_extract(&env.json(&format!("extract {flag} --seed old new.rgx to/out")), &new);
        assert!(env.read("to/out") == new, "round {round}");
        // A kill between the rename and the end may at most leave an empty folder, which another test looks at.
        assert!(!env.exists("to/.out.regrow-part"), "round {round}");
        env.remove("to");
    }
}

/// Starts a make of standard input, and kills it once this many packs are complete, or nearly all of the image has
/// been fed.
fn kill_make(env: &TestEnvironment, image: &[u8], packs: usize) {
    let mut child = env.spawn(env.command("make --pack-size 100KiB app.rgx -").stdin(Stdio::piped()));
    let before = env.packs("store").len();
    for piece in image[..image.len() - 1000].chunks(500_000) {
        child.stdin.as_mut().unwrap().write_all(piece).unwrap();
        pause(10);
        if env.packs("store").len() >= before + packs {
            break;
        }
    }
    kill(child);
}

#[test]
fn a_make_goes_on_where_it_was_killed() {
    let image = noise("make", 40_000_000);
    let env = TestEnvironment::new();
    env.write("image", &image);
    env.write("app.rgx", OLD_INDEX);
    for packs in [0, 1, 2] {
        kill_make(&env, &image, packs);
        assert_eq!(env.read("app.rgx"), OLD_INDEX);
    }
    assert!(env.packs("store").len() > 1, "the image is not large enough");
    let report = env.json("make --pack-size 100KiB app.rgx image");
    check_make(&report, &image);
    let (new, all) = (number(&report, "chunks_new"), number(&report, "chunks"));
    assert!(new < all, "what was stored before is used: {report}");
    env.run("extract app.rgx out").success();
    assert!(env.read("out") == image);
    check_packs(&env);
}

/// Checks that complete packs match their names. A kill leaves other files only in `tmp/`.
fn check_packs(env: &TestEnvironment) {
    for leftover in env.files("store/tmp") {
        env.remove(&leftover);
    }
    check_store(env);
}

#[test]
fn a_make_killed_at_any_time() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    env.write("new", &new);
    for round in 0..20 {
        env.write("app.rgx", &env.read("old.rgx"));
        let make = format!("make --pack-size 50KiB --store store-{} app.rgx new", round / 4);
        let child = env.spawn(&mut env.command(&make));
        std::thread::sleep(Duration::from_micros(pick(&format!("makes {round}"), 80_000)));
        kill(child);
        let index = env.read("app.rgx");
        if index != env.read("old.rgx") {
            // The make ended by itself: the index is complete, and so are the packs that it names.
            env.run("extract app.rgx out").success();
            assert!(env.read("out") == new, "round {round}");
            env.remove("out");
        }
        if round % 4 == 3 {
            env.run(&make).success();
            env.run("extract app.rgx out").success();
            assert!(env.read("out") == new, "round {round}");
            env.remove("out");
        }
    }
    let left: Vec<_> = env.files("").into_iter().filter(|name| name.ends_with(".rgx")).collect();
    assert_eq!(left, ["app.rgx", "old.rgx"]);
}
