//! Sound inputs that once cost far more than they are worth.

use std::fs::File;
use std::io::Write;

use super::forge::limited;
use crate::environment::TestEnvironment;

/// A disk image that begins as an index does is no index, and is never held in memory.
#[test]
fn a_seed_that_begins_like_an_index() {
    let env = TestEnvironment::new();
    env.make("app", &vec![7; 100_000]);
    let seed = env.path("seed");
    let mut file = File::create(&seed).unwrap();
    file.write_all(&regrow_index::MAGIC).unwrap();
    file.write_all(&[1, 0, 0, 0, 0, 0, 0, 1]).unwrap();
    file.set_len(1 << 30).unwrap();
    let seed_arguments = "-q extract --seed seed app.rgx out";
    // Zeros are cut into the largest chunks, so this is quick; what would be read at once would not fit.
    limited(&env, "", seed_arguments).success();
    assert!(env.read("out") == vec![7; 100_000]);
}
