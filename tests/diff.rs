//! What `diff` says about an update: its rows add up, and name the paths that cost.

use serde_json::Value;

use crate::environment::TestEnvironment;
use crate::report::number;

/// The size of the new random file.
const RANDOM_BYTES: u64 = 300_000;

fn noise(seed: u64, len: u64) -> Vec<u8> {
    let mut out = vec![0; len as usize];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn text(seed: u64, words: u64) -> Vec<u8> {
    let word = |byte: &u8| ["alpha ", "beta ", "gamma\n", "delta ", "eps, ", "zeta "][usize::from(byte % 6)].bytes();
    noise(seed, words).iter().flat_map(word).collect()
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A store with two images: documents that change by a fifth, and one new random file among them.
fn site(name: &str) -> TestEnvironment {
    let env = TestEnvironment::new();
    let old: Vec<_> = (0..20).map(|n| (format!("doc/{n:02}"), text(n, 20_000))).collect();
    let edited = |n| [text(n, 20_000), text(n + 1000, 4_000)].concat();
    let mut new: Vec<_> = (0..20).map(|n| (format!("doc/{n:02}"), edited(n))).collect();
    new.insert(10, (name.to_owned(), noise(7, RANDOM_BYTES)));
    for (name, files) in [("old", old), ("new", new)] {
        env.write(name, &tar(&files));
        env.json(&format!("make --avg-size 4KiB {name}.rgx {name}"));
    }
    env
}

fn rows<'v>(report: &'v Value, key: &str) -> &'v [Value] {
    report[key].as_array().unwrap()
}

/// Checks that rows of both tables add up to the totals, and returns the random file's stored bytes and its bytes in
/// the patch.
#[track_caller]
fn check_sums(report: &Value, name: &str) -> (u64, u64) {
    for key in ["paths", "archives"] {
        let rows = rows(report, key);
        let sum = |key| rows.iter().map(|row| number(row, key)).sum::<u64>();
        let stored = sum("bytes") + number(report, "bytes_headers") + number(report, "bytes_other");
        assert_eq!(stored, number(report, "bytes"), "{key}: {report}");
        let patch = sum("bytes_patch") + number(report, "bytes_patch_headers") + number(report, "bytes_patch_other");
        assert_eq!(patch, number(report, "bytes_patch_made"), "{key}: {report}");
    }
    let random = rows(report, "paths").iter().find(|row| row["path"] == name).unwrap();
    (number(random, "bytes"), number(random, "bytes_patch"))
}

#[test]
fn the_path_that_costs_is_named_and_rows_add_up() {
    let env = site("doc/09-random");
    let report = env.json("diff --patch --old old --new new old.rgx new.rgx");
    let (stored, patch) = check_sums(&report, "doc/09-random");
    let right = RANDOM_BYTES * 95 / 100..=RANDOM_BYTES * 103 / 100;
    assert!(right.contains(&stored) && right.contains(&patch), "{stored} {patch}");
    let others = rows(&report, "paths").iter().filter(|row| row["path"] != "doc/09-random");
    assert!(others.clone().count() == 20 && others.clone().all(|row| number(row, "bytes") > 0), "{report}");
    assert!(others.map(|row| number(row, "bytes_patch")).sum::<u64>() < 120_000, "{report}");
    assert_eq!(report["patch_present"], false);
    // The text says the same sums.
    let shown = env.run("diff --patch --old old --new new old.rgx new.rgx").success();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("neither path nor header") && shown.contains("neither, in a patch"), "{shown}");
}

/// Over a network the chunks column is computed of what an update fetches, and each frame is fetched once.
#[test]
fn rows_add_up_over_a_network_too() {
    let env = site("doc/09-random");
    let server = crate::server::Server::new(env.root());
    let report = env.json(&format!("diff {} {}", server.url("old.rgx"), server.url("new.rgx")));
    let sum = rows(&report, "paths").iter().map(|row| number(row, "bytes")).sum::<u64>();
    let rest = number(&report, "bytes_headers") + number(&report, "bytes_other");
    assert_eq!(sum + rest, number(&report, "bytes"));
    let old = env.read("old.rgx").len() as u64;
    let limit = number(&report, "bytes") * 2 + old * 3 + 100_000;
    assert!(server.body_bytes() < limit, "{} of {limit}", server.body_bytes());
}

/// The page is written beside the report. Names of strangers stay text in it, and only pages are replaced.
#[test]
fn a_page_is_written_and_only_pages_are_replaced() {
    let name = "doc/<script>alert(1)</script>&\u{202e}\u{1b}[2J";
    let env = site(name);
    let diff = "diff --html cost.html --old old --new new old.rgx new.rgx";
    env.run(diff).success();
    let page = String::from_utf8(env.read("cost.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>\n<!-- regrow diff -->\n") && page.ends_with("</html>\n"));
    assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("By chunks") && page.contains("By a patch"));
    assert!(!page.contains("http:") && !page.contains("https:"), "the page fetches nothing");
    // An earlier page is replaced, and anything else is left alone, before any work is done.
    env.write("cost.html", b"<!DOCTYPE html>\n<!-- regrow diff -->\nold");
    let report = env.json(diff);
    assert!(env.read("cost.html").len() > 1000 && report["bytes_patch_made"].is_u64());
    for other in [&b"<!DOCTYPE html>\n<p>my own page"[..], b""] {
        env.write("cost.html", other);
        env.run("diff --html cost.html old.rgx absent.rgx").failure(1, "cost.html: this is no page of regrow diff");
        assert!(env.read("cost.html") == other);
    }
    std::os::unix::fs::symlink("old", env.path("link.html")).unwrap();
    env.run("diff --html link.html old.rgx new.rgx").failure(1, "link.html: this is no page");
    env.run("diff --html nowhere/cost.html old.rgx new.rgx").failure(1, "nowhere/cost.html: ");
}
