//! Patches that are damaged, or wrong on purpose with a checksum that holds. They cause a warning at most, never a
//! wrong byte.

use regrow_delta::{Coding, DeltaEncoder, Op};

use super::*;
use crate::environment::REGROW;
use regrow_demo::{noise, pick};

/// The patch with a checksum that holds.
pub(crate) fn sealed(mut patch: Vec<u8>) -> Vec<u8> {
    let end = patch.len() - 32;
    let checksum = blake3::hash(&patch[..end]);
    patch[end..].copy_from_slice(checksum.as_bytes());
    patch
}

/// A site whose patch is replaced.
struct Field {
    site: Site,
    server: Server,
    name: String,
    patch: Vec<u8>,
}

/// The outcome of an extract with a strange patch.
struct Told {
    warnings: usize,
    chunks_patch: u64,
    chunks_store: u64,
}

impl Field {
    fn new() -> Self {
        let site = Site::new();
        let (server, name) = (Server::new(site.env.root()), site.patch());
        Self { server, patch: site.env.read(&name), name, site }
    }

    /// Extracts with this patch. The result must be the right image, within `ulimit`, with at most one line, which
    /// names the patch.
    #[track_caller]
    fn try_patch(&self, what: &str, patch: &[u8]) -> Told {
        self.site.env.write(&self.name, patch);
        let url = self.server.url("new.rgx");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -v 1000000; exec \"$0\" \"$@\"", REGROW, "extract", "--json", "--seed", "old"]);
        command.args([&url, "out"]).current_dir(self.site.env.root());
        command
            .env("MALLOC_ARENA_MAX", "2")
            .env("REGROW_MIN_AVG_SIZE", "1KiB")
            .env("HOME", self.site.env.root())
            .env("XDG_CACHE_HOME", self.site.env.path("home-cache"))
            .env("REGROW_STATE", self.site.env.path("home-state"));
        let outcome = Outcome::of(command.env("TMPDIR", self.site.env.path("scratch")));
        assert_eq!(outcome.code, Some(0), "{what}: {}", outcome.stderr);
        assert!(self.site.env.read("out") == self.site.new, "{what}");
        self.site.env.remove("out");
        self.site.check_nothing_is_left();
        let (warnings, report) = (warnings(&outcome), outcome.json());
        check_extract(&report, &self.site.new);
        assert!(warnings.len() <= 1, "{what}: {}", outcome.stderr);
        assert!(warnings.iter().all(|line| line.contains(&self.name["store/".len()..])), "{what}: {warnings:?}");
        Told {
            warnings: warnings.len(),
            chunks_patch: number(&report, "chunks_patch"),
            chunks_store: number(&report, "chunks_store"),
        }
    }

    /// Extracts with this patch, which must be reported and give nothing.
    #[track_caller]
    fn check_refused(&self, what: &str, patch: &[u8]) {
        let told = self.try_patch(what, patch);
        assert_eq!((told.warnings, told.chunks_patch), (1, 0), "{what}");
        assert!(told.chunks_store > 0, "{what}");
    }

    /// Extracts with this patch, which must be reported if it gives less than everything.
    #[track_caller]
    fn check(&self, what: &str, patch: &[u8]) {
        let told = self.try_patch(what, patch);
        if told.chunks_store > 0 && told.chunks_patch > 0 {
            assert_eq!(told.warnings, 1, "{what}");
        }
    }

    fn with(&self, at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut patch = self.patch.clone();
        patch[at..at + bytes.len()].copy_from_slice(bytes);
        sealed(patch)
    }
}

/// A body of these ops without a base.
pub(crate) fn body(ops: &[Op], coding: Coding) -> Vec<u8> {
    let bytes = ops.iter().map(Op::target_bytes).sum();
    let mut out = Vec::new();
    let mut encoder = DeltaEncoder::new(&[][..], bytes, coding, 1, &mut out).unwrap();
    ops.iter().for_each(|op| encoder.push(op).unwrap());
    encoder.finish().unwrap();
    out
}

