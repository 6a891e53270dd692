//! Stores in folders that hold other files.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

use super::age;
use crate::environment::{TestEnvironment, pass_over};
use regrow_demo::noise;

fn published() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.make("app", &noise("app", 50_000));
    env.write("image", &noise("image", 50_000));
    env
}

/// A file in `folder/tmp` that nobody has touched for days.
fn thesis(env: &TestEnvironment, folder: &str) -> String {
    let name = format!("{folder}/tmp/thesis.odt");
    age(&env.write(&name, b"years of work"));
    name
}

#[test]
fn a_folder_of_other_files_does_not_become_a_store() {
    let env = published();
    let thesis = thesis(&env, "usb");
    for command in ["push app.rgx usb", "make --store usb other.rgx image"] {
        env.run(command).failure(2, "--new-store");
        assert_eq!(env.files("usb"), [thesis.as_str()], "{command}");
        assert!(!env.exists("other.rgx"));
    }
    env.write("photos/one.jpg", b"photo");
    env.run("push app.rgx photos").failure(2, "one.jpg");
    assert_eq!(env.files("photos"), ["photos/one.jpg"]);
    // A user who means it can say so. The files of others stay even then.
    env.run("push --new-store app.rgx usb").success();
    env.run("make --store usb other.rgx image").success();
    env.run("verify --store usb app.rgx other.rgx").success();
    assert!(env.exists(&thesis));
    env.run("make --new-store --store photos image.rgx image").success();
    assert_eq!(env.read("photos/one.jpg"), b"photo");
}

#[test]
fn a_store_begins_in_an_empty_folder_or_among_indexes() {
    let env = published();
    for folder in ["a/lost+found", "b/tmp", "c"] {
        std::fs::create_dir_all(env.path(folder)).unwrap();
    }
    env.write("d/old.rgx", &env.read("app.rgx"));
    // This is what a make leaves if it is cut off before it writes `regrow.json`.
    env.write("b/tmp/.regrow-Ab3dE6", b"{");
    for folder in ["a", "b", "c", "d", "e/new"] {
        std::fs::create_dir_all(env.path("e")).unwrap();
        env.run(&format!("make --store {folder} {folder}.rgx image")).success();
        env.run(&format!("verify --store {folder} {folder}.rgx")).success();
    }
}

#[test]
fn only_what_makers_left_is_cleared_out_of_a_store() {
    let env = published();
    let left = "store/tmp/pack-Ab3dE6";
    age(&env.write(left, b"half a pack"));
    let others = [thesis(&env, "store"), "store/tmp/pack-of-cards".to_owned(), "store/tmp/deep/pack-Ab3dE6".to_owned()];
    others.iter().for_each(|name| age(&env.write(name, b"somebody's")));
    env.run("make other.rgx image").success();
    assert!(!env.exists(left) && others.iter().all(|name| env.exists(name)));
    // Nothing is removed behind a link either.
    env.remove("store/tmp");
    age(&env.write("elsewhere/pack-Ab3dE6", b"somebody's"));
    symlink(env.path("elsewhere"), env.path("store/tmp")).unwrap();
    env.run("make third.rgx image").success();
    assert_eq!(env.files("elsewhere"), ["elsewhere/pack-Ab3dE6"]);
}

#[test]
fn nothing_is_published_through_a_link_that_anybody_could_have_put_there() {
    let env = published();
    let own = env.read("app.rgx");
    env.write("kept.rgx", &own);
    env.write("shared/sub/file", b"");
    let (link, folder) = (env.path("shared/app.rgx"), env.path("shared/folder"));
    symlink(env.path("kept.rgx"), &link).unwrap();
    symlink(env.path("elsewhere"), &folder).unwrap();
    env.write("elsewhere/file", b"");
    std::fs::set_permissions(env.path("shared"), Permissions::from_mode(0o1777)).unwrap();
    if [&link, &folder].iter().any(|link| lchown(link, Some(1234), Some(1234)).is_err()) {
        pass_over("only root can give links away");
        return;
    }
    let commands = [
        "make --store store shared/app.rgx image",
        "make --store store shared/folder/app.rgx image",
        "make --store shared/folder/store other.rgx image",
        "push app.rgx shared/store",
        "push app.rgx shared/folder/store",
    ];
    for command in commands {
        env.run(command).failure(1, "a link of user 1234");
        assert!(env.read("kept.rgx") == own, "{command}");
        assert_eq!(env.files("elsewhere"), ["elsewhere/file"], "{command}");
    }
    // The user's own links are followed.
    lchown(&link, Some(0), Some(0)).unwrap();
    env.run("make --store store shared/app.rgx image").success();
    assert!(env.read("kept.rgx") != own && link.is_symlink());
}
