//! What is fetched where nothing goes wrong.

use super::*;

#[test]
fn a_known_base_needs_the_head_and_the_patch() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    let index_bytes = site.env.read("new.rgx").len() as u64;
    assert!(index_bytes > 2048 && site.head_bytes() < 1024, "{index_bytes} and {}", site.head_bytes());
    // Then the catalog knows an earlier head, and so how much to ask for.
    for (run, front) in [("first", 2048), ("second", site.head_bytes() + 256)] {
        let (report, outcome) = site.extract(&server, "--seed old");
        check_patched(&report);
        assert_eq!(warnings(&outcome), Vec::<&str>::new(), "{run}");
        assert_eq!((number(&report, "requests"), asked(&server)), (2, vec![Some((0, front - 1))]), "{run}");
        assert_eq!(number(&report, "bytes_fetched"), server.body_bytes(), "{run}");
        assert_eq!(server.body_bytes(), front + site.patch_bytes(), "{run}");
    }
    // The output that is replaced is a base too.
    site.env.write("out", &site.old);
    let report = site.env.json(&format!("extract --head-first {} out", server.url("new.rgx")));
    assert!(site.env.read("out") == site.new);
    assert_eq!(number(&report, "requests"), 2);
    check_patched(&report);
}

#[test]
fn every_output_may_come_from_a_head() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    let url = server.url("new.rgx");
    let outcome = site.env.run(&format!("extract --head-first --seed old {url} -")).success();
    assert!(outcome.stdout == site.new);
    assert_eq!(server.request_count(), 2);
    site.env.write("device", &vec![7; site.new.len()]);
    site.env.run(&format!("extract --head-first --seed old --in-place {url} device")).success();
    assert!(site.env.read("device") == site.new);
    assert_eq!(server.request_count(), 4);
}

#[test]
fn a_dry_run_says_what_the_head_and_the_patch_cost() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    let url = server.url("new.rgx");
    let planned = site.env.json(&format!("extract --head-first --catalog one --dry-run --seed old {url} out"));
    assert!(!site.env.exists("out") && server.body_bytes() < number(&planned, "bytes_fetched"));
    let (report, _) = site.extract(&server, "--catalog two --seed old");
    for key in ["bytes_fetched", "requests"] {
        assert_eq!(planned[key], report[key], "{key}: {planned} {report}");
    }
    // The same holds where no patch serves.
    site.env.write("other", &site.old[..5000]);
    let planned = site.env.json(&format!("extract --head-first --catalog three --dry-run --seed other {url} out"));
    let (report, _) = site.extract(&server, "--catalog four --seed other");
    for key in ["bytes_fetched", "requests", "chunks", "chunks_store", "chunks_seed"] {
        assert_eq!(planned[key], report[key], "{key}: {planned} {report}");
    }
}

#[test]
fn polling_is_one_small_request() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    let url = server.url("new.rgx");
    site.env.run(&format!("extract --head-first --seed old {url} out")).success();
    for front in [site.head_bytes() + 256; 2] {
        server.reset_counts();
        let report = site.env.json(&format!("extract --head-first {url} out"));
        assert_eq!((server.request_count(), server.body_bytes()), (1, front), "{report}");
        check_extract(&report, &site.new);
        assert!(number(&report, "chunks") > 0 && report["chunks"] == report["chunks_resumed"], "{report}");
    }
    // A machine without a catalog asks for 2 KiB.
    server.reset_counts();
    site.env.run(&format!("extract --head-first --catalog none {url} out")).success();
    assert_eq!((server.request_count(), server.body_bytes()), (1, 2048));
    // A host whose tags are hashes of the bytes has nothing to send, once the whole index is known.
    let tagging =
        Server::with(site.env.root(), |request| if is_index(request) { Answer::Tagged } else { Answer::Serve });
    let url = tagging.url("new.rgx");
    site.env.run(&format!("extract --head-first {url} out")).success();
    tagging.reset_counts();
    site.env.run(&format!("extract --head-first {url} out")).success();
    assert_eq!((tagging.request_count(), tagging.body_bytes()), (1, 0));
}