/// Ops that state these bytes as literals. In the streams coding each op is bounded; in the other only the last op
/// may lack a copy.
pub(crate) fn literals(bytes: &[u8], coding: Coding) -> Vec<Op> {
    let most = if coding == Coding::Streams { 60_000 } else { bytes.len() };
    bytes.chunks(most).map(|bytes| Op { literal: bytes.to_vec(), ..Op::default() }).collect()
}

impl Field {
    /// The patch with these member lists.
    fn with_lists(&self, lists: &[u8]) -> Vec<u8> {
        let number = |at: usize| u32::from_le_bytes(self.patch[at..at + 4].try_into().unwrap()) as usize;
        let stored = body(&literals(lists, Coding::Streams), Coding::Streams);
        let mut patch = [&self.patch[..128], &stored, &self.patch[128 + number(112)..]].concat();
        let bytes = patch.len() as u64;
        patch[80..88].copy_from_slice(&bytes.to_le_bytes());
        patch[112..116].copy_from_slice(&(stored.len() as u32).to_le_bytes());
        patch[116..120].copy_from_slice(&(lists.len() as u32).to_le_bytes());
        sealed(patch)
    }
}

#[test]
fn damaged_on_the_way() {
    let field = Field::new();
    let len = field.patch.len();
    for n in 0..40 {
        let place = pick(&format!("flip {n}"), len as u64) as usize;
        // The numbers that decide are read before the whole patch has come.
        if !(88..96).contains(&place) {
            let mut patch = field.patch.clone();
            patch[place] ^= 1 << (n % 8);
            field.check_refused(&format!("flip at {place}"), &patch);
        }
    }
    for cut in [0, 1, 50, 127, 128, 129, 159, 160, len / 3, len / 2, len - 33, len - 32, len - 1] {
        field.check_refused(&format!("cut at {cut}"), &field.patch[..cut]);
    }
    field.check_refused("more", &[&field.patch[..], b"more"].concat());
    field.check_refused("noise", &noise("patch", len));
    field.check_refused("a page", b"<html>Sorry, but we have moved. This is said with a good status.</html>");
    assert!(field.try_patch("right again", &field.patch).chunks_patch > 0);
}

#[test]
fn another_patch() {
    let field = Field::new();
    let env = &field.site.env;
    env.run("patch --patch-level 1 --old new --new old new.rgx old.rgx").success();
    let reverse = env.files("store/patches").into_iter().find(|name| *name != field.name).unwrap();
    let reverse = env.read(&reverse);
    field.check_refused("the other way", &reverse);
    field.check_refused("a pack", &env.read(&env.packs("store")[0]));
    field.check_refused("an index", &env.read("new.rgx"));
    // The patch claims to be the right one.
    let mut lies = reverse;
    lies[16..80].copy_from_slice(&field.patch[16..80]);
    field.check("the other way, with the right names", &sealed(lies));
}

#[test]
fn headers_that_lie() {
    let field = Field::new();
    for (what, patch) in [
        ("version", field.with(8, &2u32.to_le_bytes())),
        ("rebuilder", field.with(12, &99u32.to_le_bytes())),
        ("base", field.with(16, &[7; 32])),
        ("target", field.with(48, &[7; 32])),
        ("size", field.with(80, &(1u64 << 60).to_le_bytes())),
        ("stored lists", field.with(112, &u32::MAX.to_le_bytes())),
        ("plain lists", field.with(116, &u32::MAX.to_le_bytes())),
        ("no lists", field.with(112, &[0; 8])),
        ("fewer lists", field.with(112, &1u32.to_le_bytes())),
        ("more plain lists", field.with(116, &(16u32 << 20).to_le_bytes())),
    ] {
        field.check_refused(what, &patch);
    }
    for claim in [0, 1, 1 << 20, 1 << 60, u64::MAX] {
        field.check(&format!("{claim} bytes expanded"), &field.with(120, &claim.to_le_bytes()));
        field.check(&format!("{claim} chunks"), &field.with(96, &claim.to_le_bytes()));
        field.check(&format!("{claim} plain bytes"), &field.with(104, &claim.to_le_bytes()));
        field.check(&format!("{claim} bytes as chunks"), &field.with(88, &claim.to_le_bytes()));
    }
}

