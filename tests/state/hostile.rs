//! Files of the memory that are damaged, or written by somebody else.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn what_is_torn_is_not_believed() {
    let (site, [old, _]) = Site::usual(plain);
    let server = Server::new(site.env.root());
    unpack(&site.env, &old, "rootfs");
    site.make_old();
    site.check_whole(&server, "rootfs");
    let files = site.env.files(MEMORY);
    for name in &files {
        let whole = site.env.read(name);
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        for bytes in [&whole[..whole.len() / 2], &changed, &[][..], &whole[..12]] {
            site.env.write(name, bytes);
            let (report, _) = site.update(&server, "--state home-state --seed rootfs");
            let is_part = name.contains("part-");
            assert_eq!(number(&report, "chunks_store") > 0, is_part, "{name}: {report}");
            // The update has put the image of another name beside it, which has some of its parts.
            site.env.run("state list").success();
        }
        site.env.write(name, &whole);
    }
    site.check_whole(&server, "rootfs");
}

/// Descriptions with right hashes that say something else.
#[test]
fn descriptions_that_lie_cost_chunks() {
    let (site, [old, _]) = Site::usual(plain);
    let server = Server::new(site.env.root());
    unpack(&site.env, &old, "rootfs");
    site.make_old();
    let name = site.env.files(MEMORY).into_iter().find(|name| name.contains(&sha256(&tar_of(&old[2])))).unwrap();
    let whole = site.env.read(&name);
    let (head, plain) = (&whole[..53], zstd::decode_all(&whole[53..whole.len() - 32]).unwrap());
    let write = |head: &[u8], pieces: &[u8]| {
        let mut bytes = [head, &zstd::encode_all(pieces, 1).unwrap()].concat();
        let hash = *blake3::hash(&bytes).as_bytes();
        bytes.extend_from_slice(&hash);
        site.env.write(&name, &bytes);
        site.update(&server, "--state home-state --seed rootfs").0
    };
    assert_eq!(number(&write(head, &plain), "chunks_store"), 0);
    let at = plain.windows(6).position(|window| window == b"\x05app/0").unwrap();
    let path = |path: &[u8]| [&plain[..at], &[path.len() as u8], path, &plain[at + 6..]].concat();
    let mut size = head.to_vec();
    size[45] ^= 1;
    let mut other_name = head.to_vec();
    other_name[13] ^= 1;
    for (what, head, pieces) in [
        ("another path", head, path(b"app/1")),
        ("out of the folder", head, path(b"../old")),
        ("an absolute path", head, path(b"/etc/passwd")),
        ("an empty path", head, path(b"")),
        ("cut off", head, plain[..plain.len() / 2].to_vec()),
        ("cut off in a number", head, [&plain[..], &[0x80]].concat()),
        ("a number without end", head, vec![0xff; 30]),
        ("no bytes", head, [&[0], &plain[..]].concat()),
        ("a huge literal", head, [&[0xfe, 0xff, 0xff, 0xff, 0x7f], &plain[..]].concat()),
        ("a huge file", head, [&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, b'x'], &plain[..]].concat()),
        ("a long path", head, [&[3, 0xff, 0xff, 3], &plain[..]].concat()),
        ("nothing", head, Vec::new()),
        ("another size", &size[..], plain.clone()),
        ("another name", &other_name[..], plain.clone()),
    ] {
        let report = write(head, &pieces);
        assert!(number(&report, "chunks_store") > 0, "{what}: {report}");
    }
    // Files that are not of zstd.
    for version in [2u8, 9] {
        let mut bytes = whole[..whole.len() - 32].to_vec();
        bytes[8] = version;
        let hash = *blake3::hash(&bytes).as_bytes();
        site.env.write(&name, &[bytes, hash.to_vec()].concat());
        let report = site.update(&server, "--state home-state --seed rootfs").0;
        assert!(number(&report, "chunks_store") > 0, "{report}");
    }
}

/// A device may hold the link of a stranger in the place of the folder.
#[test]
fn a_folder_of_others_is_not_used() {
    let (site, [old, _]) = Site::usual(plain);
    let server = Server::new(site.env.root());
    unpack(&site.env, &old, "rootfs");
    site.make_old();
    let folder = site.env.path(MEMORY);
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (report, outcome) = site.update(&server, "--state home-state --seed rootfs");
    assert!(number(&report, "chunks_store") > 0, "{report}");
    let text = outcome.stderr;
    assert!(text.contains("others could have written it, so it is not used; the image is not remembered"), "{text}");
    site.env.run("state list").failure(1, "others could have written it");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    site.check_whole(&server, "rootfs");
    // A file that others may write is passed over.
    let name = site.env.files(MEMORY).into_iter().find(|name| name.contains(&sha256(&tar_of(&old[0])))).unwrap();
    std::fs::set_permissions(site.env.path(&name), std::fs::Permissions::from_mode(0o666)).unwrap();
    let (report, _) = site.update(&server, "--state home-state --seed rootfs");
    assert!(number(&report, "chunks_store") > 0, "{report}");
}

#[test]
fn a_disk_that_is_full_costs_a_warning() {
    let (site, _) = Site::usual(plain);
    site.env.write("home-state", b"a file in the place of the folder");
    let outcome = site.env.run("extract old.rgx out").success();
    assert!(outcome.stderr.contains("the image is not remembered"), "{}", outcome.stderr);
    assert!(site.env.read("out") == site.env.read("old"));
}
