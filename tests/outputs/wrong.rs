//! An image that does not match its index. The message differs for each kind of output.

use super::*;

const MIB: usize = 1 << 20;

#[test]
fn a_file_is_not_replaced() {
    let env = TestEnvironment::new();
    env.make("new", &noise("wrong", 300_000));
    spoil(&env, "new.rgx");
    env.write("out", b"old");
    env.run("extract new.rgx out").failure(3, "the index states; nothing was replaced");
    assert_eq!(env.read("out"), b"old");
}

#[test]
fn a_target_in_place_does_not_look_like_an_image() {
    let (old, new) = (noise("in place, old", 3 * MIB), noise("in place, new", 5 * MIB));
    for coded in [false, true] {
        let env = TestEnvironment::new();
        let image = if coded { coded_image() } else { new.clone() };
        env.make("new", &image);
        let right = env.read("new.rgx");
        env.write("out", &old);
        spoil(&env, "new.rgx");
        let outcome = env.run("extract --in-place new.rgx out");
        outcome.failure(3, "the target was overwritten and is not the image; its first MiB was not written");
        let left = env.read("out");
        assert!(left[..MIB].iter().all(|&byte| byte == 0), "its first MiB is there");
        assert!(left[MIB..image.len().min(old.len())] == image[MIB..image.len().min(old.len())]);
        env.write("new.rgx", &right);
        env.run("extract --in-place new.rgx out").success();
        assert!(env.read("out") == image);
    }
}

#[test]
fn a_pipe_gets_no_end() {
    for image in [noise("small", 300_000), noise("large", 9 * MIB), coded_image()] {
        let env = TestEnvironment::new();
        env.make("new", &image);
        assert!(env.run("extract new.rgx -").success().stdout == image);
        spoil(&env, "new.rgx");
        let outcome = env.run("extract new.rgx -");
        assert_eq!(outcome.stdout.len(), image.len().saturating_sub(4 * MIB));
        assert!(image.starts_with(&outcome.stdout));
        outcome.failure_with_output(3, "the last 4 MiB were held back");
    }
}