#[test]
fn numbers_of_a_report_fit_whatever_a_header_says() {
    let field = Field::new();
    for at in [88, 96, 104] {
        field.site.env.write(&field.name, &field.with(at, &u64::MAX.to_le_bytes()));
        let url = field.server.url("new.rgx");
        let report = field.site.env.json(&format!("extract --dry-run --seed old {url} out"));
        let sum = number(&report, "chunks_patch") + number(&report, "chunks_seed");
        assert_eq!(sum, number(&report, "chunks"), "{report}");
        assert!(number(&report, "bytes_patch") < 2 * field.site.new.len() as u64, "{report}");
    }
}

#[test]
fn any_byte_with_a_checksum_that_holds() {
    let field = Field::new();
    let len = field.patch.len();
    for n in 0..120 {
        let place = if n < 60 { 112 + n } else { 112 + pick(&format!("place {n}"), len as u64 - 144) as usize };
        let byte = if n % 3 == 0 { 0xff } else { pick(&format!("value {n}"), 256) as u8 };
        field.check(&format!("byte {place}"), &field.with(place, &[byte]));
    }
    for n in 0..20 {
        let end = 160 + pick(&format!("end {n}"), len as u64 - 200) as usize;
        let mut patch = [&field.patch[..end], &[0; 32]].concat();
        let bytes = patch.len() as u64;
        patch[80..88].copy_from_slice(&bytes.to_le_bytes());
        field.check(&format!("ends at {end}"), &sealed(patch));
    }
}

#[test]
fn lists_that_ask_for_much() {
    let field = Field::new();
    // A patch of a few hundred bytes has 16 MiB of lists.
    let many = |count: u64, entry: &[u8]| {
        let mut lists = Vec::new();
        let mut rest = count;
        while rest >= 0x80 {
            lists.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        lists.push(rest as u8);
        lists.extend(entry.repeat(count as usize));
        lists
    };
    let most = 16 << 20;
    for (what, lists) in [
        ("nothing", vec![0, 0]),
        ("2^63 base members", vec![0xff; 10]),
        ("a file that is not there", vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0]),
        ("a stream as long as can be", [&[1u8, 1, 0][..], &[0xff; 9], &[1, 0, 0]].concat()),
        ("zeros", vec![0; most]),
        ("many empty base members", [many(most as u64 / 4 - 10, &[1, 0, 0, 0]), vec![0]].concat()),
        ("many gzip members", [many(most as u64 - 10, &[0]), vec![0]].concat()),
        ("many target members", [vec![0], many(most as u64 / 3 - 10, &[0, 0, 0])].concat()),
        ("a target member of 4 MiB", vec![0, 1, 0, 0x80, 0x80, 0x80, 0x02, 0]),
        ("corrections that are not there", vec![0, 1, 0, 5, 0xff, 0xff, 0x03]),
    ] {
        field.check(what, &field.with_lists(&lists));
    }
}

#[test]
fn bodies_that_never_end() {
    let field = Field::new();
    let front = |ops: &[Op], coding, expanded: u64| {
        let stored = body(ops, coding);
        let mut patch = [&field.patch[..112], &[0; 16], &stored, &[0; 32]].concat();
        let bytes = patch.len() as u64;
        patch[80..88].copy_from_slice(&bytes.to_le_bytes());
        patch[120..128].copy_from_slice(&expanded.to_le_bytes());
        patch
    };
    for coding in [Coding::Streams, Coding::Mixed] {
        let zeros = literals(&vec![0; 1 << 20], coding);
        for expanded in [0, 1 << 20, 1 << 40, 1 << 60, u64::MAX] {
            field.check_refused(&format!("zeros, {expanded}"), &sealed(front(&zeros, coding, expanded)));
        }
    }
    // These are the right image's bytes, but not as streams.
    let image = literals(&field.site.new, Coding::Streams);
    field.check_refused("the image", &sealed(front(&image, Coding::Streams, 1 << 20)));
}
