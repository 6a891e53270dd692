//! The user's files stay as they were: modes, links, and files that were named by mistake.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::environment::TestEnvironment;
use crate::report::number;
use regrow_demo::noise;

#[test]
fn an_output_keeps_its_mode() {
    let env = TestEnvironment::new();
    let image = noise("mode", 50_000);
    env.make("new", &image);
    let out = env.write("out", b"old");
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o600)).unwrap();
    env.run("extract new.rgx out").success();
    assert!(env.read("out") == image);
    assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_link_to_an_output_stays_a_link() {
    let env = TestEnvironment::new();
    let image = noise("link", 50_000);
    env.make("new", &image);
    env.write("real", b"old");
    symlink("real", env.path("out")).unwrap();
    env.run("extract new.rgx out").success();
    assert!(env.path("out").is_symlink());
    assert!(env.read("real") == image);
}

#[test]
fn a_file_that_is_no_catalog_is_left_alone() {
    let env = TestEnvironment::new();
    let image = noise("catalog", 50_000);
    env.make("new", &image);
    env.write("seed", &image);
    let outcome = env.run("extract --catalog seed --seed seed new.rgx out").success();
    assert!(outcome.stderr.contains("is not a catalog"), "{}", outcome.stderr);
    assert!(env.read("out") == image && env.read("seed") == image);
    assert!(!env.exists("seed.unusable"));
}

#[test]
fn a_dry_run_on_a_local_store_costs_nothing_on_the_wire() {
    let env = TestEnvironment::new();
    env.make("new", &noise("dry", 500_000));
    let dry = env.json("extract --dry-run new.rgx out");
    let real = env.json("extract new.rgx out");
    for key in ["bytes_fetched", "requests"] {
        assert_eq!((number(&dry, key), number(&real, key)), (0, 0), "{key}");
    }
}

/// The image is one chunk a hundred thousand times. Work per chunk must not be repeated for each place.
#[test]
fn an_image_of_zeros_is_its_own_seed() {
    let env = TestEnvironment::new();
    let image = vec![0; 100_000 * 256];
    env.write("zeros", &image);
    env.run("make --avg-size 256 new.rgx zeros").success();
    let report = env.json("extract --seed zeros new.rgx out");
    assert!(env.read("out") == image);
    assert_eq!(number(&report, "chunks_seed"), number(&report, "chunks"));
}
