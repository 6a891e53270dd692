//! Indexes and packs that ask for more than their image is worth. They are refused in one line, before anything is
//! done.

use regrow_chunker::{Params, varint};

use super::forge::{Forged, limited};
use crate::environment::TestEnvironment;

/// Contents operations of these lengths.
fn contents_operations(lengths: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut out = Vec::new();
    lengths.for_each(|length| varint::put(&mut out, length << 2 | 1));
    out
}

/// An image of one file with `times` equal chunks.
fn one_file(chunk: Vec<u8>, times: usize) -> Forged {
    let skeleton = contents_operations(std::iter::once((chunk.len() * times) as u64));
    Forged::new(skeleton, chunk, times, 0)
}

#[track_caller]
fn check_refused(env: &TestEnvironment, about: &str) {
    env.write("out", b"old");
    for arguments in ["extract app.rgx out", "extract --dry-run app.rgx out"] {
        limited(env, "", &format!("-q {arguments}")).failure(3, about);
    }
    assert_eq!(env.read("out"), b"old");
    assert!(env.files("scratch").is_empty());
}

/// These parameters would cut the machine's own seed into pieces of 64 bytes.
#[test]
fn chunks_too_small_for_a_seed() {
    let env = TestEnvironment::new();
    let params = Params::new(64, 64, 64).unwrap();
    Forged { params, ..one_file(vec![7; 12_000], 1) }.write(&env, "app");
    env.write("seed", &vec![1; 4 << 20]);
    let refuse = |variable: &str| {
        let mut command = env.command("extract --seed seed app.rgx out");
        match variable {
            "" => command.env_remove("REGROW_MIN_AVG_SIZE"),
            size => command.env("REGROW_MIN_AVG_SIZE", size),
        };
        crate::environment::Outcome::of(&mut command).failure(3, "--min-avg-size 64 takes them");
    };
    refuse("");
    refuse("1KiB");
    let remembered: u64 = env.files("home-cache").iter().map(|name| env.path(name).metadata().unwrap().len()).sum();
    assert!(remembered < 256 << 10, "a seed was read: {remembered} bytes in the catalog");
    let made = env.run("make --min-avg-size 4KiB --avg-size 1KiB small.rgx seed");
    made.failure(2, "--min-avg-size 1024");
    assert!(!env.exists("small.rgx"));
}

#[test]
fn images_that_are_too_large() {
    let env = TestEnvironment::new();
    Forged { digest: *blake3::hash(&[7; 20_000]).as_bytes(), ..one_file(vec![7; 10_000], 2) }.write(&env, "app");
    env.write("file", b"no image");
    let too_large = "20000 bytes, more than the limit of 19999 (--max-size)";
    for command in
        ["extract app.rgx out", "info app.rgx", "diff app.rgx app.rgx", "verify app.rgx file", "patch app.rgx app.rgx"]
    {
        env.run(&format!("{command} --max-size 19999")).failure(3, too_large);
    }
    assert!(!env.exists("out"));
    env.run("extract --max-size 20000 app.rgx out").success();
}

#[test]
fn more_chunks_than_the_image_has_bytes_for() {
    let env = TestEnvironment::new();
    one_file(vec![0], 49_920).write(&env, "app");
    check_refused(&env, "more chunks than an image of its size has");
}

#[test]
fn a_chunk_twice_in_a_frame() {
    let env = TestEnvironment::new();
    Forged { times_listed: 2, ..one_file(vec![1; 5000], 10) }.write(&env, "app");
    check_refused(&env, "a chunk is twice in a frame");
}

#[test]
fn a_frame_longer_than_what_it_holds() {
    let env = TestEnvironment::new();
    Forged { padding: 5000, ..one_file(vec![1; 5000], 1) }.write(&env, "app");
    check_refused(&env, "a frame is longer than its chunks");
}

#[test]
fn more_operations_than_the_image_has_headers_for() {
    let env = TestEnvironment::new();
    // The skeleton's length leaves room for these operations, but three of four are too many.
    let (bytes, operations) = (28u64 << 20, 3u64 << 19);
    let lengths = std::iter::repeat_n(1, operations as usize).chain([bytes - operations]);
    Forged::new(contents_operations(lengths), vec![0; 4 << 20], 7, 0).write(&env, "app");
    check_refused(&env, "more operations than an image of its size needs");
}

#[test]
fn a_skeleton_longer_than_the_image() {
    let env = TestEnvironment::new();
    let lengths = std::iter::repeat_n(1, 4 << 20);
    Forged::new(contents_operations(lengths), vec![0; 4 << 20], 1, 0).write(&env, "app");
    check_refused(&env, "streams longer than the image");
}
