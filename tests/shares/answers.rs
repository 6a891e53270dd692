//! The answers of shares' file systems in cases in which others simply obey.

use crate::environment::TestEnvironment;
use crate::report::number;
use regrow_demo::versions;

use super::under_strace;

/// Options for strace that make fsync of these paths fail with this error.
fn fsync_gives(env: &TestEnvironment, paths: &[&str], error: &str) -> Vec<String> {
    let paths = paths.iter().flat_map(|path| ["-P".to_owned(), env.path(path).display().to_string()]);
    paths.chain(["-e".to_owned(), format!("inject=fsync:error={error}")]).collect()
}

#[test]
fn folders_that_cannot_be_synced() {
    let (old, new) = versions();
    for error in ["EINVAL", "EOPNOTSUPP", "ENOSYS", "EBADF"] {
        let env = TestEnvironment::new();
        env.write("old", &old);
        env.write("new", &new);
        for folder in ["share", "out"] {
            std::fs::create_dir(env.path(folder)).unwrap();
        }
        let folders = ["share", "share/store", "share/store/packs", "share/copy", "share/copy/packs", "out"];
        let options = fsync_gives(&env, &folders, error);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let run = |arguments: &str| under_strace(&env, &options, arguments);
        let Some(outcome) = run("make --avg-size 1KiB share/old.rgx old") else { return };
        outcome.success();
        run("make --avg-size 1KiB share/new.rgx new").unwrap().success();
        run("push share/new.rgx share/copy").unwrap().success();
        run("gc --store share/store --keep share --grace 0s").unwrap().success();
        run("extract share/new.rgx out/image").unwrap().success();
        assert!(env.read("out/image") == new);
        assert_eq!(env.files("out"), ["out/image"]);
    }
}

/// An error that reports a failure does not mean that fsync is unknown.
#[test]
fn folders_whose_sync_fails() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    env.write("out/image", &old);
    let options = fsync_gives(&env, &["out"], "EIO");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let Some(outcome) = under_strace(&env, &options, "extract new.rgx out/image") else { return };
    outcome.failure(1, "out: Input/output error");
}

/// For files, unlike folders, every error counts.
#[test]
fn files_that_cannot_be_synced() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let options = ["-e", "inject=fsync:error=EINVAL"];
    let Some(outcome) = under_strace(&env, &options, "extract new.rgx image") else { return };
    outcome.failure(1, "Invalid argument");
    assert!(!env.exists("image"));
}

#[test]
fn no_hard_links_and_no_flags_of_rename() {
    let (old, new) = versions();
    for error in ["EPERM", "ENOSYS", "EOPNOTSUPP", "EIO", "EINVAL", "EMLINK", "EACCES"] {
        let env = TestEnvironment::new();
        env.write("old", &old);
        env.write("new", &new);
        std::fs::create_dir(env.path("share")).unwrap();
        let links = format!("inject=link,linkat:error={error}");
        let options = ["-e", "inject=renameat2:error=EINVAL", "-e", &links];
        let run = |arguments: &str| under_strace(&env, &options, arguments);
        let make = "make --json --avg-size 1KiB share/";
        let Some(outcome) = run(&format!("{make}old.rgx old")) else { return };
        let first = outcome.success().json();
        assert!(number(&first, "chunks_new") > 0);
        let update = run(&format!("{make}new.rgx new")).unwrap().success().json();
        assert!(number(&update, "chunks_new") < number(&update, "chunks"), "the store is known again: {update}");
        run("push share/new.rgx share/copy").unwrap().success();
        assert_eq!(env.packs("share/copy").len(), env.packs("share/store").len());
        run("make --avg-size 2KiB share/other.rgx new").unwrap().failure(2, "chunk");
        assert_eq!(env.files("share/store/tmp"), [""; 0]);
        env.run("extract share/new.rgx out").success();
        assert!(env.read("out") == new);
    }
}
