//! The targets of an extract: a file, a pipe, a file that is there, and the base itself.

use super::*;

/// Extracts with these arguments, in which `URL` stands for the index. The catalog is empty.
fn extract(site: &Site, server: &Server, arguments: &str) -> Outcome {
    server.reset_counts();
    let arguments = arguments.replace("URL", &server.url("new.rgx"));
    site.env.run(&format!("extract --json {arguments}")).success()
}

#[track_caller]
fn check_update(site: &Site, server: &Server, report: &Value, what: &str) {
    check_extract(report, &site.new);
    check_patched(report);
    assert_eq!(number(report, "bytes_fetched"), server.body_bytes(), "{what}");
    assert_eq!((server.request_count(), asked(server)), (2, 1), "{what}");
    site.check_nothing_is_left();
}

#[test]
fn what_is_there_is_the_seed() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    for link in [false, true] {
        let place = if link { "place/real" } else { "out" };
        site.env.write(place, &site.old);
        if link {
            std::os::unix::fs::symlink(site.env.path(place), site.env.path("out")).unwrap();
        }
        let report = extract(&site, &server, "URL out").json();
        assert!(site.env.read("out") == site.new);
        check_update(&site, &server, &report, place);
        site.env.remove("out");
    }
}

#[test]
fn over_a_file_that_is_something_else() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    for bytes in [b"short".to_vec(), regrow_demo::noise("long", site.new.len() + 5000)] {
        for flag in ["", "--in-place"] {
            site.env.write("out", &bytes);
            let report = extract(&site, &server, &format!("{flag} --seed old URL out")).json();
            assert!(site.env.read("out") == site.new, "{flag}");
            assert!(site.env.read("old") == site.old);
            site.env.remove("out");
            check_extract(&report, &site.new);
            check_patched(&report);
            site.check_nothing_is_left();
        }
    }
}

#[test]
fn over_the_base_itself() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    site.env.write("out", &site.old);
    // The base disappears while the image comes. The needed parts of it are kept, or fetched.
    for arguments in ["--in-place --seed out URL out", "--in-place URL out"] {
        site.env.write("out", &site.old);
        let report = extract(&site, &server, arguments).json();
        assert!(site.env.read("out") == site.new, "{arguments}");
        check_extract(&report, &site.new);
        assert_eq!(number(&report, "bytes_fetched"), server.body_bytes(), "{arguments}");
        site.check_nothing_is_left();
    }
}

#[test]
fn a_pipe() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    let outcome = site.env.run(&format!("extract --seed old {} -", server.url("new.rgx"))).success();
    assert!(outcome.stdout == site.new);
    assert_eq!((server.request_count(), asked(&server)), (2, 1));
    site.check_nothing_is_left();
}

#[test]
fn a_folder_that_cannot_be_written() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    // A cache that is a file keeps nothing, and stops nothing.
    site.env.write("cache", b"a file");
    let outcome = site.env.run(&format!("extract --cache cache --seed old {} out", server.url("new.rgx")));
    if outcome.code == Some(0) {
        assert!(site.env.read("out") == site.new);
    } else {
        drop(outcome.failure_of(&[1, 2], "cache"));
    }
}
