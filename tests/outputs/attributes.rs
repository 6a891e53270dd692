//! Owner, mode and access control lists. They are set when the image is complete, and grant no more than before.

use super::*;

const ACL: &str = "system.posix_acl_access";

#[test]
fn what_is_private_stays_so_while_it_grows() {
    for (name, image) in [("coded", coded_image()), ("plain", noise("plain", 2_000_000))] {
        let env = TestEnvironment::new();
        env.make(name, &image);
        let out = env.write("to/out", b"old");
        set_mode(&out, 0o600);
        let server = slow_host(&env);
        let arguments = format!("extract --connections 1 {} to/out", server.url(&format!("{name}.rgx")));
        let child = run_until(&env, &arguments, || server.body_bytes() > 300_000);
        let files = || env.files("to").into_iter().filter(|name| !name.contains("regrow-meta")).collect::<Vec<_>>();
        assert!(files().len() > 1, "{:?}", files());
        files().iter().for_each(|file| assert_eq!(mode(&env.path(file)), 0o600, "{name}: {file}"));
        kill(child);
        files().iter().for_each(|file| assert_eq!(mode(&env.path(file)), 0o600, "{name}: {file} after a kill"));
        env.run(&format!("extract {name}.rgx to/out")).success();
        assert!(env.read("to/out") == image);
        assert_eq!(mode(&out), 0o600);
    }
}

#[test]
fn a_new_output_has_the_mode_of_new_files() {
    let env = TestEnvironment::new();
    env.make("new", &noise("mode", 50_000));
    for (umask, expected) in [("022", 0o644), ("077", 0o600), ("000", 0o666)] {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$0\" extract new.rgx out"), crate::environment::REGROW]);
        command.current_dir(env.root()).env("XDG_CACHE_HOME", env.path("home-cache"));
        command.env("REGROW_STATE", env.path("home-state"));
        Outcome::of(command.env("REGROW_MIN_AVG_SIZE", "1KiB")).success();
        assert_eq!(mode(&env.path("out")), expected);
        env.remove("out");
    }
}

#[test]
fn rights_of_the_old_programs_owner_are_not_given_to_the_new() {
    let env = TestEnvironment::new();
    env.make("new", &noise("setuid", 50_000));
    for (before, after) in [(0o4755, 0o755), (0o2755, 0o755), (0o1640, 0o640), (0o6711, 0o711)] {
        let out = env.write("out", b"old");
        set_mode(&out, before);
        env.run("extract new.rgx out").success();
        assert_eq!(mode(&out), after);
    }
}

/// A list in version 2 of the format, from entries of tag, rights and id.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(rights.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

#[test]
fn access_control_lists_are_carried_over() {
    let env = TestEnvironment::new();
    env.make("new", &noise("acl", 50_000));
    let out = env.write("out", b"old");
    // The entries are: owner rw-, a named user rw-, group ---, mask rw-, others ---.
    let list = acl(&[(1, 6, u32::MAX), (2, 6, STRANGER), (4, 0, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)]);
    if rustix::fs::setxattr(&out, ACL, &list, rustix::fs::XattrFlags::empty()).is_err() {
        return pass_over("the file system has no access control lists");
    }
    assert_eq!(mode(&out), 0o660, "the group's bits are the mask");
    env.run("extract new.rgx out").success();
    let mut found = vec![0; 1000];
    let len = rustix::fs::getxattr(&out, ACL, &mut *found).expect("the list is gone");
    assert_eq!(found[..len], list);
}

#[test]
fn a_folders_default_list_gives_nobody_more_than_the_old_file_did() {
    let env = TestEnvironment::new();
    env.make("new", &noise("default", 50_000));
    let out = env.write("to/out", b"old");
    set_mode(&out, 0o640);
    let list = acl(&[(1, 7, u32::MAX), (2, 7, STRANGER), (4, 7, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)]);
    let default = "system.posix_acl_default";
    if rustix::fs::setxattr(env.path("to"), default, &list, rustix::fs::XattrFlags::empty()).is_err() {
        return pass_over("the file system has no access control lists");
    }
    env.run("extract new.rgx to/out").success();
    assert_eq!(mode(&out), 0o640);
    let mut found = vec![0; 1000];
    assert!(rustix::fs::getxattr(&out, ACL, &mut *found).is_err(), "it had no list before");
}

#[test]
fn a_new_output_has_what_its_folder_gives_new_files() {
    let env = TestEnvironment::new();
    env.make("new", &noise("inherited", 50_000));
    let lists = [
        ("small", acl(&[(1, 6, u32::MAX), (4, 0, u32::MAX), (32, 0, u32::MAX)])),
        ("wide", acl(&[(1, 7, u32::MAX), (4, 7, u32::MAX), (32, 7, u32::MAX)])),
        ("named", acl(&[(1, 7, u32::MAX), (2, 7, STRANGER), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)])),
    ];
    for (folder, list) in lists {
        let plain = env.write(&format!("{folder}/before"), b"");
        let default = "system.posix_acl_default";
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(plain.parent().unwrap(), default, &list, flags).is_err() {
            return pass_over("the file system has no access control lists");
        }
        let plain = env.write(&format!("{folder}/plain"), b"");
        env.run(&format!("extract new.rgx {folder}/new")).success();
        let list_of = |path: &Path| {
            let mut list = vec![0; 1000];
            rustix::fs::getxattr(path, ACL, &mut *list).map(|len| list[..len].to_vec())
        };
        let new = env.path(folder).join("new");
        assert_eq!((mode(&new), list_of(&new)), (mode(&plain), list_of(&plain)), "{folder}");
    }
}
