//! Outputs whose names, places and contents some file systems treat differently.

use std::os::unix::fs::{FileExt, MetadataExt};

use crate::disk::SmallDisk;
use crate::environment::TestEnvironment;
use crate::report::number;
use regrow_demo::{noise, versions};

#[test]
fn names_as_long_as_they_can_be() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    for len in [241, 242, 243, 254, 255] {
        let name = "n".repeat(len);
        env.write(&format!("out/{name}"), &old);
        env.run(&format!("extract new.rgx out/{name}")).success();
        assert!(env.read(&format!("out/{name}")) == new);
    }
    assert_eq!(env.files("out").len(), 5, "nothing is left: {:?}", env.files("out"));
}

/// An image of 40 MiB of zeros, except for two pieces that begin in the middle of a block.
fn sparse_image() -> Vec<u8> {
    let mut image = vec![0; 40 << 20];
    for at in [5_000_001, 30_000_003] {
        image[at..at + 500_000].copy_from_slice(&noise("sparse", 500_000));
    }
    image
}

fn used_bytes(env: &TestEnvironment, name: &str) -> u64 {
    env.path(name).metadata().unwrap().blocks() * 512
}

#[test]
fn holes_stay_holes() {
    let image = sparse_image();
    let env = TestEnvironment::new();
    env.write("image", &image);
    env.run("make new.rgx image").success();
    // The image comes from a store, and from a seed.
    env.run("extract new.rgx out").success();
    env.run("extract --seed image new.rgx seeded").success();
    // The image is written in place into a file that grows.
    env.write("grown", b"old");
    env.run("extract --in-place new.rgx grown").success();
    for name in ["out", "seeded", "grown"] {
        assert!(env.read(name) == image, "{name}");
        let used = used_bytes(&env, name);
        assert!(used < 4 << 20, "{name} takes {used} bytes");
    }
}

/// A part file may hold other bytes where zeros belong.
#[test]
fn zeros_over_what_was_there() {
    let image = sparse_image();
    let env = TestEnvironment::new();
    env.write("image", &image);
    env.run("make new.rgx image").success();
    let garbage = vec![7; image.len()];
    for (name, option) in [(".out.regrow-part", ""), ("out", "--in-place ")] {
        let path = env.write(name, &garbage);
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let report = env.json(&format!("extract {option}new.rgx out"));
        assert!(env.read("out") == image, "{report}");
        env.remove("out");
    }
    // A part that was cut off is continued, and its holes stay.
    let part = std::fs::File::create(env.path(".out.regrow-part")).unwrap();
    part.set_len(image.len() as u64).unwrap();
    part.write_all_at(&image[5_000_000..5_500_001], 5_000_000).unwrap();
    std::fs::set_permissions(env.path(".out.regrow-part"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    let report = env.json("extract new.rgx out");
    assert!(env.read("out") == image && number(&report, "chunks_resumed") > 0, "{report}");
    assert!(used_bytes(&env, "out") < 4 << 20);
}

#[test]
fn holes_need_no_room() {
    let image = sparse_image();
    let env = TestEnvironment::new();
    env.write("image", &image);
    env.run("make new.rgx image").success();
    let Some(disk) = SmallDisk::mount(&env, "3m") else { return };
    env.run("extract new.rgx small/out").success();
    assert!(env.read("small/out") == image);
    env.remove("small/out");
    disk.resize("500k");
    env.run("extract new.rgx small/out").failure(1, "bytes of room are needed there");
    assert_eq!(env.files("small"), [""; 0]);
}
