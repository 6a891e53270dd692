//! Indexes and packs that are wrong on purpose: their checksums hold, but their statements do not.

use regrow_chunker::{PackId, SegmentId};
use regrow_index::{Index, Run};

use crate::environment::{Outcome, TestEnvironment};
use regrow_demo::{Tree, pick};

struct Site {
    env: TestEnvironment,
    image: Vec<u8>,
}

impl Site {
    fn new() -> Self {
        let env = TestEnvironment::new();
        let old = Tree::sample("hostile", 70);
        env.make("old", &old.tar(4));
        let image = old.changed(9).tar(5);
        env.make("app", &image);
        env.write("out", b"old");
        Self { env, image }
    }

    /// Checks for the right bytes, or a failure with one line that leaves the old output. The command must stay
    /// within `ulimit`.
    #[track_caller]
    fn check(&self, what: &str) -> Option<Outcome> {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -v 1500000; exec \"$0\" \"$@\"", crate::environment::REGROW]);
        command.args(["-q", "extract", "app.rgx", "out"]).current_dir(self.env.root());
        command.env("REGROW_MIN_AVG_SIZE", "1KiB");
        let outcome = Outcome::of(
            command.env("XDG_CACHE_HOME", self.env.path("home-cache")).env("REGROW_STATE", self.env.path("home-state")),
        );
        if outcome.code == Some(0) {
            assert!(self.env.read("out") == self.image, "{what}");
            self.env.write("out", b"old");
            return None;
        }
        assert!(matches!(outcome.code, Some(1..=4)), "{what}: {:?} {}", outcome.code, outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{what}: {}", outcome.stderr);
        assert_eq!(self.env.read("out"), b"old", "{what}");
        Some(outcome)
    }
}

#[test]
fn any_byte_of_an_index_with_a_checksum_that_holds() {
    let site = Site::new();
    let index = site.env.read("app.rgx");
    let body = index.len() - 32;
    let mut odd = Vec::new();
    for n in 0..120 {
        let mut bytes = index[..body].to_vec();
        let place = if n < 60 { 16 + n } else { 16 + pick(&format!("place {n}"), body as u64 - 16) as usize };
        bytes[place] = if n % 3 == 0 { 0xff } else { pick(&format!("value {n}"), 256) as u8 };
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        site.env.write("app.rgx", &bytes);
        if let Some(outcome) =
            site.check(&format!("byte {place}")).filter(|outcome| !matches!(outcome.code, Some(3 | 4)))
        {
            odd.push(format!("byte {place}: {:?}: {}", outcome.code, outcome.stderr));
        }
    }
    assert!(odd.is_empty(), "not told as damage:\n{}", odd.concat());
}

type Change = fn(&mut Index);

#[test]
fn indexes_that_contradict_themselves() {
    let site = Site::new();
    let index = Index::decode(&site.env.read("app.rgx")).unwrap();
    let changes: [(&str, Change); 29] = [
        ("a huge image", |index| index.image_bytes = 1 << 60),
        ("an image of all bytes", |index| index.image_bytes = u64::MAX),
        ("a larger image", |index| index.image_bytes += 1),
        ("a smaller image", |index| index.image_bytes -= 1),
        ("another digest", |index| index.image_digest[0] ^= 1),
        ("more contents", |index| index.contents.bytes += 1),
        ("huge contents", |index| index.contents.bytes = u64::MAX / 2),
        ("a huge skeleton", |index| index.skeleton.bytes = 1 << 50),
        ("fewer chunks", |index| index.contents.chunks -= 1),
        ("streams swapped", |index| std::mem::swap(&mut index.skeleton, &mut index.contents)),
        ("segments in another order", |index| index.contents.segments.reverse()),
        ("a segment twice", |index| index.contents.segments.extend_from_within(..1)),
        ("a segment that is nowhere", |index| index.contents.segments[0].id = SegmentId::default()),
        ("a segment with other records", |index| index.contents.segments[0].records += 1),
        ("no segments", |index| index.contents.segments.clear()),
        ("a pack that is nowhere", |index| index.packs[0].id = PackId::default()),
        ("a huge pack", |index| index.packs[0].bytes = u64::MAX),
        ("a longer pack", |index| index.packs[0].bytes += 1000),
        ("a tail elsewhere", |index| index.packs[0].tail_at -= 1),
        ("a skeleton elsewhere", |index| index.packs[0].skeleton_at = 0),
        ("chunks in another pack", |index| index.chunk_runs[0].pack ^= 1),
        ("runs of too many", |index| index.chunk_runs[0].count = u64::MAX),
        ("runs of too few", |index| index.chunk_runs.truncate(1)),
        ("runs in no pack", |index| index.chunk_runs[0].pack = u32::MAX),
        ("segments in another pack", |index| {
            index.segment_runs = vec![Run { count: index.segments().count() as u64, pack: 0 }]
        }),
        ("no packs", |index| index.packs.clear()),
        ("a store elsewhere", |index| index.store = "/etc".into()),
        ("a store upwards", |index| index.store = "../../../../../../nowhere".into()),
        ("a store that is a URL", |index| index.store = "http://127.0.0.1:9/".into()),
    ];
    let mut odd = Vec::new();
    for (what, change) in changes {
        let mut wrong = index.clone();
        change(&mut wrong);
        site.env.write("app.rgx", &wrong.encode());
        let codes: &[i32] = if what.starts_with("a store") { &[2, 3, 4] } else { &[3, 4] };
        if let Some(outcome) = site.check(what).filter(|outcome| !codes.contains(&outcome.code.unwrap())) {
            odd.push(format!("{what}: {:?}: {}", outcome.code, outcome.stderr));
        }
    }
    assert!(odd.is_empty(), "not told as damage:\n{}", odd.concat());
}

#[test]
fn any_byte_of_a_packs_end_with_a_checksum_that_holds() {
    let site = Site::new();
    let index = Index::decode(&site.env.read("app.rgx")).unwrap();
    let reference = index.packs[0];
    let name = site.env.packs("store").into_iter().find(|name| name.contains(&reference.id.to_string())).unwrap();
    let pack = site.env.read(&name);
    let (tail, end) = (reference.tail_at as usize, pack.len() - 96);
    let mut odd = Vec::new();
    for n in 0..120 {
        let mut bytes = pack.clone();
        let place = match n {
            0..40 => end - 1 - n,
            40..60 => pack.len() - 96 + n - 40,
            _ => tail + pick(&format!("pack {n}"), (end - tail) as u64) as usize,
        };
        bytes[place] = if n % 3 == 0 { 0xff } else { pick(&format!("value {n}"), 256) as u8 };
        if place < end {
            let checksum = *blake3::hash(&bytes[tail..end]).as_bytes();
            bytes[end + 32..end + 64].copy_from_slice(&checksum);
        }
        site.env.write(&name, &bytes);
        if let Some(outcome) =
            site.check(&format!("byte {place}")).filter(|outcome| !matches!(outcome.code, Some(3 | 4)))
        {
            odd.push(format!("byte {place}: {:?}: {}", outcome.code, outcome.stderr));
        }
    }
    assert!(odd.is_empty(), "not told as damage:\n{}", odd.concat());
}
