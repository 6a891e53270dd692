//! Disk images with compressed blocks: seen through, and made again bit for bit. They are made by mksquashfs; a machine that
//! has none passes the tests over.

mod erofs;
mod verity;

use std::path::Path;
use std::process::Command;

use regrow_index::{BlockRun, CodedStretch, DiskPiece, Index};

use crate::environment::{Outcome, TestEnvironment, pass_over};
use crate::report::{check_extract, check_make, number};
use crate::server::Server;
use regrow_demo::noise;

/// Text, which compresses well, and in which no two stretches are alike.
fn text(name: &str, bytes: usize) -> Vec<u8> {
    noise(name, bytes).iter().map(|byte| b"etaoin shrdlucmf"[usize::from(byte & 15)]).collect()
}

/// Writes the files of a tree: many small ones, and some of several blocks. In the second version, a few have changed.
pub(crate) fn write_tree(env: &TestEnvironment, version: u64) {
    for number in 0..80 {
        let name = if number % 20 == 7 { format!("{number} {version}") } else { number.to_string() };
        env.write(&format!("tree-{version}/doc/{number}"), &text(&name, 500 + number * 77));
    }
    for number in 0..8 {
        let mut bytes = text(&format!("large {number}"), 150_000 + number * 1_111);
        if version > 1 && number % 4 == 1 {
            bytes[70_000..70_010].copy_from_slice(b"new bytes!");
        }
        env.write(&format!("tree-{version}/lib/{number}.so"), &bytes);
    }
    // Blocks of noise are stored as they are.
    env.write(&format!("tree-{version}/noise"), &noise("noise", 100_000));
}

/// Makes a squashfs with these options. The result is `None`, and a line is printed, if mksquashfs cannot do that.
fn squashfs(env: &TestEnvironment, name: &str, version: u64, options: &[&str]) -> Option<Vec<u8>> {
    write_tree(env, version);
    let tree = format!("tree-{version}");
    let mut command = Command::new("mksquashfs");
    command.args([&tree, name, "-noappend", "-quiet", "-no-progress", "-all-time", "0", "-mkfs-time", "0"]);
    let made = command.args(["-b", "32K", "-comp"]).args(options).current_dir(env.root()).output();
    match made {
        Ok(output) if output.status.success() => Some(env.read(name)),
        _ => {
            pass_over(&format!("compressed disk images need mksquashfs with -comp {}", options.join(" ")));
            None
        }
    }
}

fn index_of(env: &TestEnvironment, name: &str) -> Index {
    Index::decode(&env.read(name)).unwrap()
}

#[test]
fn squashfs_images_are_updated_by_what_their_blocks_hold() {
    for (options, encoder) in [
        (["gzip"].as_slice(), "zlib, level 9"),
        (&["xz"], "liblzma, preset 6, dictionary of 32 KiB"),
        (&["lz4", "-Xhc"], "liblz4, high compression, level 12"),
        (&["lzo"], "liblzo2, lzo1x_999, level 8"),
    ] {
        let env = TestEnvironment::new();
        let [old, new] = [("old.img", 1), ("new.img", 2)].map(|(name, version)| squashfs(&env, name, version, options));
        let (Some(_), Some(new)) = (old, new) else { continue };
        env.json("make old.rgx old.img");
        let made = env.json("make --patch-from old.rgx --old old.img new.rgx new.img");
        check_make(&made, &new);
        assert_eq!((number(&made, "coded"), number(&made, "coded_bytes")), (1, new.len() as u64), "{made}");
        assert_eq!(number(&made["disk"], "files"), 89, "{made}");
        let info = env.json("info new.rgx");
        // Earlier versions of regrow do not see through lzo.
        assert_eq!(number(&info, "walk_version"), if options == ["lzo"] { 6 } else { 5 });
        assert_eq!(info["coded"][0]["encoders"][0], encoder, "{info}");
        // make and info tell the same of its blocks.
        assert_eq!(
            (&made["disk"]["blocks"], &info["disk"]["blocks"][0]["encoder"]),
            (&info["disk"]["blocks"], &encoder.into())
        );
        assert_eq!(number(&info["disk"]["blocks"][0], "corrected"), 0);
        assert!(number(&info["disk"]["blocks"][0], "blocks") > 20, "{info}");
        // Changed are four small files, and a few bytes of two others, in blocks that are compressed.
        let patch = number(&made["patches"][0], "bytes");
        assert!(patch < 14_000, "{encoder}: the patch has {patch} bytes");
        // Where the base comes from the store, the names of its files are known too.
        env.json("patch --replace --new new.img old.rgx new.rgx");
        assert_eq!(number(&env.json("info new.rgx")["patches"][0], "bytes"), patch);
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
        assert_eq!(env.json("verify new.rgx out")["ok"], true);
        // The folder that the image was made of is a seed of it too.
        let extracted = env.json(&format!("extract --no-patch --seed tree-2 {url} again"));
        assert!(number(&extracted, "bytes_seed") > 9 * number(&extracted, "bytes_store"), "{extracted}");
    }
}

