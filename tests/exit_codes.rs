//! The exit codes that `cli/src/failure.rs` documents: 1 for anything else, 2 for the command line, 3 for damage, 4
//! for missing things.

use crate::environment::TestEnvironment;
use crate::server::{Answer, Server, dead_url};
use regrow_demo::noise;

fn environment() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.make("image", &noise("image", 100_000));
    env
}

#[test]
fn a_command_line_that_makes_no_sense_is_2() {
    let env = environment();
    for arguments in [
        "",
        "unknown",
        "make",
        "extract image.rgx",
        "extract --connections 0 image.rgx out",
        "make --avg-size x a.rgx b",
    ] {
        let outcome = env.run(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments}: {}", outcome.stderr);
    }
    env.run("extract --json image.rgx -").failure(2, "--json");
    env.run("extract --in-place image.rgx -").failure(2, "--in-place");
    env.run("extract s3x://bucket/image.rgx out").failure(2, "s3x://");
    env.run("make --avg-size 1 app.rgx image").failure(2, "--avg-size");
    env.run("make --level 99 --store other app.rgx image").failure(2, "99");
    assert!(!env.exists("app.rgx") && !env.exists("out"));
}

#[test]
fn options_for_hosts_that_make_no_sense_are_2() {
    let env = environment();
    let server = Server::new(env.root());
    let url = server.url("image.rgx");
    let run = |header: &str| {
        crate::environment::Outcome::of(&mut env.command_of(&["extract", "--header", header, &url, "out"]))
    };
    run("no colon").failure(2, "--header");
    run("bad name: x").failure(2, "bad name");
    run("Range: bytes=0-1").failure(2, "Range");
    env.write("no.pem", b"no certificate");
    env.run(&format!("extract --ca-file no.pem {url} out")).failure(2, "no.pem");
    assert_eq!(server.request_count(), 0);
}

#[test]
fn damage_is_3() {
    let env = environment();
    env.write("text.rgx", b"<html>not here</html>");
    env.run("extract text.rgx out").failure(3, "text.rgx");
    let pack = &env.packs("store")[0];
    let bytes = env.read(pack);
    env.write(pack, &bytes[..bytes.len() - 1]);
    env.run("extract image.rgx out").failure(3, &pack[9..]);
    assert!(!env.exists("out"));
}

#[test]
fn what_is_not_there_is_4() {
    let env = environment();
    env.run("extract absent.rgx out").failure(4, "absent.rgx");
    let server = Server::new(env.root());
    env.run(&format!("extract {} out", server.url("absent.rgx"))).failure(4, "absent.rgx");
    env.run(&format!("extract --tries 1 {} out", dead_url("image.rgx"))).failure(4, "image.rgx");
    let broken = Server::with(env.root(), |_| Answer::Status(500));
    env.run(&format!("extract --tries 1 {} out", broken.url("image.rgx"))).failure(4, "HTTP 500");
    env.run("extract --store absent image.rgx out").failure(4, "absent");
    let pack = env.packs("store").remove(0);
    env.remove(&pack);
    env.run("extract image.rgx out").failure(4, &pack);
    assert!(!env.exists("out"));
}

#[test]
fn errors_name_paths_as_they_were_given() {
    let env = environment();
    let pack = env.packs("store").remove(0);
    let bytes = env.read(&pack);
    for end in [10, bytes.len() / 2, bytes.len() - 1] {
        env.write(&pack, &bytes[..end]);
        let outcome = env.run("extract image.rgx out").failure(3, &pack);
        assert!(!outcome.stderr.contains("store/store"), "{}", outcome.stderr);
    }
}

#[test]
fn the_rest_is_1() {
    let env = environment();
    env.run("make app.rgx absent").failure(1, "absent");
    env.run("extract image.rgx absent/out").failure(1, "absent");
    env.run("extract --seed absent image.rgx out").failure(1, "absent");
}

#[test]
fn an_index_without_a_known_store_says_so() {
    let env = environment();
    env.write("elsewhere/image.rgx", &env.read("image.rgx"));
    env.run("extract elsewhere/image.rgx out").failure_of(&[2, 4], "elsewhere/store");
    env.run("extract --store store elsewhere/image.rgx out").success();
    // A machine that has everything needs no store.
    env.run("extract --seed image elsewhere/image.rgx out2").success();
    assert!(env.read("out2") == env.read("image"));
}
