//! Sound inputs that once cost far more than they are worth.

use std::fs::File;
use std::io::Write;

use super::forge::{Forged, limited};
use crate::environment::{Outcome, REGROW, TestEnvironment};

/// A disk image that begins like an index is no index, and is never held in memory.
#[test]
fn a_seed_that_begins_like_an_index() {
    let env = TestEnvironment::new();
    env.make("app", &vec![7; 100_000]);
    let seed = env.path("seed");
    let mut file = File::create(&seed).unwrap();
    file.write_all(&regrow_index::MAGIC).unwrap();
    file.write_all(&[1, 0, 0, 0, 0, 0, 0, 1]).unwrap();
    let bytes = 64 << 20;
    file.set_len(bytes).unwrap();
    let (_, read) = counted(&env, "extract --seed seed app.rgx out --json");
    assert!(env.read("out") == vec![7; 100_000]);
    assert!(read < bytes * 5 / 4, "{read} bytes read, of a seed of {bytes}");
}

/// A tar of tars under a path of a megabyte, of which each entry would have a copy.
fn long_path(inner_tars: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for _ in 0..inner_tars {
        // This is a tar of a single header, with nothing in it.
        inner.extend(header("t", b'0', 512));
        inner.extend(header("i", b'0', 0));
    }
    let path = "x".repeat(1_000_000);
    let record = format!("1000014 path={path}\n");
    assert_eq!(record.len(), 1_000_014);
    let mut image = header("pax", b'x', record.len() as u64);
    image.extend(record.as_bytes());
    image.resize(image.len().next_multiple_of(512), 0);
    image.extend(header("outer", b'0', inner.len() as u64));
    [image, inner, vec![0; 1024]].concat()
}

fn header(name: &str, flag: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_entry_type(tar::EntryType::new(flag));
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn paths_of_nested_tars_are_shared() {
    let env = TestEnvironment::new();
    let image = long_path(3000);
    env.write("image", &image);
    env.json("make app.rgx image");
    env.write("folder/t", b"");
    for command in ["info app.rgx --json", "diff app.rgx app.rgx --json", "extract --seed folder app.rgx out --json"] {
        limited(&env, "", command).success();
    }
    assert!(env.read("out") == image);
    let report = env.json("info app.rgx");
    let archives = report["archives"].as_array().unwrap();
    assert!(archives.len() >= 2, "{}", archives.len());
    assert!(archives.iter().all(|archive| archive["path"].as_str().unwrap().len() < 5000));
}

/// Commands that only look write nothing down, however long the stream is that an index states.
#[test]
fn looking_writes_no_more_than_was_fetched() {
    let env = TestEnvironment::new();
    // These are literals of 65,536 zeros.
    let mut chunk = Vec::new();
    for _ in 0..16 {
        regrow_chunker::varint::put(&mut chunk, (64 << 10) << 2);
        chunk.extend(vec![0; 64 << 10]);
    }
    let times = 300;
    let forged = Forged {
        chunks: vec![chunk],
        skeleton: vec![0; times],
        contents: Vec::new(),
        ..Forged::new(Vec::new(), Vec::new(), 0, (times as u64) << 20)
    };
    forged.write(&env, "app");
    env.write("old", &[1; 1000]);
    env.json("make --new-store old.rgx old");
    // No file larger than a megabyte may be written.
    for command in ["info app.rgx --json", "diff old.rgx app.rgx --json", "extract --dry-run app.rgx out --json"] {
        limited(&env, "ulimit -f 1024;", command).success();
    }
}

/// A group of tiny files lies across much of an image. It is read from a seed once for all its blocks.
#[test]
fn tiny_files_of_a_seed_are_read_once() {
    let env = TestEnvironment::new();
    let mut image = Vec::new();
    for number in 0..24_000u32 {
        image.extend(header(&format!("f{number}"), b'0', 1));
        image.extend([number.to_le_bytes()[0]; 1]);
        image.resize(image.len() + 511, 0);
    }
    image.extend([0; 1024]);
    env.write("seed", &image);
    env.json("make --avg-size 1MiB app.rgx seed");
    // Each block of 4 MiB needs the one group. The seed is read once for its scan, and once more for the group.
    let (report, read) = counted(&env, "extract --no-state --seed seed app.rgx out --json");
    assert!(env.read("out") == image);
    assert!(report["chunks_seed"].as_u64().unwrap() > 0, "{report}");
    let share = read as f64 / image.len() as f64;
    assert!(share < 4.0, "{share} times the image was read");
}

/// Runs a command to its end. Returns its report and the number of bytes that it read, as the kernel counted them.
fn counted(env: &TestEnvironment, arguments: &str) -> (serde_json::Value, u64) {
    // The shell's count includes that of its children once they have ended.
    let script = format!("{REGROW} {arguments} && grep rchar /proc/$$/io >&2");
    let command = env.command("");
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", &script]).current_dir(env.root());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let outcome = Outcome::of(&mut shell);
    let report = outcome.json();
    let line = outcome.stderr.lines().find(|line| line.starts_with("rchar: "));
    (report, line.and_then(|line| line["rchar: ".len()..].parse().ok()).unwrap_or_else(|| panic!("{}", outcome.stderr)))
}
