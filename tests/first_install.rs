//! What a machine without an old image fetches from a store that has held other images before.

use std::sync::atomic::{AtomicU64, Ordering};

use regrow_index::{Index, PackRef, Run};

use crate::environment::TestEnvironment;
use crate::report::{check_extract, number};
use crate::server::{Answer, Server};
use regrow_demo::{Tree, noise};

/// Files of 32 KiB, of bytes under a mask; those that `changed` chooses by their numbers are of another `version`.
fn image(version: &str, mask: u8, changed: impl Fn(usize) -> bool) -> Vec<u8> {
    let file = |number: usize| {
        let path = format!("usr/lib/file-{number:03}.so");
        let version = if changed(number) { version } else { "first" };
        let mut bytes = noise(&format!("{path} {version}"), 32 << 10);
        bytes.iter_mut().for_each(|byte| *byte &= mask);
        (path, bytes)
    };
    Tree((0..240).map(file).collect()).tar(1_700_000_000)
}

/// Of one frame of 1 MiB little is left, of another most.
fn updated(mask: u8) -> Vec<u8> {
    image("second", mask, |number| (33..63).contains(&number) || (97..101).contains(&number))
}

/// Bytes that compress by a quarter.
const SOFT: u8 = 0x3f;
/// Bytes that do not compress.
const HARD: u8 = 0xff;

struct Published {
    env: TestEnvironment,
    server: Server,
    new: Vec<u8>,
}

impl Published {
    fn new(mask: u8) -> Self {
        let (env, new) = (TestEnvironment::new(), updated(mask));
        env.write("old", &image("first", mask, |_| false));
        env.write("new", &new);
        env.run("make --store alone alone.rgx new").success();
        env.run("make old.rgx old").success();
        let server = Server::new(env.root());
        Self { env, server, new }
    }

