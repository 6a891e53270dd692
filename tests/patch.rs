//! Patches of version 1 from end to end. They are made beside their images, found by machines that have the base, and
//! never needed for the right result.

mod base;
mod bases;
mod choice;
mod cost;
mod faults;
mod history;
pub(crate) mod hostile;
mod killed;
mod kinds;
mod outputs;
mod publish;
mod stores;
mod worth;

use serde_json::Value;

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, number};
use crate::server::{Answer, Request, Server};

use regrow_demo::patchable::versions;

/// A store with the images `old` and `new`, whose files lie beside their indexes.
struct Site {
    env: TestEnvironment,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Site {
    /// A site with the patch from one image to the other, which the index announces.
    fn new() -> Self {
        let site = Self::without_patch();
        site.env.json("patch --patch-level 3 --old old --new new old.rgx new.rgx");
        site
    }

    fn without_patch() -> Self {
        let (env, (old, new)) = (TestEnvironment::new(), versions());
        env.make_1("old", &old);
        env.make_1("new", &new);
        Self { env, old, new }
    }

    /// The path of the only patch.
    fn patch(&self) -> String {
        let patches = self.env.files("store/patches");
        assert_eq!(patches.len(), 1, "{patches:?}");
        patches[0].clone()
    }

    fn patch_bytes(&self) -> u64 {
        self.env.read(&self.patch()).len() as u64
    }

    /// A host that answers requests for patches in this way.
    fn host(&self, answer: Answer) -> Server {
        Server::with(self.env.root(), move |request| if is_patch(request) { answer.clone() } else { Answer::Serve })
    }

    /// Extracts `new` from a server, checks it, and removes it. Returns the report and the outcome.
    #[track_caller]
    fn extract(&self, server: &Server, arguments: &str) -> (Value, Outcome) {
        let outcome = self.env.run(&format!("extract --json {arguments} {} out", server.url("new.rgx"))).success();
        assert!(self.env.read("out") == self.new, "{arguments}");
        self.env.remove("out");
        let report = outcome.json();
        check_extract(&report, &self.new);
        self.check_nothing_is_left();
        (report, outcome)
    }

    #[track_caller]
    fn check_nothing_is_left(&self) {
        assert_eq!(self.env.files("scratch"), Vec::<String>::new());
        let parts: Vec<_> =
            std::fs::read_dir(self.env.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(parts.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{parts:?}");
    }
}

fn is_patch(request: &Request) -> bool {
    request.path.ends_with(".patch")
}

/// The number of requests for patches.
fn asked(server: &Server) -> usize {
    server.requests().iter().filter(|request| is_patch(request)).count()
}

/// The warnings that a command gave.
fn warnings(outcome: &Outcome) -> Vec<&str> {
    outcome.stderr.lines().filter(|line| line.starts_with("regrow: warning: ")).collect()
}

/// Checks that all new bytes came from the patch.
#[track_caller]
fn check_patched(report: &Value) {
    assert!(number(report, "chunks_patch") > 0 && number(report, "bytes_patch") > 0, "{report}");
    assert_eq!(number(report, "chunks_store"), 0, "{report}");
}

/// Checks that nothing came from a patch.
#[track_caller]
fn check_chunked(report: &Value) {
    assert_eq!((number(report, "chunks_patch"), number(report, "bytes_patch")), (0, 0), "{report}");
    assert!(number(report, "chunks_store") > 0, "{report}");
}
