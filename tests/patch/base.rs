//! A base that is no longer what it was: cut, changed while it is read, or replaced by another file.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use regrow_demo::noise;

type Change = fn(&PathBuf);

fn change_bytes(seed: &PathBuf, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(seed).unwrap();
    change(&mut bytes);
    std::fs::write(seed, bytes).unwrap();
}

const CHANGES: [(&str, Change); 6] = [
    ("truncated", |seed| std::fs::File::options().write(true).open(seed).unwrap().set_len(100_000).unwrap()),
    ("emptied", |seed| std::fs::write(seed, b"").unwrap()),
    ("rewritten", |seed| change_bytes(seed, |bytes| *bytes = noise("rewritten", bytes.len()))),
    ("shifted", |seed| change_bytes(seed, |bytes| drop(bytes.splice(100_000..100_000, *b"inserted")))),
    ("a byte here and there", |seed| {
        change_bytes(seed, |bytes| bytes.iter_mut().step_by(7001).for_each(|byte| *byte ^= 1));
    }),
    ("another file", |seed| {
        let other = seed.with_file_name("scratch/other");
        std::fs::write(&other, noise("other", 300_000)).unwrap();
        std::fs::rename(other, seed).unwrap();
    }),
];

/// A host that runs `change` at the first request for a patch. The seed is scanned by then, but not yet read for
/// the patch.
fn changing_host(site: &Site, change: impl Fn() + Send + Sync + 'static) -> Server {
    let done = AtomicBool::new(false);
    Server::with(site.env.root(), move |request| {
        if is_patch(request) && !done.swap(true, Ordering::AcqRel) {
            change();
        }
        Answer::Serve
    })
}

#[test]
fn a_base_that_changes_after_it_was_scanned() {
    let site = Site::new();
    for (what, change) in CHANGES {
        let seed = site.env.write("seed", &site.old);
        let server = changing_host(&site, move || change(&seed));
        let (report, outcome) = site.extract(&server, "--seed seed");
        assert_eq!(number(&report, "bytes_fetched"), server.body_bytes(), "{what}");
        // A file that is still open is the one that was scanned.
        if what == "another file" {
            check_patched(&report);
            continue;
        }
        assert!(number(&report, "chunks_store") > 0, "{what}: {report}");
        assert!(!warnings(&outcome).is_empty(), "{what}");
        assert!(
            warnings(&outcome).iter().filter(|line| line.contains(".patch")).count() == 1,
            "{what}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn a_base_that_changes_under_a_pipe() {
    let site = Site::new();
    for (what, change) in CHANGES {
        let seed = site.env.write("seed", &site.old);
        let server = changing_host(&site, move || change(&seed));
        let outcome = site.env.run(&format!("extract --seed seed {} -", server.url("new.rgx"))).success();
        assert!(outcome.stdout == site.new, "{what}");
        site.check_nothing_is_left();
    }
}

#[test]
fn a_base_that_changes_all_the_time() {
    use std::os::unix::fs::FileExt;
    let site = Site::new();
    let seed = site.env.write("seed", &site.old);
    let server = Server::new(site.env.root());
    let is_done = Arc::new(AtomicBool::new(false));
    let (done, old) = (Arc::clone(&is_done), site.old.clone());
    let changing = std::thread::spawn(move || {
        let file = std::fs::File::options().write(true).open(seed).unwrap();
        for round in 0.. {
            if done.load(Ordering::Acquire) {
                break;
            }
            let at = round * 7919 % (old.len() as u64 - 512);
            file.write_all_at(&noise("change", 16), at).unwrap();
            file.write_all_at(&old[at as usize..at as usize + 16], at).unwrap();
        }
    });
    for round in 0..15 {
        let (report, _) = site.extract(&server, "--seed seed");
        assert!(number(&report, "chunks_seed") + number(&report, "chunks_store") > 0, "{round}");
    }
    is_done.store(true, Ordering::Release);
    changing.join().unwrap();
}

#[test]
fn a_base_that_was_another_before() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    for (what, change) in CHANGES {
        let seed = site.env.write("seed", &site.old);
        // The catalog knows the seed.
        site.extract(&server, "--seed seed");
        let modified = seed.metadata().unwrap().modified().unwrap();
        change(&seed);
        let file = std::fs::File::options().append(true).open(&seed).unwrap();
        file.set_modified(modified).unwrap();
        server.reset_counts();
        let (report, outcome) = site.extract(&server, "--seed seed");
        check_chunked(&report);
        assert_eq!(warnings(&outcome), Vec::<&str>::new(), "{what}: {}", outcome.stderr);
        assert!(asked(&server) <= 1, "{what}");
    }
}
