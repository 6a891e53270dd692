//! An image of one kind seeds one of another kind, whatever file system lays the files in which pieces. File systems are
//! made by their own tools; a machine that lacks one passes its images over.

use std::path::Path;
use std::process::Command;

use crate::environment::{TestEnvironment, pass_over};
use crate::report::number;
use crate::server::Server;
use regrow_demo::noise;

/// Many small files, files that do not fill their last block, large ones, and files with blocks of zeros.
fn files() -> Vec<(String, Vec<u8>)> {
    let small = (0..150).map(|number| (format!("etc/{number}"), noise(&format!("small {number}"), 800 + number * 21)));
    let large =
        (0..40).map(|number| (format!("lib/{number}"), noise(&format!("large {number}"), 9_000 + number * 3_333)));
    let mut files: Vec<(String, Vec<u8>)> = small.chain(large).collect();
    for number in 0..6 {
        let mut bytes = noise(&format!("holes {number}"), 400_000 + number * 777);
        bytes[20_480..28_672].fill(0);
        bytes[131_072..262_144].fill(0);
        bytes[300_000..306_000].fill(0);
        files.push((format!("var/holes {number}"), bytes));
    }
    files.sort();
    files
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// An archive in cpio's "newc" form.
fn cpio(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut entry = |mode: u32, path: &str, bytes: &[u8]| {
        let mut fields = [0; 13];
        (fields[1], fields[6], fields[11]) = (mode, bytes.len() as u32, path.len() as u32 + 1);
        out.extend(b"070701");
        fields.iter().for_each(|field| out.extend(format!("{field:08X}").bytes()));
        for part in [&[path.as_bytes(), b"\0"].concat(), bytes] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
    };
    files.iter().for_each(|(path, bytes)| entry(0o100_644, path, bytes));
    entry(0, "TRAILER!!!", b"");
    out
}

/// Makes an image by a tool, unless that is not there.
fn made(env: &TestEnvironment, name: &str, program: &str, words: &str) -> bool {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command.args(words.split(' ')).env("PATH", path).env("SOURCE_DATE_EPOCH", "0").current_dir(env.root());
    match command.output() {
        Ok(output) if output.status.success() && env.exists(name) => true,
        _ => {
            pass_over(&format!("{name} needs {program}"));
            false
        }
    }
}

/// The names of all images that can be made here.
fn images(env: &TestEnvironment) -> Vec<&'static str> {
    let files = files();
    files.iter().for_each(|(path, bytes)| drop(env.write(&format!("tree/{path}"), bytes)));
    env.write("tar", &tar(&files));
    env.write("cpio", &cpio(&files));
    let tools = [
        ("ext4", "mke2fs", "-q -F -t ext4 -b 1024 -d tree ext4 16M"),
        ("squashfs", "mksquashfs", "tree squashfs -noappend -quiet -no-progress -all-root"),
        ("erofs", "mkfs.erofs", "--quiet erofs tree"),
    ];
    let by_tools = tools.iter().filter(|(name, program, words)| made(env, name, program, words));
    ["tar", "cpio"].into_iter().chain(by_tools.map(|(name, ..)| *name)).collect()
}

/// Nearly all bytes of files are found in any other kind: the small ones, the ends, and what lies between holes.
#[test]
fn images_of_all_kinds_seed_each_other() {
    let env = TestEnvironment::new();
    let images = images(&env);
    let data: usize = files().iter().map(|(_, bytes)| bytes.len()).sum();
    // Ext4 has no zeros of files.
    let zeros: usize = 6 * (8_192 + 131_072 + 5_000);
    for target in &images {
        env.json(&format!("make {target}.rgx {target}"));
        for seed in images.iter().chain(&["tree"]).filter(|seed| *seed != target) {
            let extracted = env.json(&format!("extract --no-state --seed {seed} {target}.rgx out"));
            assert!(env.read("out") == env.read(target), "{target} from {seed}");
            env.remove("out");
            let wanted = (data - zeros) as u64 * 97 / 100;
            let found = number(&extracted, "bytes_seed");
            assert!(found >= wanted, "{target} from {seed}: {found} of {wanted} bytes: {extracted}");
        }
    }
}

/// What a scan finds for one kind of target is remembered apart from what it finds for another.
#[test]
fn scans_for_different_targets_are_remembered_apart() {
    let env = TestEnvironment::new();
    let images = images(&env);
    images.iter().for_each(|target| drop(env.json(&format!("make {target}.rgx {target}"))));
    for _ in 0..2 {
        for target in &images {
            let extracted = env.json(&format!("extract --catalog catalog --seed cpio {target}.rgx out"));
            assert!(number(&extracted, "bytes_seed") > 1_000_000, "{target}: {extracted}");
            assert!(env.read("out") == env.read(target), "{target}");
            env.remove("out");
        }
    }
    assert!(Path::new(&env.path("catalog")).exists());
}

/// Files that ext4 breaks off: it takes a block for a file's map in the midst of the file, where the fifth extent begins.
fn broken_files() -> Vec<(String, Vec<u8>)> {
    let file = |number: usize| {
        let mut bytes = noise(&format!("broken {number}"), 900_000 + number * 999);
        (1..12).for_each(|hole| bytes[hole * 73_728..][..4_096 * (1 + hole % 2)].fill(0));
        (format!("lib/{number}"), bytes)
    };
    (0..8).map(file).collect()
}

/// An update from an image of another kind costs little more than one from an image of its own kind, wherever the file
/// systems break files off.
#[test]
fn an_update_from_another_kind_costs_about_the_same() {
    let env = TestEnvironment::new();
    let mut files = broken_files();
    for version in ["old", "new"] {
        if version == "new" {
            files[3].1[500_000..600_000].copy_from_slice(&noise("changed", 100_000));
            files[6].1.drain(200_000..200_500);
        }
        let tree = format!("{version}-tree");
        files.iter().for_each(|(path, bytes)| drop(env.write(&format!("{tree}/{path}"), bytes)));
        env.write(&format!("{version}-tar"), &tar(&files));
    }
    let tools = [
        ("ext4", "mke2fs", "-q -F -t ext4 -b 1024 -d VERSION-tree VERSION-ext4 16M"),
        ("squashfs", "mksquashfs", "VERSION-tree VERSION-squashfs -noappend -quiet -no-progress -all-root"),
    ];
    let is_made = |(name, program, words): &&(&str, &str, &str)| {
        let mut versions = ["old", "new"].into_iter();
        versions.all(|version| made(&env, &format!("{version}-{name}"), program, &words.replace("VERSION", version)))
    };
    let kinds: Vec<&str> = ["tar"].into_iter().chain(tools.iter().filter(is_made).map(|(name, ..)| *name)).collect();
    let server = Server::new(env.root());
    for target in &kinds {
        env.json(&format!("make {target}.rgx new-{target}"));
        let fetched = |seed: &str| {
            let url = server.url(&format!("{target}.rgx"));
            let report = env.json(&format!("extract --no-state --seed {seed} {url} out"));
            assert!(env.read("out") == env.read(&format!("new-{target}")), "{target} from {seed}");
            env.remove("out");
            number(&report, "bytes_fetched")
        };
        let own = fetched(&format!("old-{target}"));
        for seed in kinds.iter().filter(|seed| *seed != target) {
            let crossing = fetched(&format!("old-{seed}"));
            assert!(crossing * 100 <= own * 105, "{target} from {seed}: {crossing} bytes, {own} from its own kind");
        }
    }
}
