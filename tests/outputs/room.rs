//! Disks without room for the image. The error comes before anything is written.

use super::*;
use crate::disk::SmallDisk;

#[test]
fn an_output_that_does_not_fit() {
    let env = TestEnvironment::new();
    let image = noise("room", 3_000_000);
    env.make("new", &image);
    let Some(disk) = SmallDisk::mount(&env, "2500k") else { return };
    env.write("small/out", b"old");
    let server = Server::new(env.root());
    let outcome = env.run(&format!("extract {} small/out", server.url("new.rgx")));
    outcome.failure(1, "small: 3000000 bytes of room are needed there, and ");
    assert_eq!(server.requests().iter().filter(|request| request.is_pack()).count(), 0, "nothing was fetched");
    assert_eq!(env.files("small"), ["small/out"]);
    // A part that is there counts.
    let mut part = image.clone();
    part.truncate(1_500_000);
    disk.resize("3300k");
    let path = env.write("small/.out.regrow-part", &part);
    set_mode(&path, 0o600);
    let report = env.json("extract new.rgx small/out");
    assert!(env.read("small/out") == image && number(&report, "chunks_resumed") > 0, "{report}");
}

#[test]
fn compressed_layers_need_room_for_both() {
    let env = TestEnvironment::new();
    let image = coded_image();
    let made = env.make("new", &image);
    // There is room for the image, but not also for the data that it is made from.
    let Some(disk) = SmallDisk::mount(&env, &image.len().next_multiple_of(4096).to_string()) else { return };
    env.run("extract new.rgx small/out").failure(1, "bytes of room are needed there");
    assert_eq!(env.files("small"), Vec::<String>::new());
    disk.resize(&(number(&made, "image_bytes") * 2 + number(&made, "bytes_new")).to_string());
    env.run("extract new.rgx small/out").success();
    assert!(env.read("small/out") == image);
}

#[test]
fn a_pipe_needs_room_for_what_it_fetches() {
    let env = TestEnvironment::new();
    let image = noise("pipe room", 3_000_000);
    env.make("new", &image);
    let Some(_disk) = SmallDisk::mount(&env, "2500k") else { return };
    let mut command = env.command("extract new.rgx -");
    let outcome = Outcome::of(command.env("TMPDIR", env.path("small")));
    outcome.failure_with_output(1, "small: 3000000 bytes of room are needed there");
    // Bytes that a seed has take no room.
    let mut command = env.command("extract --seed new new.rgx -");
    assert!(Outcome::of(command.env("TMPDIR", env.path("small"))).success().stdout == image);
}

#[test]
fn a_file_in_place_that_would_grow_too_much() {
    let env = TestEnvironment::new();
    env.make("new", &noise("grow", 3_000_000));
    let Some(_disk) = SmallDisk::mount(&env, "2500k") else { return };
    env.write("small/out", b"old");
    env.run("extract --in-place new.rgx small/out").failure(1, "bytes of room are needed there");
    assert_eq!(env.read("small/out"), b"old");
}

#[test]
fn a_file_in_place_with_holes() {
    let env = TestEnvironment::new();
    let mut image = noise("holes", 1_000_000);
    image.resize(3_000_000, 0);
    env.make("new", &image);
    let mut old = image.clone();
    old[600_000] ^= 1;
    let Some(_disk) = SmallDisk::mount(&env, "2500k") else { return };
    let out = env.write("small/out", &old[..1_000_000]);
    std::fs::File::options().write(true).open(&out).unwrap().set_len(3_000_000).unwrap();
    env.run("extract --in-place new.rgx small/out").success();
    assert!(env.read("small/out") == image);
}
