//! An index that is known already is not fetched again, unless it has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regrow_catalog::Catalog;
use regrow_demo::versions;

use crate::cdn::many_packs;
use crate::environment::TestEnvironment;
use crate::report::{check_extract, number};
use crate::server::{Answer, Request, Server};

/// A host that gives its indexes an `ETag`.
fn tagging(env: &TestEnvironment) -> Server {
    Server::with(env.root(), |request| if request.is_pack() { Answer::Serve } else { Answer::Tagged })
}

fn conditions(server: &Server) -> Vec<bool> {
    let indexes = server.requests().into_iter().filter(|request| request.path.ends_with(".rgx"));
    indexes.map(|request: Request| request.header("if-none-match").is_some()).collect()
}

#[test]
fn an_index_that_is_known_comes_once() {
    let (env, image) = many_packs(300_000);
    let server = tagging(&env);
    let url = server.url("app.rgx");
    env.run(&format!("extract {url} out")).success();
    assert_eq!(conditions(&server), [false]);
    // An output that is up to date costs one request without a body.
    for _ in 0..2 {
        server.reset_counts();
        let report = env.json(&format!("extract {url} out"));
        assert_eq!((server.request_count(), server.body_bytes()), (1, 0), "{report}");
        assert_eq!((number(&report, "requests"), number(&report, "bytes_fetched")), (1, 0), "{report}");
        assert_eq!(conditions(&server), [true]);
    }
    env.remove("out");
    env.run(&format!("extract {url} out")).success();
    assert!(env.read("out") == image);
    // The index is remembered for this URL alone, including its query.
    server.reset_counts();
    env.run(&format!("extract {url}?token=2 out")).success();
    assert_eq!(conditions(&server), [false]);
    // A separate catalog knows nothing.
    server.reset_counts();
    env.run(&format!("extract --catalog other {url} out")).success();
    assert_eq!(conditions(&server), [false]);
}

#[test]
fn an_index_that_changed_is_fetched() {
    let env = TestEnvironment::new();
    let (old, new) = versions();
    env.make("app", &old);
    let server = tagging(&env);
    let extract = format!("extract {} out", server.url("app.rgx"));
    env.run(&extract).success();
    env.make("app", &new);
    server.reset_counts();
    check_extract(&env.json(&extract), &new);
    assert!(env.read("out") == new);
    assert_eq!(conditions(&server), [true]);
    server.reset_counts();
    env.run(&extract).success();
    assert_eq!((server.request_count(), server.body_bytes()), (1, 0));
}

#[test]
fn hosts_without_tags_do_as_well() {
    let (env, image) = many_packs(300_000);
    let is_tagging = Arc::new(AtomicBool::new(false));
    let tags = Arc::clone(&is_tagging);
    let server = Server::with(env.root(), move |request| match request.is_pack() || !tags.load(Ordering::SeqCst) {
        true => Answer::Serve,
        false => Answer::Tagged,
    });
    let extract = format!("extract {} out", server.url("app.rgx"));
    for tags in [false, false, true, false, true] {
        is_tagging.store(tags, Ordering::SeqCst);
        env.run(&extract).success();
        assert!(env.read("out") == image);
    }
    assert_eq!(conditions(&server), [false, false, false, true, true]);
}

#[test]
fn a_damaged_memory_of_an_index_is_no_harm() {
    let (env, image) = many_packs(300_000);
    let server = tagging(&env);
    let url = server.url("app.rgx");
    let extract = format!("extract --catalog catalog {url} out");
    env.run(&extract).success();
    let key = blake3::hash(url.as_bytes()).to_hex().to_string();
    let known = Catalog::open(&env.path("catalog")).get_document("index", &key).unwrap();
    // The damage is in the bytes, the version, its length, or in all of it.
    let damaged = |at: usize, to: u8| {
        let mut document = known.clone();
        document[at] = to;
        document
    };
    let last = known.len() - 1;
    let cases = [
        (damaged(last, known[last] ^ 1), Some(false)),
        (known[..known.len() / 2].to_vec(), Some(false)),
        (damaged(5, b'\n'), None),
        (damaged(5, 0xff), None),
        (damaged(0, 200), None),
        (Vec::new(), Some(false)),
    ];
    for (number, (document, is_conditional)) in cases.into_iter().enumerate() {
        Catalog::open(&env.path("catalog")).put_document("index", &key, &document);
        env.remove("out");
        server.reset_counts();
        let outcome = env.run(&extract);
        assert_eq!(outcome.code, Some(0), "case {number}: {}", outcome.stderr);
        assert!(env.read("out") == image, "case {number}");
        assert!(server.body_bytes() >= env.read("app.rgx").len() as u64, "case {number}");
        assert!(is_conditional.is_none_or(|is| conditions(&server) == [is]), "case {number}");
    }
    // The catalog is mended.
    server.reset_counts();
    env.run(&extract).success();
    assert_eq!((server.request_count(), server.body_bytes()), (1, 0));
}