    /// The bytes that an extract fetches.
    fn fetched(&self, arguments: &str, index: &str) -> u64 {
        if self.env.exists("out") {
            self.env.remove("out");
        }
        let report = self.env.json(&format!("extract {arguments} {} out", self.server.url(index)));
        assert!(self.env.read("out") == self.new);
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
    let published = Published::new(SOFT);
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
    let published = Published::new(SOFT);
    let env = &published.env;
    let thin = env.json("make --store thin --max-waste 100 thin-old.rgx old");
    assert_eq!(number(&thin, "chunks_rewritten"), 0);
    let report = env.json("make --store thin --max-waste 100 thin-new.rgx new");
    assert_eq!(number(&report, "chunks_rewritten"), 0, "{report}");
    env.run("make --max-waste 2.5 new.rgx new").success();
    let update = |index: &str| {
        let bytes = published.fetched("--seed old", index);
        bytes - env.read(index).len() as u64
    };
    assert_eq!(update("new.rgx"), update("thin-new.rgx"));
    // An index of a byte or two more for each place where packs change.
    assert!(env.read("new.rgx").len() < env.read("thin-new.rgx").len() + 200);
    let outcome = env.run("make --max-waste 101 new.rgx new");
    assert!(outcome.code == Some(2) && outcome.stderr.contains("from 0 to 100"), "{}", outcome.stderr);
}

#[test]
fn a_damaged_frame_is_not_written_again() {
    let published = Published::new(SOFT);
    let env = &published.env;
    for pack in env.packs("store") {
        let mut bytes = env.read(&pack);
        // Where the second frame begins, of which little is used.
        bytes[780_000..900_000].fill(0);
        env.write(&pack, &bytes);
    }
    let outcome = env.run("make new.rgx new --json").success();
    assert_eq!(number(&outcome.json(), "chunks_rewritten"), 0);
    assert!(outcome.stderr.contains("are not written again"), "{}", outcome.stderr);
}

#[test]
fn frames_that_do_not_compress_are_read_by_the_chunk() {
    let published = Published::new(HARD);
    let env = &published.env;
    let report = env.json("make new.rgx new");
    assert_eq!(number(&report, "chunks_rewritten"), 0, "dead chunks in such frames cost nothing: {report}");
    let alone = published.fetched("", "alone.rgx");
    // The dry run has a catalog of its own, or the next run would know the index.
    let dry = env.json(&format!("extract --dry-run --catalog dry-catalog {} none", published.server.url("new.rgx")));
    let first = published.fetched("", "new.rgx");
    assert!(first <= alone * 1005 / 1000, "{first} bytes are fetched, and {alone} from a store of the image alone");
    assert!(first <= published.new.len() as u64 * 1004 / 1000, "{first}");
    assert_eq!(number(&dry, "bytes_fetched"), first, "a dry run says the same");
    // A cache keeps whole frames.
    let cached = published.fetched("--cache cache", "new.rgx");
    assert!(cached > first + (1 << 20), "{cached}");
    let again = published.fetched("--cache cache", "new.rgx");
    assert!(again < 100_000, "{again}");
}

/// A host's part of such a frame is damaged: another host is asked.
#[test]
fn damaged_parts_come_from_elsewhere() {
    let published = Published::new(HARD);
    let env = &published.env;
    env.run("make new.rgx new").success();
    let wrong = Server::with(env.root(), |request| match (request.is_pack(), request.range) {
        (true, Some((first, last))) if first > 1000 && last - first < (1 << 20) => Answer::Instead(vec![7; 16 << 20]),
        _ => Answer::Serve,
    });
    let stores = format!("--store {} --store {}", wrong.url("store"), published.server.url("store"));
    env.run(&format!("extract {stores} new.rgx out")).success();
    assert!(env.read("out") == published.new);
    env.run(&format!("extract --store {} new.rgx out2", wrong.url("store"))).failure_of(&[3, 4], "");
}

/// One part of a frame is damaged, so the whole frame is fetched, and with it the other part's chunks a second time.
#[test]
fn what_arrives_twice_counts_once() {
    let image = noise("twice", 4 << 20);
    let mut seed = image.clone();
    seed[1_500_000] ^= 1;
    seed[1_900_000] ^= 1;
    let env = TestEnvironment::new();
    env.write("seed", &seed);
    env.make("new", &image);
    let parts = AtomicU64::new(0);
    let server = Server::with(env.root(), move |request| match request.range {
        Some((1_000_000..3_000_000, _)) if request.is_pack() && parts.fetch_add(1, Ordering::AcqRel) == 1 => {
            Answer::Instead(vec![7; 5 << 20])
        }
        _ => Answer::Serve,
    });
    let report = env.json(&format!("extract --connections 1 --seed seed {} out", server.url("new.rgx")));
    check_extract(&report, &image);
    let pieces = server.requests().iter().filter(|request| request.is_pack() && request.range.is_some()).count();
    assert!(number(&report, "chunks_store") > 0 && pieces > 2, "{report}");
}

/// However well chunks compress, and however many there are.
#[test]
fn packs_are_not_larger_than_they_should_be() {
    let env = TestEnvironment::new();
    let mut counted = vec![0; 12 << 20];
    counted.chunks_mut(600).zip(0_u32..).for_each(|(bytes, n)| bytes[..4].copy_from_slice(&n.to_le_bytes()));
    let mixed = [noise("mixed", 3 << 20), counted, noise("more", 1 << 20)].concat();
    env.write("mixed", &mixed);
    for (size, most) in [("400KiB", 400 << 10), ("1MiB", 1 << 20), ("3MiB", 3 << 20)] {
        env.run(&format!("make --avg-size 1KiB --pack-size {size} --store {size} {size}.rgx mixed")).success();
        let sizes: Vec<usize> = env.packs(size).iter().map(|pack| env.read(pack).len()).collect();
        assert!(sizes.iter().all(|&bytes| bytes <= most), "{size}: {sizes:?}");
        // All but the last one are nearly full.
        let all: usize = sizes.iter().sum();
        assert!(sizes.len() <= 2 + all / (most * 6 / 10), "{size}: {sizes:?}");
        env.run(&format!("extract {size}.rgx out")).success();
        assert!(env.read("out") == mixed);
        env.run(&format!("verify --store {size} {size}.rgx")).success();
    }
}

/// An image of several packs, nearly all of which a machine without a seed needs.
fn published_in_packs() -> (TestEnvironment, Vec<u8>) {
    let env = TestEnvironment::new();
    let image = image("first", SOFT, |_| false);
    env.write("image", &image);
    env.run("make --pack-size 2MiB --max-waste 100 app.rgx image").success();
    (env, image)
}

#[test]
fn a_pack_that_is_needed_whole_is_asked_for_without_a_range() {
    let (env, image) = published_in_packs();
    let server = Server::new(env.root());
    let dry = env.json(&format!("extract --dry-run --catalog dry {} none", server.url("app.rgx")));
    server.reset_counts();
    let report = env.json(&format!("extract {} out", server.url("app.rgx")));
    assert!(env.read("out") == image);
    check_extract(&report, &image);
    let packs = env.packs("store");
    assert!(packs.len() > 2);
    let whole: Vec<String> = server
        .requests()
        .iter()
        .filter(|request| request.range.is_none())
        .map(|request| request.path.clone())
        .collect();
    assert!(packs.iter().filter(|pack| whole.contains(pack)).count() >= packs.len() - 1, "{packs:?}, {whole:?}");
    // An end and the frames of each pack, and the index.
    assert!(number(&report, "requests") <= 2 * packs.len() as u64 + 1, "{report}");
    assert_eq!((&dry["bytes_fetched"], &dry["requests"]), (&report["bytes_fetched"], &report["requests"]));
    assert_eq!(number(&report, "bytes_fetched"), server.body_bytes());
    let stored: usize = packs.iter().map(|pack| env.read(pack).len()).sum();
    assert!(server.body_bytes() < stored as u64 * 102 / 100, "{} for {stored}", server.body_bytes());
    // Machines with seeds ask for ranges, and so does one that goes on.
    env.write("seed", &image[..1 << 20]);
    for (seed, output) in [("seed", "seeded"), ("image", "same")] {
        server.reset_counts();
        env.json(&format!("extract --seed {seed} {} {output}", server.url("app.rgx")));
        assert!(server.requests().iter().all(|request| !request.is_pack() || request.range.is_some()), "{seed}");
        assert!(env.read(output) == image);
    }
}

#[test]
fn a_whole_pack_that_breaks_off_goes_on_where_it_ended() {
    // What was sent before a reset may be lost, twice half a pack.
    for (answer, lost) in [(Answer::ResetInBody, 2 << 20), (Answer::Short, 0), (Answer::Status(503), 0)] {
        let (env, image) = published_in_packs();
        let failures = AtomicU64::new(0);
        let server = Server::with(env.root(), move |request| match (request.is_pack(), request.range) {
            (true, None) if failures.fetch_add(1, Ordering::AcqRel) < 2 => answer.clone(),
            _ => Answer::Serve,
        });
        let report = env.json(&format!("extract {} out", server.url("app.rgx")));
        assert!(env.read("out") == image);
        check_extract(&report, &image);
        let stored: usize = env.packs("store").iter().map(|pack| env.read(pack).len()).sum();
        assert!(server.body_bytes() < lost + stored as u64 * 104 / 100, "{} for {stored}", server.body_bytes());
    }
}

#[test]
fn a_whole_pack_without_an_end_is_not_read_for_ever() {
    let (env, image) = published_in_packs();
    let endless = Server::with(env.root(), |request| match (request.is_pack(), request.range) {
        (true, None) => Answer::Endless { is_sized: true },
        _ => Answer::Serve,
    });
    let good = Server::new(env.root());
    let stores = format!("--store {} --store {}", endless.url("store"), good.url("store"));
    env.run(&format!("extract {stores} app.rgx out")).success();
    assert!(env.read("out") == image);
}
