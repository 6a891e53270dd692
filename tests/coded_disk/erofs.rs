//! EROFS images with compressed files, by mkfs.erofs: their blocks are filled up, each with what goes in.

use std::io::Write;
use std::process::Command;

use super::*;

/// Makes an EROFS with these options. The result is `None`, and a line is printed, if mkfs.erofs cannot do that.
fn erofs(env: &TestEnvironment, name: &str, version: u64, options: &str) -> Option<Vec<u8>> {
    write_tree(env, version);
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("mkfs.erofs");
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).current_dir(env.root());
    command.args(["--quiet", "-T1", "--all-root", "-U6d1f7a30-0f3c-4c7e-9d65-b2a6d05f1c17"]);
    command.args(options.split_whitespace()).args([name, &format!("tree-{version}")]);
    match command.output() {
        Ok(output) if output.status.success() => Some(env.read(name)),
        _ => {
            pass_over(&format!("compressed EROFS images need mkfs.erofs with {options}"));
            None
        }
    }
}

#[test]
fn erofs_images_are_updated_by_what_their_blocks_hold() {
    for options in ["-zlz4hc", "-zlz4hc,12 -C65536", "-zlz4 -C16384", "-zlz4hc,4 -Elegacy-compress"] {
        let env = TestEnvironment::new();
        let [old, new] = [("old.img", 1), ("new.img", 2)].map(|(name, version)| erofs(&env, name, version, options));
        let (Some(_), Some(new)) = (old, new) else { continue };
        env.json("make old.rgx old.img");
        let made = env.json("make --patch-from old.rgx --old old.img new.rgx new.img");
        check_make(&made, &new);
        assert_eq!((number(&made, "coded"), number(&made, "coded_bytes")), (1, new.len() as u64), "{made}");
        assert_eq!(number(&made["disk"], "files"), 89, "{made}");
        let info = env.json("info new.rgx");
        assert_eq!(number(&info, "walk_version"), 6);
        let encoder = info["coded"][0]["encoders"][0].as_str().unwrap();
        assert!(encoder.starts_with("liblz4, ") && encoder.contains("filled up to "), "{info}");
        assert_eq!(info["coded"][0]["encoders"].as_array().unwrap().len(), 1, "{info}");
        let patch = number(&made["patches"][0], "bytes");
        assert!(patch < 14_000, "{options}: the patch has {patch} bytes");
        let server = Server::new(env.root());
        let url = server.url("new.rgx");
        let extracted = env.json(&format!("extract --seed old.img {url} out"));
        check_extract(&extracted, &new);
        assert!(env.read("out") == new && number(&extracted, "chunks_patch") > 0, "{extracted}");
        env.remove("out");
        let extracted = env.json(&format!("extract --no-patch --seed old.img {url} out"));
        assert!(env.read("out") == new);
        assert!(number(&extracted, "bytes_seed") > 4 * number(&extracted, "bytes_store"), "{extracted}");
        // A scan of the output finds all of it, and so does a catalog that remembers the scan.
        for _ in 0..2 {
            let extracted = env.json(&format!("extract --catalog catalog --seed out {url} again"));
            assert_eq!(number(&extracted, "chunks_store"), 0, "{extracted}");
            env.remove("again");
        }
        assert!(env.run(&format!("extract --seed old.img {url} -")).success().stdout == new);
        assert_eq!(env.json("verify new.rgx out")["ok"], true);
    }
}

/// Writes compressed files, which a file system stores as they are, the last part of each apart.
fn write_pages(env: &TestEnvironment, version: u64) {
    for number in 0..12 {
        let mut page = text(&format!("page {number}"), 11_000 + 350 * number);
        page.splice(100..100, format!("version {version}, of today").bytes());
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&page).unwrap();
        env.write(&format!("tree-{version}/man/{number}.gz"), &encoder.finish().unwrap());
    }
}

#[test]
fn files_in_pieces_are_seen_through_between_compressed_ones() {
    let env = TestEnvironment::new();
    let [old, new] = [("old.img", 1), ("new.img", 2)].map(|(name, version)| {
        write_pages(&env, version);
        erofs(&env, name, version, "-zlz4hc")
    });
    let (Some(_), Some(new)) = (old, new) else { return };
    env.json("make old.rgx old.img");
    let made = env.json("make --patch-from old.rgx --old old.img new.rgx new.img");
    check_make(&made, &new);
    let patch = number(&made["patches"][0], "bytes");
    assert!(patch < 17_000, "the patch has {patch} bytes");
    let file = env.files("store/patches").pop().unwrap();
    // Versions 4 and 5 have files in pieces.
    assert!([4, 5].contains(&env.read(&file)[8]));
    let server = Server::new(env.root());
    let extracted = env.json(&format!("extract --seed old.img {} out", server.url("new.rgx")));
    check_extract(&extracted, &new);
    assert!(env.read("out") == new && number(&extracted, "chunks_patch") > 0, "{extracted}");
}

#[test]
fn erofs_images_that_are_not_understood_stay_as_they_are() {
    let env = TestEnvironment::new();
    let Some(image) = erofs(&env, "image", 1, "-zlz4hc -Eztailpacking") else { return };
    let made = env.run("make --json image.rgx image").success();
    assert!(made.stderr.contains("EROFS with ztailpacking") && made.stderr.lines().count() == 1, "{}", made.stderr);
    assert_eq!(made.json()["disk"]["divided"], false);
    env.run("extract image.rgx out").success();
    assert!(env.read("out") == image);
}
