//! Indexes of version 2: a machine that has the base of a patch fetches the head and the patch, nothing else. Whatever
//! the patch does not give, what lies behind the head does.

mod blocks;
mod replaced;
mod small;

use regrow_demo::patchable::versions;
use regrow_index::{Head, HeadRead};
use serde_json::Value;

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, number};
use crate::server::{Answer, Request, Server};

/// A store with two images, and with a patch between them that the new index announces.
struct Site {
    env: TestEnvironment,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Site {
    fn new() -> Self {
        Self::of_format(2)
    }

    fn of_format(format: u32) -> Self {
        let site = Self::without_patch(format);
        site.env.json("patch --patch-level 3 --old old --new new old.rgx new.rgx");
        site
    }

    fn without_patch(format: u32) -> Self {
        let (env, (mut old, mut new)) = (TestEnvironment::new(), versions());
        for image in [&mut old, &mut new] {
            image.extend_from_slice(&regrow_demo::noise("behind the end", 600_000));
        }
        let site = Self { env, old, new };
        site.make(format, "old", &site.old);
        site.make(format, "new", &site.new);
        site
    }

    fn make(&self, format: u32, name: &str, image: &[u8]) {
        self.env.write(name, image);
        // Chunks are so small that the index is much larger than what is asked for at first.
        let make = format!("make --allow-partial --format {format} --avg-size 256 --pack-size 256KiB");
        self.env.json(&format!("{make} {name}.rgx {name}"));
    }

    fn head(&self) -> Head {
        match Head::decode(&self.env.read("new.rgx")).unwrap() {
            HeadRead::Head(head) => *head,
            other => panic!("{other:?}"),
        }
    }

    fn head_bytes(&self) -> u64 {
        self.head().codings_block().start
    }

    fn patch_bytes(&self) -> u64 {
        let patches = self.env.files("store/patches");
        assert_eq!(patches.len(), 1, "{patches:?}");
        self.env.read(&patches[0]).len() as u64
    }

    /// Extracts `new` from a server, checks it, and removes it.
    #[track_caller]
    fn extract(&self, server: &Server, arguments: &str) -> (Value, Outcome) {
        server.reset_counts();
        let outcome =
            self.env.run(&format!("extract --head-first --json {arguments} {} out", server.url("new.rgx"))).success();
        assert!(self.env.read("out") == self.new, "{arguments}");
        self.env.remove("out");
        let report = outcome.json();
        check_extract(&report, &self.new);
        assert_eq!(self.env.files("scratch"), Vec::<String>::new());
        assert_eq!(number(&report, "requests"), server.request_count(), "{:?}", server.requests());
        (report, outcome)
    }
}

fn is_index(request: &Request) -> bool {
    request.path.ends_with(".rgx")
}

/// The ranges of the requests for indexes. `None` is a request for all of it.
fn asked(server: &Server) -> Vec<Option<(u64, u64)>> {
    server.requests().iter().filter(|request| is_index(request)).map(|request| request.range).collect()
}

fn warnings(outcome: &Outcome) -> Vec<&str> {
    outcome.stderr.lines().filter(|line| line.starts_with("regrow: warning: ")).collect()
}

#[track_caller]
fn check_patched(report: &Value) {
    assert!(number(report, "chunks_patch") > 0, "{report}");
    assert_eq!(number(report, "chunks_store"), 0, "{report}");
}

#[track_caller]
fn check_chunked(report: &Value) {
    assert_eq!(number(report, "chunks_patch"), 0, "{report}");
    assert!(number(report, "chunks_store") > 0, "{report}");
}

/// Waits until the catalog remembers what was written just now.
fn settle() {
    std::thread::sleep(regrow_catalog::SETTLED_AFTER + std::time::Duration::from_millis(100));
}

#[test]
fn an_index_from_a_new_place_comes_by_its_head_if_a_seed_is_known() {
    let site = Site::new();
    settle();
    let (one, two) = (Server::new(site.env.root()), Server::new(site.env.root()));
    let extract = |server: &Server| {
        server.reset_counts();
        let report = site.env.json(&format!("extract --catalog known --seed old {} out", server.url("new.rgx")));
        check_patched(&report);
        site.env.remove("out");
        asked(server)
    };
    assert_eq!(extract(&one), [Some((0, 32_767))], "nothing is known");
    assert_eq!(extract(&two), [Some((0, 2047))], "the seed is known, the other server is not");
}

#[test]
fn an_index_of_version_1_costs_a_request_more_only_once() {
    let (new, old) = (Site::new(), Site::of_format(1));
    let server = Server::new(old.env.root());
    old.env.write("known-seed", &new.old);
    settle();
    // The catalog learns the seed by the rules of version 2 elsewhere.
    let elsewhere = Server::new(new.env.root());
    let seed = old.env.path("known-seed").display().to_string();
    let catalog = old.env.path("known").display().to_string();
    new.env.json(&format!("extract --catalog {catalog} --seed {seed} {} out", elsewhere.url("new.rgx")));
    let requests = || {
        server.reset_counts();
        old.env.json(&format!("extract --catalog {catalog} --seed {seed} {} out", server.url("old.rgx")));
        old.env.remove("out");
        asked(&server).len()
    };
    assert_eq!(requests(), 2);
    assert_eq!(requests(), 1);
}
