//! Folders and stores that serve as seeds, and in which others have put links and pipes.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, Mode};

use super::soon;
use crate::environment::TestEnvironment;
use crate::report::number;
use regrow_demo::{Tree, noise};

fn pipe(path: &Path) {
    rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
}

#[test]
fn links_in_a_folder_lead_to_its_own_files() {
    let env = TestEnvironment::new();
    let (secret, data) = (noise("secret", 3000), noise("data", 3000));
    let files =
        [("var/run/secret", secret.clone()), ("etc/absolute/secret", secret.clone()), ("etc/own/data", data.clone())];
    let tree = Tree(files.map(|(path, bytes)| (path.to_owned(), bytes)).into());
    env.make("app", &tree.tar(1));
    let bytes_seed = || {
        let report = env.json("extract --no-patch --seed seed app.rgx out");
        env.remove("out");
        number(&report, "bytes_seed")
    };
    for folder in ["seed/var", "seed/etc", "seed/srv"] {
        std::fs::create_dir_all(env.path(folder)).unwrap();
    }
    env.write("outside/secret", &secret);
    symlink("../../outside", env.path("seed/var/run")).unwrap();
    symlink(env.path("outside"), env.path("seed/etc/absolute")).unwrap();
    assert_eq!(bytes_seed(), 0, "a file outside of the folder was used");
    env.write("seed/srv/data", &data);
    env.write("seed/outside/secret", &secret);
    symlink("/srv", env.path("seed/etc/own")).unwrap();
    assert!(bytes_seed() > 0, "links within the folder are followed as in the image");
}

#[test]
fn nothing_waits_for_a_pipe() {
    let env = TestEnvironment::new();
    let tree = Tree::sample("app", 40);
    env.make("app", &tree.tar(1));
    // The seed is a folder.
    std::fs::create_dir_all(env.path("seed/usr/lib")).unwrap();
    let path = tree.0.iter().find(|(_, bytes)| bytes.len() > 1000).unwrap().0;
    let path = env.path("seed").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    pipe(&path);
    soon(env.spawn(&mut env.command("extract --seed seed app.rgx out"))).success();
    // The packs are those of a store as a seed, and of the store itself.
    env.run("push app.rgx copy/store").success();
    for pack in env.packs("copy/store") {
        env.remove(&pack);
        pipe(&env.path(&pack));
    }
    let outcome = soon(env.spawn(&mut env.command("extract --seed copy/store app.rgx out2"))).success();
    assert!(
        outcome.stderr.contains("warning: seed: ") && outcome.stderr.contains("not a regular file"),
        "{}",
        outcome.stderr
    );
    soon(env.spawn(&mut env.command("extract copy/app.rgx out3"))).failure(4, ".pack: not found");
}
