//! The catalog. Another user's is not used, and the report says when the output was taken on its word.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use crate::environment::{TestEnvironment, pass_over};
use regrow_demo::noise;

fn made() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.make("app", &noise("app", 200_000));
    env
}

fn warnings(stderr: &str) -> usize {
    stderr.lines().filter(|line| line.starts_with("regrow: warning: ")).count()
}

#[test]
fn a_catalog_that_others_can_write_is_not_used() {
    let env = made();
    env.run("extract app.rgx out").success();
    let path = "home-cache/regrow/catalog.sqlite";
    let mode = |path: &str| env.path(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(path), mode("home-cache/regrow"), mode("home-cache")), (0o600, 0o700, 0o700));
    fs::set_permissions(env.path(path), Permissions::from_mode(0o666)).unwrap();
    let before = env.read(path);
    let outcome = env.run("extract --seed out app.rgx new").success();
    assert!(outcome.stderr.contains("catalog.sqlite: may be written by other users"), "{}", outcome.stderr);
    assert_eq!(warnings(&outcome.stderr), 1, "{}", outcome.stderr);
    assert!(env.read("new") == env.read("app") && env.read(path) == before);
}

#[test]
fn what_an_earlier_version_left_to_a_group_is_taken_back() {
    let env = made();
    env.run("extract app.rgx out").success();
    let files = ["home-cache/regrow", "home-cache/regrow/catalog.sqlite", "home-cache/regrow/catalog.sqlite.lock"];
    for (file, mode) in files.iter().zip([0o775, 0o644, 0o644]) {
        chown(env.path(file), None, Some(100)).ok();
        fs::set_permissions(env.path(file), Permissions::from_mode(mode)).unwrap();
    }
    let outcome = env.run("extract --seed out app.rgx new").success();
    assert_eq!(warnings(&outcome.stderr), 0, "{}", outcome.stderr);
    let modes = files.map(|file| env.path(file).metadata().unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o700, 0o600, 0o600]);
}

#[test]
fn root_does_not_use_the_catalog_of_a_user() {
    let env = made();
    env.remove("home-cache");
    fs::create_dir(env.path("home-cache")).unwrap();
    if chown(env.path("home-cache"), Some(1234), None).is_err() {
        pass_over("only root can give files away");
        return;
    }
    let outcome = env.run("extract app.rgx out").success();
    assert!(outcome.stderr.contains("another user's folder"), "{}", outcome.stderr);
    assert_eq!(warnings(&outcome.stderr), 1, "{}", outcome.stderr);
    assert_eq!(env.files("home-cache"), Vec::<String>::new());
    env.run("extract --catalog own/catalog.sqlite app.rgx out").success();
    assert!(env.exists("own/catalog.sqlite"));
}

#[test]
fn reports_say_what_was_read() {
    let env = made();
    assert_eq!(env.json("extract --dry-run app.rgx out")["verified"], false);
    for command in ["extract app.rgx out", "extract app.rgx out", "extract --dry-run app.rgx out"] {
        let report = env.json(command);
        assert_eq!(report["verified"], true, "{command}: {report}");
    }
}
