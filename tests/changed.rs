//! Files that somebody writes to while a flow reads them: nothing is made of them. The writer is a progress that
//! appends a byte, so that what is read stays as it was.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use regrow_store::RetryPolicy;
use regrow_sync::{
    HttpOptions, LocalError, Location, MakeOptions, Network, PatchOptions, Progress, Stage, SyncError, make, patch,
};

use crate::environment::{TestEnvironment, small_chunks};
use regrow_demo::versions;

/// Writes to a file whenever this stage begins, or ends.
struct Writer {
    file: PathBuf,
    stage: Stage,
    at_end: bool,
}

/// Appends a byte.
pub(crate) fn append(file: &std::path::Path) {
    OpenOptions::new().append(true).open(file).unwrap().write_all(&[0]).unwrap();
}

impl Progress for Writer {
    fn begin(&self, stage: Stage, _total: Option<u64>) {
        if stage == self.stage && !self.at_end {
            append(&self.file);
        }
    }

    fn end(&self, stage: Stage) {
        if stage == self.stage && self.at_end {
            append(&self.file);
        }
    }
}

fn network(env: &TestEnvironment) -> Network {
    small_chunks(Network::new(HttpOptions::default(), RetryPolicy::default(), env.path("scratch")).unwrap())
}

fn images() -> TestEnvironment {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.write("old", &old);
    env.write("new", &new);
    env
}

fn refused(result: Result<impl std::fmt::Debug, SyncError>, name: &str) {
    match result {
        Err(SyncError::Local(LocalError::Changed { path })) => assert!(path.ends_with(name), "{}", path.display()),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn images_of_a_patch() {
    for (file, stage, at_end) in [
        ("old", Stage::Scan, false),
        ("old", Stage::Patch, false),
        ("new", Stage::Patch, false),
        ("new", Stage::Patch, true),
    ] {
        let env = images();
        for name in ["old", "new"] {
            env.make(name, &env.read(name));
        }
        let options = PatchOptions {
            old_files: vec![env.path("old")],
            new_file: Some(env.path("new")),
            ..PatchOptions::new(env.path("old.rgx"), env.path("new.rgx"))
        };
        let writer = Writer { file: env.path(file), stage, at_end };
        refused(patch(&options, &mut network(&env), &writer), file);
        assert_eq!(env.files("store/patches"), [""; 0]);
    }
}

#[test]
fn an_image_that_a_patch_is_made_to_after_it_was_stored() {
    let env = images();
    env.make("old", &env.read("old"));
    let mut image = File::open(env.path("new")).unwrap();
    let options = MakeOptions {
        patch_from: vec![Location::Path(env.path("old.rgx")).into()],
        old_files: vec![env.path("old")],
        image_file: Some(image.try_clone().unwrap()),
        ..MakeOptions::new(env.path("store"), env.path("new.rgx"))
    };
    let writer = Writer { file: env.path("new"), stage: Stage::Make, at_end: true };
    refused(make(&mut image, &env.path("new"), None, &options, &mut network(&env), &writer), "new");
    assert!(!env.exists("new.rgx"));
}