#[test]
fn what_the_head_says_is_one_small_request() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    let (url, head) = (server.url("new.rgx"), site.head());
    let report = site.env.json(&format!("info --head {url}"));
    assert_eq!((server.request_count(), server.body_bytes()), (1, 2048), "{report}");
    assert_eq!((number(&report, "requests"), number(&report, "bytes_fetched")), (1, 2048), "{report}");
    let whole = site.env.json(&format!("info {url}"));
    for (key, value) in report.as_object().unwrap() {
        if !["requests", "bytes_fetched", "parts"].contains(&key.as_str()) {
            assert_eq!(whole[key], *value, "{key}");
        }
    }
    assert_eq!(report["parts"][0]["name"], whole["parts"][0]["name"]);
    assert_eq!(report["image_id"], head.statement.image_id().to_string());
    let text = String::from_utf8(site.env.run(&format!("info --head {url}")).success().stdout).unwrap();
    assert!(text.contains("patch from") && text.contains("SHA-256") && !text.contains("packs"), "{text}");
    // An index of version 1 has no head that could come alone, and a file is read as it is.
    let other = Site::of_format(1);
    let server = Server::new(other.env.root());
    let report = other.env.json(&format!("info --head {}", server.url("new.rgx")));
    assert_eq!((number(&report, "format"), report["parts"].as_array().unwrap().len()), (1, 0), "{report}");
    assert!(server.request_count() <= 2);
    assert_eq!(site.env.json("info --head new.rgx")["image_id"], head.statement.image_id().to_string());
    // A signature is checked by the head alone as well.
    site.env.run("key new release.key").success();
    site.env.run("sign --key release.key new.rgx").success();
    let server = Server::new(site.env.root());
    site.env.run(&format!("verify --key release.key.pub {}", server.url("new.rgx"))).success();
    assert_eq!((server.request_count(), server.body_bytes()), (1, 2048));
}

#[test]
fn a_dry_run_that_knows_no_number_of_chunks_tells_none() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    let url = server.url("new.rgx");
    let outcome = site.env.run(&format!("extract --head-first --dry-run --seed old {url} out")).success();
    let text = String::from_utf8(outcome.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("from seeds")).unwrap();
    assert!(line.contains("bytes") && !line.contains("chunks"), "{text}");
}

#[test]
fn a_seed_that_is_the_image_needs_the_head_alone() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    for seeds in ["--seed new", "--seed old --seed new", "--seed new --seed old"] {
        let (report, outcome) = site.extract(&server, seeds);
        assert_eq!(warnings(&outcome), Vec::<&str>::new(), "{seeds}");
        assert_eq!(server.request_count(), 1, "{seeds}: {:?}", server.requests());
        assert_eq!(report["chunks"], report["chunks_seed"], "{seeds}: {report}");
    }
}

#[test]
fn without_a_base_the_index_comes_at_once() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    for arguments in ["--catalog one", "--catalog two --no-patch --seed old"] {
        check_chunked(&site.extract(&server, arguments).0);
        assert_eq!(asked(&server), [None], "{arguments}");
    }
}

#[test]
fn ten_lines_of_a_larger_image_are_less_than_4000_bytes() {
    let env = TestEnvironment::new();
    let mut files: Vec<Vec<u8>> =
        (0..60).map(|number| regrow_demo::noise(&format!("file {number}"), 100_000)).collect();
    files.push(regrow_demo::patchable::text("text", 400));
    let tar = |files: &[Vec<u8>]| {
        let mut tar = Vec::new();
        for (number, file) in files.iter().enumerate() {
            regrow_demo::add_file(&mut tar, &format!("usr/share/file-{number}"), file, 1_700_000_000);
        }
        regrow_demo::end(tar)
    };
    let old = tar(&files);
    let text = String::from_utf8(files.pop().unwrap()).unwrap();
    let changed = |(number, line): (usize, &str)| match number % 40 {
        7 => format!("changed in line {number}\n"),
        _ => format!("{line}\n"),
    };
    files.push(text.lines().enumerate().map(changed).collect::<String>().into_bytes());
    let new = tar(&files);
    env.write("old", &old);
    env.write("new", &new);
    env.json("make --format 2 old.rgx old");
    env.json("make --format 2 new.rgx new");
    env.json("patch --old old --new new old.rgx new.rgx");
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --head-first --seed old {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    check_extract(&report, &new);
    check_patched(&report);
    assert_eq!(server.request_count(), 2);
    assert!(server.body_bytes() <= 4000, "{} bytes", server.body_bytes());
}

/// Nothing tells a machine that an index has version 2, so it is asked for whole, as one of version 1 is.
#[test]
fn an_index_that_may_have_version_1_is_one_request() {
    for (format, later) in [(1, 2), (2, 2)] {
        let site = Site::of_format(format);
        let server = Server::new(site.env.root());
        let url = server.url("new.rgx");
        let whole = site.env.read("new.rgx").len() as u64;
        for _ in 0..later {
            server.reset_counts();
            site.env.run(&format!("extract --seed old {url} out")).success();
            assert!(site.env.read("out") == site.new);
            site.env.remove("out");
            assert_eq!(server.request_count(), 2, "format {format}: {:?}", server.requests());
        }
        // From the second time on the head of version 2 comes alone, or is known to be unchanged.
        let bytes = server.body_bytes() - site.patch_bytes();
        assert!(bytes < whole / 2, "format {format}: {bytes} of {whole}");
    }
}
