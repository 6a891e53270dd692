//! Hosts that have no patch, or that fail in the middle of it. Chunks do just as well.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use regrow_demo::pick;

/// A host that gives these answers to the requests for patches in turn, and then repeats the last one.
fn host_of(site: &Site, answers: Vec<Answer>) -> Server {
    let next = AtomicUsize::new(0);
    Server::with(site.env.root(), move |request| {
        if !is_patch(request) {
            return Answer::Serve;
        }
        let number = next.fetch_add(1, Ordering::AcqRel).min(answers.len() - 1);
        answers[number].clone()
    })
}

#[test]
fn no_patch_there() {
    let site = Site::new();
    for status in [403, 404] {
        let server = site.host(Answer::Status(status));
        let (report, outcome) = site.extract(&server, "--seed old");
        check_chunked(&report);
        assert_eq!(warnings(&outcome), Vec::<&str>::new(), "{status} is nothing to be told");
        assert_eq!(asked(&server), 1, "{status}");
    }
    site.env.remove("store/patches");
    let server = Server::new(site.env.root());
    let (report, outcome) = site.extract(&server, "--seed old");
    check_chunked(&report);
    assert_eq!(warnings(&outcome), Vec::<&str>::new());
    let planned = site.env.json(&format!("extract --dry-run --seed old {} out", server.url("new.rgx")));
    assert_eq!(planned["chunks_store"], report["chunks_store"]);
}

/// Checks that chunks are used, and that one line says why.
#[track_caller]
fn check_told(site: &Site, server: &Server, arguments: &str) {
    let (report, outcome) = site.extract(server, &format!("--seed old {arguments}"));
    check_chunked(&report);
    let [warning] = warnings(&outcome)[..] else { panic!("not one warning: {}", outcome.stderr) };
    assert!(warning.contains(".patch"), "{warning}");
}

#[test]
fn hosts_that_fail() {
    let site = Site::new();
    let fails = [
        Answer::Status(401),
        Answer::Status(500),
        Answer::Reset,
        Answer::Hang,
        Answer::HangInBody,
        Answer::Status(416),
    ];
    for answer in fails {
        check_told(&site, &site.host(answer), "--tries 2 --timeout 1");
    }
    // The same holds in a dry run.
    let server = site.host(Answer::Status(500));
    let url = server.url("new.rgx");
    let outcome = site.env.run(&format!("extract --json --tries 2 --dry-run --seed old {url} out")).success();
    assert_eq!(warnings(&outcome).len(), 1, "{}", outcome.stderr);
    check_chunked(&outcome.json());
}

#[test]
fn what_passes_is_tried_again() {
    let site = Site::new();
    for first in [Answer::Status(503), Answer::Reset] {
        let server = host_of(&site, vec![first, Answer::Serve]);
        check_patched(&site.extract(&server, "--seed old").0);
        assert_eq!(asked(&server), 2);
    }
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let site = Site::new();
    let (index_bytes, half) = (site.env.read("new.rgx").len() as u64, site.patch_bytes() / 2);
    for first in [Answer::Short, Answer::ResetInBody] {
        let server = host_of(&site, vec![first.clone(), Answer::Serve]);
        let (report, outcome) = site.extract(&server, "--seed old");
        check_patched(&report);
        assert_eq!(warnings(&outcome), Vec::<&str>::new());
        let requests: Vec<Request> = server.requests().into_iter().filter(is_patch).collect();
        assert_eq!(requests.len(), 2, "{requests:?}");
        // A reset may overtake the bytes that were sent before it.
        if matches!(first, Answer::Short) {
            assert_eq!(requests[1].range.map(|range| range.0), Some(half), "{requests:?}");
            assert_eq!(number(&report, "bytes_fetched"), index_bytes + site.patch_bytes(), "{report}");
        }
    }
    // The host breaks off twice, or knows no ranges.
    for answers in [vec![Answer::Short, Answer::Short, Answer::Serve], vec![Answer::Short, Answer::Whole]] {
        let server = host_of(&site, answers);
        check_patched(&site.extract(&server, "--seed old").0);
    }
    check_patched(&site.extract(&site.host(Answer::Whole), "--seed old").0);
    // The host always breaks off, so regrow gives up in the end.
    for always in [Answer::Short, Answer::ResetInBody] {
        let server = site.host(always);
        check_told(&site, &server, "--tries 2");
        assert!(asked(&server) < 20, "{}", asked(&server));
    }
}

#[test]
fn a_patch_that_changes_between_two_requests() {
    let site = Site::new();
    let mut other = site.env.read(&site.patch());
    other.truncate(other.len() - 10);
    check_told(&site, &host_of(&site, vec![Answer::Short, Answer::Instead(other)]), "");
    let mut other = site.env.read(&site.patch());
    let at = other.len() - 100;
    other[at] ^= 1;
    check_told(&site, &host_of(&site, vec![Answer::Short, Answer::Instead(other)]), "");
}

#[test]
fn the_second_store_has_the_chunks() {
    let site = Site::new();
    let server = site.host(Answer::Status(404));
    let dead = Server::with(site.env.root(), |_| Answer::Status(500));
    let stores = format!("--tries 1 --store {} --store {}", dead.url("store"), server.url("store"));
    let (report, outcome) = site.extract(&server, &format!("--seed old {stores}"));
    check_chunked(&report);
    assert!(warnings(&outcome).len() <= 2, "{}", outcome.stderr);
}

/// The behaviour of a bad host at a request for a patch.
fn whim(round: u64, request: &Request, patch: &[u8]) -> Answer {
    let pick = |what: &str, below: u64| pick(&format!("patch {what} {round} {}", request.number), below);
    match pick("whim", 12) {
        0 => Answer::Status(503),
        1 => Answer::Reset,
        2 => Answer::ResetInBody,
        3 => Answer::Short,
        4 => Answer::Whole,
        5 => Answer::Less,
        6 => Answer::Instead(patch[..pick("cut", patch.len() as u64) as usize].to_vec()),
        7 => {
            let mut damaged = patch.to_vec();
            damaged[pick("place", patch.len() as u64) as usize] ^= 8;
            Answer::Instead(damaged)
        }
        8 => Answer::Page("text/html", b"<html>Please pay for this network.</html>".to_vec()),
        _ => Answer::Serve,
    }
}

#[test]
fn whatever_a_host_does_with_patches() {
    let site = Site::new();
    let patch = site.env.read(&site.patch());
    let mut patched = 0;
    for round in 0..60 {
        let patch = patch.clone();
        let server = Server::with(site.env.root(), move |request| match is_patch(request) {
            true => whim(round, request, &patch),
            false => Answer::Serve,
        });
        let cache = ["", "--cache cache"][round as usize % 2];
        if round % 8 == 1 && site.env.exists("cache") {
            site.env.remove("cache");
        }
        let (report, outcome) = site.extract(&server, &format!("--tries 2 {cache} --seed old"));
        let is_patched = number(&report, "chunks_patch") > 0;
        assert!(warnings(&outcome).len() <= 1, "{round}: {}", outcome.stderr);
        assert!(
            is_patched || number(&report, "chunks_store") + number(&report, "chunks_cache") > 0,
            "{round}: {report}"
        );
        patched += u32::from(is_patched);
    }
    assert!((20..60).contains(&patched), "{patched}");
}