#[test]
fn a_patch_names_the_blocks_that_its_base_has() {
    let env = TestEnvironment::new();
    let zstd = ["zstd", "-b", "128K"];
    let [old, new] = [("old.img", 1), ("new.img", 2)].map(|(name, version)| {
        // Encoders of different versions tell best by text that people wrote.
        for folder in ["deflate", "local", "store", "sync", "zstd"] {
            let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("src");
            let copied =
                Command::new("cp").arg("-r").arg(sources).arg(env.path(&format!("{folder}-{version}"))).status();
            assert!(copied.unwrap().success());
            std::fs::create_dir_all(env.path(&format!("tree-{version}"))).unwrap();
            let there = env.path(&format!("tree-{version}/{folder}"));
            std::fs::rename(env.path(&format!("{folder}-{version}")), there).unwrap();
        }
        squashfs(&env, name, version, &zstd)
    });
    let (Some(_), Some(new)) = (old, new) else { return };
    env.json("make old.rgx old.img");
    env.json("make --patch-from old.rgx new.rgx new.img");
    let index = index_of(&env, "new.rgx");
    // An image of which too much needs corrections is opaque.
    let codings_bytes = index.codings.first().map_or(0, CodedStretch::cost_bytes);
    // If this program's libzstd is that of mksquashfs, there is nothing to correct.
    if codings_bytes <= 1024 {
        return pass_over("corrections need a mksquashfs of another libzstd");
    }
    let patch = env.files("store/patches").pop().unwrap();
    // Version 3, or 5 where files are joined, too.
    assert!([3, 5].contains(&env.read(&patch)[8]), "{codings_bytes}");
    let info = env.json("info new.rgx");
    let blocks = &info["disk"]["blocks"][0];
    assert!(number(blocks, "corrected") > 0 && number(blocks, "corrections_bytes") > 500, "{info}");
    assert_eq!(info["coded"][0]["corrections_bytes"], blocks["corrections_bytes"]);
    let told = env.run("info new.rgx").success().stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(
        told.contains("made by libzstd") && told.contains("since another version or other options wrote"),
        "{told}"
    );
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    let planned = env.json(&format!("extract --dry-run --head-first --seed old.img {url} out"));
    let extracted = env.json(&format!("extract --head-first --seed old.img {url} out"));
    check_extract(&extracted, &new);
    assert!(env.read("out") == new && number(&extracted, "chunks_patch") > 0, "{extracted}");
    // The codings of the index were not fetched.
    let patch_bytes = env.read(&patch).len() as u64;
    for report in [&planned, &extracted] {
        assert!(number(report, "bytes_fetched") < patch_bytes + 2048, "{report}");
    }
    assert_eq!(number(&planned, "bytes_fetched"), number(&extracted, "bytes_fetched"));
    let piped = env.run(&format!("extract --seed old.img {url} -")).success();
    assert!(piped.stdout == new);
    env.write("device", &[&[0; 100], &new[..]].concat());
    env.run(&format!("extract --seed old.img --in-place {url} device")).success();
    assert!(env.read("device")[..new.len()] == new);
}

