//! Patches between images of all kinds: empty, no tar, cut, and the same with more bytes behind it.

use super::*;
use regrow_demo::{kinds, noise, patchable};

/// Makes a patch between two images, and extracts the second from the first.
#[track_caller]
fn check(what: &str, level: u32, old: &[u8], new: &[u8]) {
    let env = TestEnvironment::new();
    env.make("old", old);
    env.make("new", new);
    let report =
        env.json(&format!("patch --patch-min-saving 0 --patch-level {level} --old old --new new old.rgx new.rgx"));
    assert_eq!(report["announced"], true, "{what}: {report}");
    let site = Site { env, old: old.to_vec(), new: new.to_vec() };
    assert_eq!(number(&report, "bytes"), site.patch_bytes(), "{what}");
    let server = Server::new(site.env.root());
    let outcome = site.env.run(&format!("extract --json --seed old {} out", server.url("new.rgx"))).success();
    assert!(site.env.read("out") == new, "{what}");
    let (report, warnings) = (outcome.json(), warnings(&outcome));
    check_extract(&report, new);
    assert_eq!(warnings, Vec::<&str>::new(), "{what}");
    assert_eq!(number(&report, "bytes_fetched"), server.body_bytes(), "{what}");
    // If a patch is used, nothing else is needed.
    if number(&report, "chunks_patch") > 0 {
        assert_eq!(number(&report, "chunks_store"), 0, "{what}: {report}");
        assert_eq!(server.request_count(), 2, "{what}");
    }
    site.check_nothing_is_left();
}

#[test]
fn from_each_kind_to_the_next() {
    let kinds: Vec<_> = kinds().into_iter().filter(|(name, _)| *name != "tar").collect();
    for (number, (new_name, new)) in kinds.iter().enumerate() {
        let (old_name, old) = &kinds[(number + kinds.len() - 1) % kinds.len()];
        check(&format!("{old_name} to {new_name}"), 1, old, new);
    }
}

#[test]
fn from_each_kind_to_a_little_more_of_it() {
    // A gzip file with a flipped bit is wholly opaque, which is another matter.
    let is_plain = |name: &str| !name.starts_with("oci") && !name.starts_with("gzip");
    for (name, old) in kinds().into_iter().filter(|(name, _)| is_plain(name)) {
        let mut new = [&old[..], b"a little more"].concat();
        if let Some(byte) = new.get_mut(old.len() / 2) {
            *byte ^= 0x10;
        }
        check(name, 2, &old, &new);
    }
}

#[test]
fn at_each_level() {
    let (old, new) = versions();
    for level in 1..=9 {
        check(&format!("level {level}"), level, &old, &new);
    }
}

#[test]
fn one_compressed_file_is_the_image() {
    let plain = patchable::text("one file", 400);
    let more = [&plain[..], b"and a line more\n"].concat();
    let pairs = [
        ("both", patchable::gzip(&plain), patchable::gzip(&more)),
        ("the old", patchable::gzip(&plain), more.clone()),
        ("the new", plain.clone(), patchable::gzip(&more)),
    ];
    for (what, old, new) in pairs {
        check(what, 5, &old, &new);
    }
    // The streams are cut, damaged, doubled, or empty.
    let (old, whole) = (patchable::gzip(&plain), patchable::gzip(&more));
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 4;
    for (what, new) in [
        ("cut", whole[..whole.len() - 9].to_vec()),
        ("damaged", damaged),
        ("doubled", whole.repeat(2)),
        ("trailing", [whole, noise("trailing", 3000)].concat()),
        ("of nothing", patchable::gzip(b"")),
    ] {
        check(what, 5, &old, &new);
    }
}
