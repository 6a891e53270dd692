//! Every kind of image comes back bit for bit on every path, and the numbers of the reports are true.

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, check_make, number};
use crate::server::Server;
use regrow_demo::{Tree, kinds, noise, versions};

#[test]
fn every_kind_from_a_folder() {
    for (name, image) in kinds() {
        let env = TestEnvironment::new();
        check_make(&env.make(name, &image), &image);
        let report = env.json(&format!("extract {name}.rgx out"));
        assert!(env.read("out") == image, "{name}");
        check_extract(&report, &image);
        assert_eq!(number(&report, "chunks_store"), number(&report, "chunks"), "{name}");
        assert_eq!((number(&report, "bytes_fetched"), number(&report, "requests")), (0, 0), "a folder is no network");
    }
}

#[test]
fn every_kind_through_pipes() {
    for (name, image) in kinds() {
        let env = TestEnvironment::new();
        let made = env.run_with_input("make --allow-partial --json --avg-size 4KiB image.rgx -", &image).success();
        check_make(&made.json(), &image);
        let extracted = env.run("extract image.rgx -").success();
        assert!(extracted.stdout == image, "{name}");
        env.write("seed", &image);
        assert!(env.run("extract --seed seed image.rgx -").success().stdout == image, "{name} with a seed");
        assert_eq!(env.files("scratch"), Vec::<String>::new(), "temporary files are gone");
    }
}

#[test]
fn every_kind_over_http_costs_what_the_dry_run_says() {
    for (name, image) in kinds() {
        let env = TestEnvironment::new();
        env.make(name, &image);
        let server = Server::new(env.root());
        check_costs(&env, &server, &format!("{} out", server.url(&format!("{name}.rgx"))), &image);
    }
}

#[test]
fn updates_over_http_cost_what_the_dry_run_says() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    env.make("new", &new);
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    for arguments in [
        format!("--seed old {url} out"),
        format!("--seed old --connections 1 {url} out"),
        format!("--seed old.rgx {url} out"),
        format!("--seed store {url} out"),
        format!("{url} out"),
        format!("--seed old --cache cache {url} out"),
    ] {
        let report = check_costs(&env, &server, &arguments, &new);
        if arguments.contains("--seed old ") {
            assert!(number(&report, "bytes_fetched") < 200_000, "{arguments}: an update is small: {report}");
        }
    }
}

/// Runs dry, and then for real. Both times the announced costs must be those that the server counts.
fn check_costs(env: &TestEnvironment, server: &Server, arguments: &str, image: &[u8]) -> serde_json::Value {
    // From the second run on, the index is known.
    let dry = format!("extract --dry-run {arguments}");
    env.json(&dry);
    server.reset_counts();
    let planned = env.json(&dry);
    assert!(!env.exists("out"), "a dry run writes nothing");
    assert!(server.body_bytes() <= number(&planned, "bytes_fetched"), "{planned}");
    server.reset_counts();
    let report = env.json(&format!("extract {arguments}"));
    assert!(env.read("out") == image, "{arguments}");
    env.remove("out");
    check_extract(&report, image);
    check_extract(&planned, image);
    assert_eq!(number(&report, "bytes_fetched"), server.body_bytes(), "{arguments}");
    assert_eq!(number(&report, "requests"), server.request_count(), "{arguments}");
    for key in ["bytes_fetched", "requests", "chunks_seed", "chunks_cache", "chunks_store", "bytes_seed", "bytes_store"]
    {
        assert_eq!(planned[key], report[key], "{arguments}: {key}: {planned} {report}");
    }
    report
}

#[test]
fn a_dry_run_writes_nothing_at_all() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.write("old", &old);
    env.make("new", &new);
    let server = Server::new(env.root());
    env.remove("scratch");
    env.remove("home-cache");
    let before = env.files("");
    env.json(&format!(
        "extract --dry-run --catalog home-cache/c --seed old --cache cache {} out",
        server.url("new.rgx")
    ));
    let after: Vec<_> = env.files("").into_iter().filter(|name| !name.starts_with("home-cache")).collect();
    assert_eq!(before, after);
}

#[test]
fn a_dry_run_to_a_pipe_reports() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    let planned = env.json(&format!("extract --catalog planned --dry-run {url} -"));
    server.reset_counts();
    assert!(env.run(&format!("extract --catalog done {url} -")).success().stdout == new);
    assert_eq!(number(&planned, "bytes_fetched"), server.body_bytes());
    assert_eq!(number(&planned, "requests"), server.request_count());
}

#[test]
fn an_output_leaves_nothing_beside_it() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.write("old", &old);
    env.make("new", &new);
    std::fs::create_dir(env.path("to")).unwrap();
    env.run("extract --seed old new.rgx to/out").success();
    env.run("extract new.rgx to/out").success();
    assert_eq!(env.files("to"), ["to/out"]);
}

#[test]
fn a_skeleton_too_large_for_memory() {
    let mut tree = Tree::default();
    for number in 0..27_000 {
        tree.0.insert(format!("folder-{}/file-{number}", number % 100), vec![number as u8; 1 + number % 3]);
    }
    let (old, new) = (tree.tar(1), tree.tar(1_700_000_000));
    let env = TestEnvironment::new();
    env.write("new", &new);
    env.write("old", &old);
    env.run("make --level 1 new.rgx new").success();
    check_extract(&env.json("extract --seed old new.rgx out"), &new);
    assert!(env.read("out") == new);
    assert!(env.run("extract --seed out new.rgx -").success().stdout == new);
}

#[test]
fn averages_from_the_smallest_to_the_largest() {
    let (old, new) = versions();
    for size in ["64", "256", "64KiB", "1MiB", "4MiB"] {
        let env = TestEnvironment::new();
        env.write("old", &old);
        env.write("new", &new);
        let outcome = env.run(&format!("make --avg-size {size} new.rgx new"));
        if outcome.code != Some(0) {
            outcome.failure(2, "--avg-size");
            continue;
        }
        check_extract(&env.json("extract --seed old new.rgx out"), &new);
        assert!(env.read("out") == new, "{size}");
    }
}

#[test]
fn who_closes_the_pipe_early_gets_one_line_at_most() {
    let env = TestEnvironment::new();
    env.make("image", &noise("closed", 3_000_000));
    let mut child = env.spawn(&mut env.command("extract -q image.rgx -"));
    drop(child.stdout.take());
    let outcome = Outcome::wait(child);
    assert_ne!(outcome.code, Some(0));
    assert!(outcome.stderr.lines().count() <= 1, "{}", outcome.stderr);
}

#[test]
fn the_default_parameters_do_as_well() {
    let image = noise("default", 9_000_000);
    let env = TestEnvironment::new();
    env.write("image", &image);
    check_make(&env.json("make image.rgx image"), &image);
    let report = env.json("extract --store store image.rgx out");
    check_extract(&report, &image);
    assert!(env.read("out") == image);
    let quiet = env.run("-q extract image.rgx again").success();
    assert!(quiet.stderr.is_empty() && quiet.stdout.is_empty(), "quiet means quiet: {}", quiet.stderr);
}
