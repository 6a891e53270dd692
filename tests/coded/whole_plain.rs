//! An archive that is compressed as a whole can be written as what it holds.

use super::*;

/// Two versions of an archive, and the gzip files that hold them.
fn compressed_archives() -> [(Vec<u8>, Vec<u8>); 2] {
    version_layers().map(|layers| {
        let plain = docker_save(&layers, 1_700_000_000);
        let compressed = gzip(&plain, GNU_GZIP);
        (compressed, plain)
    })
}

#[test]
fn what_a_gzip_file_holds_goes_to_outputs_of_all_kinds() {
    let [(old, old_plain), (new, plain)] = compressed_archives();
    for format in ["1", "2"] {
        let env = TestEnvironment::new();
        env.make("old", &old);
        env.write("new", &new);
        env.json(&format!("make --avg-size 1KiB --pack-size 256KiB --format {format} new.rgx new"));
        env.write("old-plain", &old_plain);
        let server = Server::new(env.root());
        let url = server.url("new.rgx");
        for seed in ["old", "old-plain", "new"] {
            let report = env.json(&format!("extract --plain --seed {seed} {url} out-{seed}"));
            assert!(env.read(&format!("out-{seed}")) == plain, "{format}, {seed}");
            check_extract(&report, &new);
            assert_eq!(number(&report, "plain_bytes"), plain.len() as u64);
            assert!(number(&report, "bytes_fetched") < new.len() as u64 / 4, "{format}, {seed}: {report}");
        }
        assert!(env.run(&format!("extract --plain {url} -")).success().stdout == plain);
        env.write("device", &vec![1; plain.len() + 5000]);
        env.run(&format!("extract --plain --in-place {url} device")).success();
        assert!(env.read("device")[..plain.len()] == plain);
        assert!(env.json(&format!("extract --dry-run --plain {url} out"))["plain_bytes"].is_u64());
        assert!(!env.files("").iter().any(|name| name.contains(".regrow-")), "{:?}", env.files(""));
    }
}

#[test]
fn a_plain_output_that_is_right_already_stays() {
    use std::os::unix::fs::MetadataExt;
    let env = TestEnvironment::new();
    let [(_, _), (new, plain)] = compressed_archives();
    env.make("new", &new);
    let server = Server::new(env.root());
    let extract = format!("extract --plain {} out", server.url("new.rgx"));
    env.json(&extract);
    let inode = || env.path("out").metadata().unwrap().ino();
    let first = inode();
    let again = env.json(&extract);
    assert_eq!((inode(), number(&again, "chunks_resumed")), (first, number(&again, "chunks")), "{again}");
    assert_eq!((&again["verified"], number(&again, "plain_bytes")), (&true.into(), plain.len() as u64));
    // The other form of the image takes its place, and makes way for it again.
    env.json(&extract.replace("--plain ", ""));
    assert!(env.read("out") == new);
    env.json(&extract);
    assert!(env.read("out") == plain);
    let mut damaged = plain.clone();
    damaged[100_000] ^= 1;
    env.write("out", &damaged);
    env.json(&extract);
    assert!(env.read("out") == plain);
}

#[test]
fn a_patch_makes_the_plain_form() {
    let env = TestEnvironment::new();
    let [(old, old_plain), (new, plain)] = compressed_archives();
    env.make("old", &old);
    env.write("new", &new);
    env.json("make --avg-size 1KiB --pack-size 256KiB --patch-from old.rgx new.rgx new");
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --plain --seed old {} out", server.url("new.rgx")));
    assert!(env.read("out") == plain && number(&report, "chunks_patch") > 0, "{report}");
    env.write("out", &old_plain);
    env.json(&format!("extract --plain {} out", server.url("new.rgx")));
    assert!(env.read("out") == plain);
}

#[test]
fn images_without_one_plain_form_are_told_apart() {
    let env = TestEnvironment::new();
    let [_, layers] = version_layers();
    let uncompressed = docker_save(&layers, 5);
    env.make("uncompressed", &uncompressed);
    let report = env.json("extract --plain uncompressed.rgx out-uncompressed");
    assert!(env.read("out-uncompressed") == uncompressed && report.get("plain_bytes").is_none(), "{report}");
    env.make("layers", &oci(&layers, 5, |layer| gzip(layer, PGZIP)));
    env.run("extract --plain layers.rgx out").failure(2, "(--plain)");
    env.make("padded", &[gzip(&uncompressed, PGZIP), vec![0; 512]].concat());
    env.run("extract --plain padded.rgx out").success();
    assert!(env.read("out") == uncompressed);
}

#[test]
fn a_digest_of_the_gzip_file_does_not_vouch_for_its_contents() {
    let env = TestEnvironment::new();
    let [(_, _), (new, plain)] = compressed_archives();
    env.write("new", &new);
    env.run("key new ours.key").success();
    env.run("make --avg-size 1KiB --pack-size 256KiB --sign ours.key new.rgx new").success();
    let digest = blake3::hash(&new).to_string();
    env.run(&format!("extract --plain --digest {digest} new.rgx out")).failure(2, "--plain");
    assert!(!env.exists("out"));
    let keyed = env.run(&format!("extract --plain --key ours.key.pub --digest {digest} --state state new.rgx -"));
    assert!(keyed.success().stdout == plain);
}

#[test]
fn a_file_that_was_not_seen_through_is_told() {
    let env = TestEnvironment::new();
    env.make("app", &gzip(&[0; 300], GNU_GZIP));
    let outcome = env.run("extract --plain app.rgx out").success();
    assert!(env.read("out") == env.read("app"));
    assert!(outcome.stderr.contains("make did not see through"), "{}", outcome.stderr);
}
