//! An update is the index and one object. The planned and reported numbers are those that the host counted.

use super::*;

/// A host that gives its indexes tags.
fn tagged_host(site: &Site) -> Server {
    Server::with(site.env.root(), |request| if request.path.ends_with(".rgx") { Answer::Tagged } else { Answer::Serve })
}

#[test]
fn an_update_is_two_requests() {
    let site = Site::new();
    let server = tagged_host(&site);
    let index_bytes = site.env.read("new.rgx").len() as u64;
    let chunks = number(&site.extract(&server, "--no-patch --catalog other --seed old").0, "bytes_fetched");
    // The catalog is new at first. Then it knows the seed and the index.
    for (what, index_bytes) in [("fresh", index_bytes), ("known", 0), ("known again", 0)] {
        server.reset_counts();
        let (report, outcome) = site.extract(&server, "--seed old");
        assert_eq!(outcome.stderr.lines().find(|line| line.contains("warning")), None, "{what}");
        check_patched(&report);
        assert_eq!((number(&report, "requests"), server.request_count()), (2, 2), "{what}: {:?}", server.requests());
        assert_eq!(asked(&server), 1, "{what}");
        let bytes = number(&report, "bytes_fetched");
        assert_eq!(bytes, server.body_bytes(), "{what}");
        assert_eq!(bytes, index_bytes + site.patch_bytes(), "{what}");
        assert!(bytes * 2 < chunks, "{what}: {bytes} instead of {chunks}");
        assert_eq!(number(&report, "chunks_cache") + number(&report, "chunks_resumed"), 0, "{report}");
    }
}

#[test]
fn a_dry_run_says_the_same() {
    let site = Site::new();
    let server = tagged_host(&site);
    let before = site.env.files("store");
    let planned = site.env.json(&format!("extract --catalog one --dry-run --seed old {} out", server.url("new.rgx")));
    assert!(!site.env.exists("out"));
    assert_eq!(site.env.files("store"), before);
    assert!(server.body_bytes() < number(&planned, "bytes_fetched"), "only the patch's front is read");
    site.check_nothing_is_left();
    let (report, _) = site.extract(&server, "--catalog two --seed old");
    let keys = ["bytes_fetched", "requests", "chunks", "chunks_patch", "chunks_seed", "chunks_store", "bytes_patch"];
    for key in keys {
        assert_eq!(planned[key], report[key], "{key}: {planned} {report}");
    }
    assert_eq!(planned["dry_run"], true);
}

#[test]
fn chunks_are_taken_where_they_are_wanted() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    for arguments in ["--no-patch --seed old", "--no-patch --seed old --cache cache", ""] {
        check_chunked(&site.extract(&server, arguments).0);
        assert_eq!(asked(&server), 0, "{arguments}");
    }
    // A store that costs nothing is not asked for patches.
    let report = site.env.json("extract --seed old new.rgx out");
    assert!(site.env.read("out") == site.new);
    check_chunked(&report);
}

#[test]
fn what_a_patch_brings_is_told() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    let outcome = site.env.run(&format!("extract --seed old {} out", server.url("new.rgx"))).success();
    assert!(outcome.stderr.lines().any(|line| line.contains("patch")), "{}", outcome.stderr);
    let report = site.env.json("diff old.rgx new.rgx");
    assert!(report.is_object(), "{report}");
}
