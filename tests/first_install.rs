//! What a machine without an old image fetches from a store that has held other images before.

use regrow_index::{Index, PackRef, Run};

use crate::environment::TestEnvironment;
use crate::images::{Tree, noise};
use crate::report::number;
use crate::server::Server;

/// Files of 32 KiB; those that `changed` chooses by their numbers are of another `version`.
fn image(version: &str, changed: impl Fn(usize) -> bool) -> Vec<u8> {
    let file = |number: usize| {
        let path = format!("usr/lib/file-{number:03}.so");
        let version = if changed(number) { version } else { "first" };
        let bytes = noise(&format!("{path} {version}"), 32 << 10);
        (path, bytes)
    };
    Tree((0..240).map(file).collect()).tar(1_700_000_000)
}

/// Of one frame of 1 MiB little is left, of another most.
fn updated() -> Vec<u8> {
    image("second", |number| (33..63).contains(&number) || (97..101).contains(&number))
}

struct Published {
    env: TestEnvironment,
    server: Server,
}

impl Published {
    fn new() -> Self {
        let env = TestEnvironment::new();
        env.write("old", &image("first", |_| false));
        env.write("new", &updated());
        env.run("make --store alone alone.rgx new").success();
        env.run("make old.rgx old").success();
        let server = Server::new(env.root());
        Self { env, server }
    }

    /// The bytes that an extract fetches.
    fn fetched(&self, arguments: &str, index: &str) -> u64 {
        self.env.remove("out");
        let report = self.env.json(&format!("extract {arguments} {} out", self.server.url(index)));
        assert!(self.env.read("out") == updated());
        number(&report, "bytes_fetched")
    }
}

/// What an index says of places.
fn places(env: &TestEnvironment, index: &str) -> (Vec<PackRef>, Vec<Run>, Vec<Run>) {
    let index = Index::decode(&env.read(index)).unwrap();
    (index.packs, index.chunk_runs, index.segment_runs)
}

#[test]
fn dead_chunks_around_live_ones_are_not_fetched() {
    let published = Published::new();
    let env = &published.env;
    let report = env.json("make new.rgx new");
    assert!((1..=4).contains(&number(&report, "chunks_rewritten")), "{report}");
    let alone = published.fetched("", "alone.rgx");
    let first = published.fetched("", "new.rgx");
    assert!(first <= alone * 103 / 100, "{first} bytes are fetched, and {alone} from a store of the image alone");
    // Again as before: the store holds all of it, and the copies that are used are those that were written last.
    let report = env.json("make again.rgx new");
    assert_eq!((number(&report, "bytes_stored"), number(&report, "chunks_rewritten")), (0, 0), "{report}");
    assert!(places(env, "again.rgx") == places(env, "new.rgx"));
    let report = env.json("make --like new.rgx like.rgx new");
    assert_eq!(number(&report, "bytes_stored"), 0, "{report}");
    assert!(places(env, "like.rgx") == places(env, "new.rgx"));
    env.run("verify --store store old.rgx new.rgx").success();
    env.run("extract old.rgx out").success();
    assert!(env.read("out") == env.read("old"));
}

#[test]
fn updates_fetch_nothing_of_what_is_written_again() {
    let published = Published::new();
    let env = &published.env;
    let thin = env.json("make --store thin/store --max-waste 100 thin/old.rgx old");
    assert_eq!(number(&thin, "chunks_rewritten"), 0);
    let report = env.json("make --store thin/store --max-waste 100 thin/new.rgx new");
    assert_eq!(number(&report, "chunks_rewritten"), 0, "{report}");
    env.run("make --max-waste 2.5 new.rgx new").success();
    let update = |index: &str| {
        let bytes = published.fetched("--seed old", index);
        bytes - env.read(index).len() as u64
    };
    assert_eq!(update("new.rgx"), update("thin/new.rgx"));
    // An index of a byte or two more for each place where packs change.
    assert!(env.read("new.rgx").len() < env.read("thin/new.rgx").len() + 200);
    env.run("make --max-waste 101 new.rgx new").failure(2, "0 to 100");
}

#[test]
fn a_damaged_frame_is_not_written_again() {
    let published = Published::new();
    let env = &published.env;
    for pack in env.packs("store") {
        let mut bytes = env.read(&pack);
        // In the second frame, of which little is used.
        bytes[(1 << 20) + (1 << 19)] ^= 1;
        env.write(&pack, &bytes);
    }
    let outcome = env.run("make new.rgx new --json").success();
    assert_eq!(number(&outcome.json(), "chunks_rewritten"), 0);
    assert!(outcome.stderr.contains("are not written again"), "{}", outcome.stderr);
}
