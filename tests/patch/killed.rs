//! SIGKILL while a patch comes, while it is applied, and while the output is written. The next run continues the
//! work, and leaves nothing behind.

use std::process::Child;
use std::time::Duration;

use super::*;
use regrow_demo::pick;

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Waits until `is_so`, or until the command has ended.
fn wait_until(child: &mut Child, is_so: impl Fn() -> bool) {
    while !is_so() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A host whose packs never come. It spoils the seed when it is asked for the patch, so regrow waits for what the
/// patch cannot yield.
fn waiting_host(site: &Site) -> Server {
    let seed = site.env.path("seed");
    Server::with(site.env.root(), move |request| {
        if is_patch(request) {
            let mut bytes = std::fs::read(&seed).unwrap();
            let half = bytes.len() / 2;
            bytes[half..].fill(b'?');
            std::fs::write(&seed, bytes).unwrap();
        }
        if request.is_pack() { Answer::Hang } else { Answer::Serve }
    })
}

/// Runs a command until it asks for a pack, and kills it.
fn kill_at_packs(site: &Site, arguments: &str) {
    site.env.write("seed", &site.old);
    let server = waiting_host(site);
    let arguments = format!("extract --seed seed {arguments}").replace("URL", &server.url("new.rgx"));
    let mut child = site.env.spawn(&mut site.env.command(&arguments));
    wait_until(&mut child, || server.requests().iter().any(Request::is_pack));
    assert!(child.try_wait().unwrap().is_none(), "it waits for packs");
    kill(child);
    assert_eq!(asked(&server), 1);
    site.env.write("seed", &site.old);
}

#[test]
fn a_patch_waits_beside_the_output() {
    let site = Site::new();
    kill_at_packs(&site, "URL out");
    assert!(!site.env.exists("out"));
    let server = Server::new(site.env.root());
    let url = server.url("new.rgx");
    let planned = site.env.json(&format!("extract --dry-run --seed seed {url} out"));
    assert_eq!(number(&planned, "bytes_fetched"), site.env.read("new.rgx").len() as u64, "{planned}");
    server.reset_counts();
    // The patch beside the output is removed in the end; the second extract below checks that.
    let (report, _) = site.extract(&server, "--seed seed");
    check_patched(&report);
    assert_eq!((asked(&server), server.request_count()), (0, 1), "{:?}", server.requests());
    server.reset_counts();
    check_patched(&site.extract(&server, "--seed seed").0);
    assert_eq!(asked(&server), 1, "what was beside the output is gone with it");
}

#[test]
fn a_cache_keeps_patches() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    check_patched(&site.extract(&server, "--cache cache --seed old").0);
    let kept: Vec<String> = site.env.files("cache").into_iter().filter(|name| name.contains("patches/")).collect();
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    assert!(site.env.read(kept) == site.env.read(&site.patch()));
    server.reset_counts();
    for output in ["out", "-"] {
        let outcome =
            site.env.run(&format!("extract --cache cache --seed old {} {output}", server.url("new.rgx"))).success();
        assert!(output == "out" || outcome.stdout == site.new);
    }
    assert!(site.env.read("out") == site.new);
    site.env.remove("out");
    assert_eq!(asked(&server), 0);
    // A damaged patch is fetched again.
    for damage in [0, 30, 200, 3000] {
        let mut bytes = site.env.read(kept);
        if damage == 0 {
            bytes.truncate(1000)
        } else {
            bytes[damage] ^= 1
        }
        site.env.write(kept, &bytes);
        server.reset_counts();
        let (report, outcome) = site.extract(&server, "--cache cache --seed old");
        check_patched(&report);
        assert_eq!((asked(&server), warnings(&outcome).len()), (1, 0), "{damage}: {}", outcome.stderr);
        assert!(site.env.read(kept) == site.env.read(&site.patch()), "{damage}");
    }
    // A dry run keeps nothing.
    site.env.json(&format!("extract --dry-run --cache other --seed old {} out", server.url("new.rgx")));
    assert!(!site.env.exists("other"));
}

#[test]
fn a_cache_keeps_what_a_killed_pipe_fetched() {
    let site = Site::new();
    kill_at_packs(&site, "--cache cache URL -");
    let server = Server::new(site.env.root());
    check_patched(&site.extract(&server, "--cache cache --seed seed").0);
    assert_eq!(asked(&server), 0);
}

#[test]
fn killed_while_the_patch_comes() {
    let site = Site::new();
    let index_bytes = site.env.read("new.rgx").len() as u64;
    for round in 0..8 {
        let slow = site.host(Answer::Slow(100));
        site.env.write("out", b"old output");
        let mut child =
            site.env.spawn(&mut site.env.command(&format!("extract --seed old {} out", slow.url("new.rgx"))));
        let bytes = index_bytes + pick(&format!("coming {round}"), site.patch_bytes());
        wait_until(&mut child, || slow.body_bytes() >= bytes);
        kill(child);
        let found = site.env.read("out");
        assert!(found == b"old output" || found == site.new, "round {round}: a mixture");
        check_patched_or_done(&site);
    }
}

/// Checks that a further run gives the image and leaves nothing.
fn check_patched_or_done(site: &Site) {
    let server = Server::new(site.env.root());
    let report = site.env.json(&format!("extract --seed old {} out", server.url("new.rgx")));
    assert!(site.env.read("out") == site.new);
    check_extract(&report, &site.new);
    assert_eq!(number(&report, "chunks_store"), 0, "{report}");
    assert_eq!(number(&report, "bytes_fetched"), server.body_bytes());
    site.env.remove("out");
    for left in site.env.files("scratch") {
        site.env.remove(&left);
    }
    site.check_nothing_is_left();
}

#[test]
fn killed_at_any_time() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    for round in 0..20 {
        let flag = ["", "--in-place", "--cache cache"][round % 3];
        site.env.write("out", b"old output");
        let child =
            site.env.spawn(&mut site.env.command(&format!("extract {flag} --seed old {} out", server.url("new.rgx"))));
        std::thread::sleep(Duration::from_micros(pick(&format!("any {round}"), 40_000)));
        kill(child);
        let found = site.env.read("out");
        assert!(flag == "--in-place" || found == b"old output" || found == site.new, "round {round}: a mixture");
        check_patched_or_done(&site);
    }
}