#[test]
fn outputs_of_all_kinds() {
    let env = TestEnvironment::new();
    let [old, new] = [("old", 1), ("new", 2)].map(|(name, version)| squashfs(&env, name, version, &["gzip"]));
    let (Some(old), Some(new)) = (old, new) else { return };
    env.json("make new.rgx new");
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    assert!(env.run(&format!("extract --seed old {url} -")).success().stdout == new);
    env.write("device", &[old.clone(), vec![1; 500_000]].concat());
    env.run(&format!("extract --seed old --in-place {url} device")).success();
    assert!(env.read("device")[..new.len()] == new);
    env.write("out", &old);
    let planned = env.run(&format!("extract --dry-run {url} out")).success().stdout;
    let planned = String::from_utf8(planned).unwrap();
    let is_told = |name: &str, form: &str| planned.lines().any(|line| line.starts_with(name) && line.ends_with(form));
    assert!(is_told("would fetch", ", compressed") && is_told("from seeds", " uncompressed"), "{planned}");
    let report = env.json(&format!("extract {url} out"));
    assert!(env.read("out") == new && number(&report, "chunks_seed") > 0, "{report}");
    env.run(&format!("extract --plain {url} plain")).success();
    assert!(env.read("plain").len() > new.len());
    assert!(!env.files("").iter().any(|name| name.contains(".regrow-")), "{:?}", env.files(""));
}

#[test]
fn an_image_whose_encoder_is_not_known_stays_as_it_is() {
    let env = TestEnvironment::new();
    let Some(image) = squashfs(&env, "image", 1, &["lzma"]) else { return };
    let made = env.run("make --json image.rgx image").success();
    assert!(made.stderr.contains("lzma compression") && made.stderr.lines().count() == 1, "{}", made.stderr);
    assert_eq!(made.json()["disk"]["divided"], false);
    assert_eq!(number(&env.json("info image.rgx"), "walk_version"), 3);
    env.run("extract image.rgx out").success();
    assert!(env.read("out") == image);
}

/// Changes the first run of blocks in the index of an image.
fn changed(env: &TestEnvironment, change: &dyn Fn(&mut BlockRun)) {
    let mut index = index_of(env, "image.rgx");
    let CodedStretch::Disk(disk) = &mut index.codings[0] else { panic!("no disk image") };
    let run = disk.pieces.iter_mut().find_map(|piece| match piece {
        DiskPiece::Run(run) => Some(run),
        _ => None,
    });
    change(run.unwrap());
    env.write("changed.rgx", &index.encode());
}

#[test]
fn codings_that_lie_make_no_output() {
    let env = TestEnvironment::new();
    if squashfs(&env, "image", 1, &["gzip"]).is_none() {
        return;
    }
    env.json("make image.rgx image");
    let lie = |change: &dyn Fn(&mut BlockRun)| -> Outcome {
        changed(&env, change);
        env.run("extract changed.rgx out")
    };
    let outcomes = [
        lie(&|run| run.encoder = [0x80, 0x40, 1, 15, 8].into()),
        lie(&|run| run.encoder = [0xa0, 0x40, 1].into()),
        lie(&|run| run.coded_bytes -= 1),
        lie(&|run| run.coded_bytes += 1),
        lie(&|run| run.count -= 1),
        lie(&|run| run.plain_bytes += 1),
        lie(&|run| run.gap_bytes = 1),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.code, Some(3), "{number}: {outcome:?}");
        assert!(!env.exists("out"), "{number}: {outcome:?}");
    }
    let unknown = lie(&|run| run.encoder = [0xff, 0x40].into());
    assert!(unknown.stderr.contains("use a newer regrow") && !env.exists("out"), "{unknown:?}");
}
