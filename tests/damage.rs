//! Indexes and packs that are cut or flipped anywhere. They give an error that names them, and nothing is written.

use crate::environment::{Outcome, TestEnvironment};
use regrow_demo::{Tree, pick};

/// The most memory that a damaged file may make the command take.
const MEMORY_KIB: u64 = 1_500_000;

struct Site {
    env: TestEnvironment,
    image: Vec<u8>,
}

impl Site {
    fn new() -> Self {
        let env = TestEnvironment::new();
        let old = Tree::sample("damage", 90);
        env.make("old", &old.tar(4));
        let image = old.changed(9).tar(5);
        env.make("app", &image);
        assert!(env.packs_of("app.rgx").len() > 1);
        env.write("out", b"old");
        Self { env, image }
    }

    /// Extracts with bounded memory. The result must be the right bytes, or a failure with code 3 or 4 that names
    /// `about` and leaves the old output.
    #[track_caller]
    fn check(&self, what: &str, about: &str) -> bool {
        let limited = format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &limited, crate::environment::REGROW, "-q", "extract", "app.rgx", "out"]);
        command.current_dir(self.env.root()).env("XDG_CACHE_HOME", self.env.path("home-cache"));
        command.env("REGROW_STATE", self.env.path("home-state"));
        command.env("REGROW_MIN_AVG_SIZE", "1KiB");
        let outcome = Outcome::of(&mut command);
        if outcome.code == Some(0) {
            assert!(self.env.read("out") == self.image, "{what}");
            self.env.write("out", b"old");
            return true;
        }
        assert!(matches!(outcome.code, Some(3 | 4)), "{what}: {:?}: {}", outcome.code, outcome.stderr);
        outcome.failure_of(&[3, 4], about);
        assert_eq!(self.env.read("out"), b"old", "{what}");
        false
    }
}

/// Offsets in a file: its borders, and some in between.
fn places(name: &str, bytes: usize, count: usize) -> Vec<usize> {
    let mut places = vec![0, 1, 7, 8, 12, 15, 16, bytes / 2, bytes - 33, bytes - 32, bytes - 1];
    places.extend((0..count).map(|n| pick(&format!("{name} {n}"), bytes as u64) as usize));
    places.retain(|&place| place < bytes);
    places
}

#[test]
fn an_index_that_is_cut_or_flipped() {
    let site = Site::new();
    let index = site.env.read("app.rgx");
    for place in places("index", index.len(), 30) {
        site.env.write("app.rgx", &index[..place]);
        assert!(!site.check(&format!("cut at {place}"), "app.rgx"));
        let mut flipped = index.clone();
        flipped[place] ^= 1 << (place % 8);
        site.env.write("app.rgx", &flipped);
        assert!(!site.check(&format!("flipped at {place}"), "app.rgx"));
    }
    site.env.write("app.rgx", &[index.as_slice(), &[0]].concat());
    assert!(!site.check("a byte more", "app.rgx"));
    site.env.write("app.rgx", &index);
    assert!(site.check("whole", ""));
}

#[test]
fn packs_that_are_cut() {
    let site = Site::new();
    for pack in site.env.packs_of("app.rgx") {
        let bytes = site.env.read(&pack);
        let name = pack.rsplit('/').next().unwrap().strip_suffix(".pack").unwrap();
        for place in places(&pack, bytes.len(), 8) {
            site.env.write(&pack, &bytes[..place]);
            assert!(!site.check(&format!("{pack} cut at {place}"), name));
        }
        site.env.write(&pack, &bytes);
    }
}

#[test]
fn packs_with_flipped_bits() {
    let site = Site::new();
    let mut failures = 0;
    for pack in site.env.packs_of("app.rgx") {
        let bytes = site.env.read(&pack);
        let name = pack.rsplit('/').next().unwrap().strip_suffix(".pack").unwrap();
        let tail = places(&pack, 600.min(bytes.len()), 8).into_iter().map(|place| bytes.len() - 1 - place);
        for place in places(&pack, bytes.len(), 10).into_iter().chain(tail) {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            site.env.write(&pack, &flipped);
            failures += u32::from(!site.check(&format!("{pack} flipped at {place}"), name));
        }
        site.env.write(&pack, &bytes);
    }
    assert!(failures > 40, "only the first bytes and the zeros of a pack are not read: {failures}");
}

#[test]
fn packs_that_are_other_packs() {
    let site = Site::new();
    let packs = site.env.packs_of("app.rgx");
    let (first, second) = (site.env.read(&packs[0]), site.env.read(&packs[1]));
    let name = packs[0].rsplit('/').next().unwrap().strip_suffix(".pack").unwrap();
    for bytes in [&second, &Vec::new(), &vec![0; first.len()]] {
        site.env.write(&packs[0], bytes);
        assert!(!site.check("another pack", name));
    }
    // Bytes behind a pack are not read.
    site.env.write(&packs[0], &[first.as_slice(), &second].concat());
    site.check("a longer pack", name);
}

#[test]
fn a_store_that_is_no_store() {
    let site = Site::new();
    for text in ["", "{}", "[]", "{\"format\":99}", "nonsense"] {
        site.env.write("store/regrow.json", text.as_bytes());
        site.env.run("make other.rgx app").failure(3, "regrow.json");
        assert!(!site.env.exists("other.rgx"));
    }
    let description = r#"{"format":1,"walk":1,"chunk_min":5,"chunk_avg":4,"chunk_max":3}"#;
    site.env.write("store/regrow.json", description.as_bytes());
    site.env.run("make other.rgx app").failure_of(&[2, 3], "regrow.json");
    let description = r#"{"format":1,"walk":99,"chunk_min":256,"chunk_avg":1024,"chunk_max":4096}"#;
    site.env.write("store/regrow.json", description.as_bytes());
    site.env.run("make other.rgx app").failure_of(&[2, 3], "store");
}
