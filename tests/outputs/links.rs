//! Outputs that are links, or that lie behind links.

use std::os::unix::fs::symlink;

use super::*;

/// A folder like `/tmp`, and a file elsewhere.
fn site() -> (TestEnvironment, Vec<u8>) {
    let env = TestEnvironment::new();
    let image = noise("links", 100_000);
    env.make("new", &image);
    env.write("shared/file", b"");
    set_mode(&env.path("shared"), 0o1777);
    env.write("etc/conf", b"configuration");
    (env, image)
}

#[test]
fn a_strangers_link_in_a_shared_folder_is_refused() {
    let (env, _) = site();
    symlink(env.path("etc/conf"), env.path("shared/out")).unwrap();
    symlink(env.path("etc"), env.path("shared/folder")).unwrap();
    if !give_away(&env.path("shared/out")) || !give_away(&env.path("shared/folder")) {
        return;
    }
    // A link of ours that leads to a link of theirs does not help.
    symlink("shared/out", env.path("ours")).unwrap();
    let state = state(&env.path("etc/conf"));
    for output in ["shared/out", "shared/folder/conf", "shared/folder/other", "ours"] {
        for flag in ["", "--in-place", "--dry-run"] {
            let outcome = env.run(&format!("extract {flag} new.rgx {output}"));
            outcome.failure(1, "is not followed; give the path that it leads to");
        }
    }
    assert_eq!(super::state(&env.path("etc/conf")), state);
    assert_eq!(env.files("etc"), ["etc/conf"]);
    // If not everybody can put links there, theirs are followed.
    for mode in [0o1775, 0o777] {
        set_mode(&env.path("shared"), mode);
        env.write("etc/conf", b"configuration");
        env.run("extract new.rgx shared/out").success();
        assert!(env.read("etc/conf").len() == 100_000 && env.path("shared/out").is_symlink());
    }
}

#[test]
fn links_of_our_own_are_followed() {
    let (env, image) = site();
    symlink("../etc/conf", env.path("shared/one")).unwrap();
    symlink(env.path("shared/one"), env.path("two")).unwrap();
    symlink("etc", env.path("folder")).unwrap();
    for output in ["shared/one", "two", "folder/conf", "folder/../etc/./conf"] {
        env.write("etc/conf", b"configuration");
        env.run(&format!("extract new.rgx {output}")).success();
        assert!(env.read("etc/conf") == image, "{output}");
        assert_eq!(env.files("etc"), ["etc/conf"]);
    }
    assert!(env.path("shared/one").is_symlink() && env.path("two").is_symlink());
    // A link may lead to a file that is not there yet. The file then appears where the link leads.
    env.remove("etc/conf");
    env.run("extract new.rgx two").success();
    assert!(env.read("etc/conf") == image);
    // The kernel shows this as a link, but it is none.
    env.run("extract new.rgx /dev/stdout").failure(2, "is no file; write a device with --in-place, and a pipe with -");
    symlink("loop", env.path("loop")).unwrap();
    env.run("extract new.rgx loop").failure(1, "loop");
}

#[test]
fn a_strangers_file_in_a_shared_folder_does_not_become_theirs_again() {
    let (env, image) = site();
    env.write("shared/out", b"theirs");
    set_mode(&env.path("shared/out"), 0o666);
    if !give_away(&env.path("shared/out")) {
        return;
    }
    env.run("extract new.rgx shared/out").success();
    assert_eq!((owner(&env.path("shared/out")), mode(&env.path("shared/out")) & 0o022), (0, 0));
    // The link fares no better if its target was the image already.
    give_away(&env.path("shared/out"));
    env.run("extract new.rgx shared/out").success();
    assert_eq!((owner(&env.path("shared/out")), env.read("shared/out") == image), (0, true));
    // In a folder of their own the file stays theirs.
    env.write("theirs/out", b"theirs");
    give_away(&env.path("theirs"));
    give_away(&env.path("theirs/out"));
    env.run("extract new.rgx theirs/out").success();
    assert_eq!((owner(&env.path("theirs/out")), env.read("theirs/out") == image), (STRANGER, true));
}

#[test]
fn a_strangers_link_to_nothing_makes_no_file() {
    let (env, image) = site();
    symlink(env.path("etc/new"), env.path("theirs")).unwrap();
    if !give_away(&env.path("theirs")) {
        return;
    }
    env.run("extract new.rgx theirs").failure(1, "is not followed; give the path that it leads to");
    assert_eq!(env.files("etc"), ["etc/conf"]);
    // The file is there, and replacing it is what the link is for.
    env.write("etc/new", b"old");
    env.run("extract new.rgx theirs").success();
    assert!(env.read("etc/new") == image && env.path("theirs").is_symlink());
}

#[test]
fn a_path_that_ends_with_a_slash_is_no_file() {
    let (env, _) = site();
    symlink("etc/conf/", env.path("slash")).unwrap();
    for output in ["etc/conf/", "etc/conf/.", "etc/new/", "slash"] {
        for flag in ["", "--in-place", "--dry-run"] {
            env.run(&format!("extract {flag} new.rgx {output}")).failure(1, "ot a directory");
        }
    }
    assert_eq!((env.files("etc"), env.read("etc/conf")), (vec!["etc/conf".to_owned()], b"configuration".to_vec()));
}
