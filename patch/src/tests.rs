//! Patches of made-up images. The ops, applied to the base space, must give exactly the target space.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use regrow_chunker::{ImageId, Params};
use regrow_delta::{Base, Coding, DeltaEncoder, decode};
use regrow_disk::StreamCodec;
use regrow_image::WalkRules;
use regrow_local::{NoProgress, Pool, SeedContext};

use crate::base::PatchBase;
use crate::header::{ChunkCost, PatchVersion};
use crate::image::PatchImage;
use crate::joined::{JoinedBase, JoinedFiles};
use crate::level::PatchLevel;
use crate::members::BaseMember;
use crate::plan::{Limit, PatchPlan, Planned, plan};
use crate::space::BaseSpace;
use crate::write::{Between, Made, Sides, Written, base_of, write};

mod costs;
mod disks;
mod golden;
mod held;
mod opaque;
mod parts;
mod releases;
mod worth;
mod xz;

/// A file of an image: its path and its bytes.
type File = (String, Vec<u8>);

/// A tar (ustar) of files.
fn tar(files: &[File]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, bytes) in files {
        let mut header = [0u8; 512];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[136..148].copy_from_slice(b"14000000000\0");
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// Pseudo-random bytes that follow from a number.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Compressible text that follows from a number.
fn text(seed: u64, words: usize) -> Vec<u8> {
    let word = |byte: &u8| ["alpha ", "beta ", "gamma\n", "delta ", "eps, ", "zeta "][usize::from(byte % 6)].bytes();
    noise(seed, words).iter().flat_map(word).collect()
}

/// Compresses bytes with `gzip`, without name and time.
fn gzip(bytes: &[u8], level: &str) -> Vec<u8> {
    let mut child =
        Command::new("gzip").args(["-n", "-c", level]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes).unwrap());
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    out.stdout
}

struct Pair {
    folder: tempfile::TempDir,
    pool: Pool,
    params: Params,
    version: PatchVersion,
    rules: WalkRules,
    base: Arc<PatchImage>,
    target: Arc<PatchImage>,
}

/// Opens an image by the rules of a version.
fn open(folder: &Path, pool: &Pool, (rules, params): (WalkRules, Params), name: &str, bytes: &[u8]) -> Arc<PatchImage> {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let (catalog, progress, on_scan) = (None, &NoProgress, &|| {});
    let context = SeedContext { rules, params, pool, catalog, progress, scratch: folder, unfolds: true, on_scan };
    Arc::new(PatchImage::open(std::fs::File::open(&path).unwrap(), &path, &context, Path::new("/tmp")).unwrap())
}

impl Pair {
    fn new(base: &[u8], target: &[u8]) -> Self {
        Self::with_params(base, target, Params::new(256, 1024, 4096).unwrap())
    }

    fn with_params(base: &[u8], target: &[u8], params: Params) -> Self {
        Self::of_version(PatchVersion::V1, (base, target), params)
    }

    fn of_version(version: PatchVersion, images: (&[u8], &[u8]), params: Params) -> Self {
        let rules = match version {
            PatchVersion::V1 => WalkRules::V2,
            PatchVersion::V2 => WalkRules::V3,
        };
        Self::of_rules(rules, version, images, params)
    }

    /// Images that are split by these rules.
    fn of_rules(rules: WalkRules, version: PatchVersion, (base, target): (&[u8], &[u8]), params: Params) -> Self {
        let (folder, pool) = (tempfile::tempdir().unwrap(), Pool::new());
        let open = |name: &str, bytes: &[u8]| open(folder.path(), &pool, (rules, params), name, bytes);
        let (base, target) = (open("base", base), open("target", target));
        Self { folder, pool, params, version, rules, base, target }
    }

    /// Opens another image.
    fn open(&self, name: &str, bytes: &[u8]) -> Arc<PatchImage> {
        open(self.scratch(), &self.pool, (self.rules, self.params), name, bytes)
    }

    fn scratch(&self) -> &Path {
        self.folder.path()
    }

    fn plan(&self, level: u8) -> PatchPlan {
        match self.planned(level, None) {
            Planned::Plan(plan) => *plan,
            Planned::TooLarge(bytes) => panic!("given up with {bytes}"),
        }
    }

    fn planned(&self, level: u8, limit: Option<Limit>) -> Planned {
        let level = level.to_string().parse::<PatchLevel>().unwrap();
        let Sides { base, target, .. } = self.sides();
        plan((&base, &target), level, limit, &self.pool, self.scratch(), &NoProgress).unwrap()
    }

    fn between(&self) -> Between<'_> {
        Between {
            codings: &[],
            base: &self.base,
            target: &self.target,
            // Not those of a patch from nothing.
            ids: (ImageId::from_bytes([1; 32]), ImageId::from_bytes([2; 32])),
            version: self.version,
            params: self.params,
            chunk_cost: ChunkCost::default(),
            least_saving: 0,
            level: PatchLevel::default(),
            pool: &self.pool,
            scratch: self.scratch(),
            progress: &NoProgress,
        }
    }

    fn sides(&self) -> Sides {
        Sides::of(&self.between()).unwrap()
    }

    /// The target's joined files, its skeleton, and its contents, with the members as plain bytes. The test checks that
    /// these bytes rebuild the members.
    fn target_space(&self, plan: &PatchPlan) -> Vec<u8> {
        let Sides { target, .. } = self.sides();
        let stored = target.read(0..target.stored_bytes()).unwrap();
        // Joined files are last in the stored space, and first in the target space.
        let rest = (target.skeleton_bytes() + target.contents_bytes()) as usize;
        let (mut out, mut at, mut is_joined) = (Vec::new(), rest, true);
        for member in &plan.target_members {
            let file = target.stored(&target.file(member.file as u32)).start;
            let (start, end) = ((file + member.stored.start) as usize, (file + member.stored.end) as usize);
            let stream = &stored[start..end];
            let made_again = |plain: &[u8]| match member.xz {
                Some(form) => form.rebuild(plain).unwrap(),
                None => {
                    let again = regrow_deflate::rebuild(plain, &member.corrections, stream.len()).unwrap();
                    [again, member.trailer.of(plain)].concat()
                }
            };
            let plain = match member.xz {
                Some(_) => crate::xz::find(&stored[file as usize..]).into_iter().find_map(|found| {
                    let is_it = found.stored.start as u64 == member.stored.start;
                    is_it.then_some(found.plain)
                }),
                None => regrow_deflate::inflate(stream, member.plain_bytes as usize).ok(),
            };
            let plain = plain.unwrap();
            assert_eq!(plain.len() as u64, member.plain_bytes);
            assert!(stored[start..].starts_with(&made_again(&plain)));
            if is_joined && start < rest {
                out.extend_from_slice(&stored[at..]);
                (at, is_joined) = (0, false);
            }
            out.extend_from_slice(&stored[at..start]);
            out.extend_from_slice(&plain);
            at = start + member.bytes() as usize;
        }
        if is_joined {
            out.extend_from_slice(&stored[at..]);
            at = 0;
        }
        out.extend_from_slice(&stored[at..rest]);
        assert_eq!(out.len() as u64, target.skeleton_bytes() + plan.expanded_bytes);
        out
    }

    /// Plans and checks that the ops make the target.
    fn check(&self, level: u8) -> PatchPlan {
        let plan = self.plan(level);
        let (base, wanted) = (base_of(&self.between()), self.target_space(&plan));
        let sides = self.sides();
        let joined = JoinedBase { files: sides.base.joined(), members: &plan.base_members.joined };
        let space = BaseSpace::new(&base, &plan.base_members.members, joined, self.scratch()).unwrap();
        let mut made = Vec::new();
        for op in plan.ops.iter() {
            let op = op.unwrap();
            made.extend_from_slice(&op.literal);
            let start = made.len();
            made.resize(start + op.len as usize, 0);
            space.read_at(op.base_at, &mut made[start..]).unwrap();
            for change in &op.changes {
                assert_ne!(made[start + change.at as usize], change.byte);
                made[start + change.at as usize] = change.byte;
            }
        }
        assert!(made == wanted, "the ops make something else than the target");
        plan
    }
}

fn check(base: &[File], target: &[File]) -> PatchPlan {
    Pair::new(&tar(base), &tar(target)).check(5)
}

fn file(path: &str, bytes: Vec<u8>) -> File {
    (path.to_owned(), bytes)
}

#[test]
fn equal_images_are_one_copy_a_stream() {
    let files: Vec<File> = (0..200).map(|n| file(&format!("dir/{n}"), noise(n, n as usize * 37))).collect();
    let plan = check(&files, &files);
    assert!(plan.ops.statistics().ops <= 2, "{:?}", plan.ops.statistics());
    assert_eq!((plan.ops.statistics().literal, plan.ops.statistics().changed), (0, 0));
}

#[test]
fn files_that_are_there_many_times_do_not_break_a_copy() {
    let old: Vec<File> = (0..600)
        .map(|n| file(&format!("dir/{n}"), if n % 2 == 0 { b"the same license".to_vec() } else { noise(n, 90) }))
        .collect();
    let mut new = old.clone();
    new[301].1[10] ^= 1;
    new.remove(100);
    new.insert(400, file("dir/new", b"the same license".to_vec()));
    let plan = check(&old, &new);
    assert!(plan.ops.statistics().ops <= 9, "{:?}", plan.ops.statistics());
}

#[test]
fn nothing_and_something() {
    for (base, target) in [(vec![], vec![]), (vec![], noise(1, 5000)), (noise(1, 5000), vec![]), (vec![7], vec![8])] {
        for level in [1, 5, 9] {
            Pair::new(&base, &target).check(level);
        }
    }
    check(&[file("a", noise(1, 3000))], &[]);
    check(&[], &[file("a", noise(1, 3000))]);
}

#[test]
fn a_renamed_and_edited_file_is_found() {
    let old = noise(5, 40_000);
    let mut new = old.clone();
    new[20_000] ^= 1;
    let others = (0..50).map(|n| file(&format!("other/{n}"), noise(100 + n, 3000)));
    let base: Vec<File> = others.clone().chain([file("lib/x", old)]).collect();
    let target: Vec<File> = others.chain([file("elsewhere/y.bin", new)]).collect();
    let plan = check(&base, &target);
    assert!(plan.ops.statistics().literal < 600, "{:?}", plan.ops.statistics());
}

#[test]
fn a_file_that_was_merged_of_three_is_found() {
    let parts: Vec<Vec<u8>> = (0..3).map(|n| noise(n, 30_000)).collect();
    let base: Vec<File> = (0..3).map(|n| file(&format!("part/{n}.js"), parts[n].clone())).collect();
    let plan = check(&base, &[file("bundle.js", parts.concat())]);
    assert!(plan.ops.statistics().literal < 600, "{:?}", plan.ops.statistics());
}

#[test]
fn compressed_files_are_matched_by_what_they_hold() {
    let old = text(1, 30_000);
    let mut new = old.clone();
    new.splice(5_000..5_010, *b"something else");
    let base = [file("doc/changelog.gz", gzip(&old, "-9")), file("doc/same.gz", gzip(&text(9, 3000), "-6"))];
    let target = [file("doc/changelog.gz", gzip(&new, "-9")), file("doc/same.gz", gzip(&text(9, 3000), "-6"))];
    let plan = check(&base, &target);
    assert_eq!((plan.base_members.members.len(), plan.target_members.len()), (1, 1));
    assert!(plan.ops.statistics().literal < 700, "{:?}", plan.ops.statistics());
    let plan = Pair::new(&tar(&base), &tar(&target)).check(1);
    assert_eq!((plan.base_members.members.len(), plan.target_members.len()), (0, 0));
}

#[test]
fn members_that_no_op_refers_to_are_left_out() {
    let similar = |n| text(n, 20_000);
    let base: Vec<File> = (0..6).map(|n| file(&format!("{n}.gz"), gzip(&similar(n), "-9"))).collect();
    let mut new = similar(3);
    new.truncate(60_000);
    let plan = check(&base, &[file("3.gz", gzip(&new, "-9"))]);
    assert_eq!(plan.base_members.members.iter().map(|member| member.file).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_base_space_is_refused_where_the_image_has_no_such_members() {
    let pair = Pair::new(&tar(&[file("a.gz", gzip(&text(1, 1000), "-9"))]), &[]);
    let bytes = pair.sides().base.file(0).bytes();
    let plain_bytes = text(1, 1000).len() as u64;
    let right = BaseMember { file: 0, stored: 10..bytes - 8, plain_bytes, codec: StreamCodec::Deflate };
    let base = PatchBase::of_image(pair.base.seed());
    let joined = JoinedBase { files: &JoinedFiles::default(), members: &[] };
    let open = |members: &[BaseMember]| BaseSpace::new(&base, members, joined, pair.scratch());
    assert!(open(std::slice::from_ref(&right)).is_ok());
    let wrong = [
        BaseMember { file: 1, ..right.clone() },
        BaseMember { file: u64::MAX, ..right.clone() },
        BaseMember { plain_bytes: plain_bytes - 1, ..right.clone() },
        BaseMember { plain_bytes: plain_bytes + 1, ..right.clone() },
        BaseMember { plain_bytes: u64::MAX, ..right.clone() },
        BaseMember { stored: 0..bytes - 8, ..right.clone() },
        BaseMember { stored: 10..bytes, ..right.clone() },
        BaseMember { stored: 10..u64::MAX, ..right.clone() },
        BaseMember { stored: 10..10, ..right.clone() },
    ];
    for member in wrong {
        assert!(open(&[member]).is_err());
    }
    assert!(open(&[right.clone(), right]).is_err());
}

#[test]
fn the_coder_takes_the_ops() {
    let base = [file("a", noise(1, 20_000)), file("b.gz", gzip(&text(2, 20_000), "-6"))];
    let target = [file("b.gz", gzip(&[text(2, 20_000), text(3, 50)].concat(), "-6")), file("c", noise(1, 19_000))];
    let pair = Pair::new(&tar(&base), &tar(&target));
    let plan = pair.plan(5);
    let (base, wanted) = (base_of(&pair.between()), pair.target_space(&plan));
    let none = JoinedFiles::default();
    let joined = JoinedBase { files: &none, members: &[] };
    let space = BaseSpace::new(&base, &plan.base_members.members, joined, pair.scratch()).unwrap();
    let mut encoder = DeltaEncoder::new(&space, wanted.len() as u64, Coding::Mixed, 6, Vec::new()).unwrap();
    plan.ops.iter().for_each(|op| encoder.push(&op.unwrap()).unwrap());
    let coded = encoder.finish().unwrap();
    let mut made = Vec::new();
    let take = |piece: &[u8]| {
        made.extend_from_slice(piece);
        Ok(())
    };
    decode(&space, &coded[..], wanted.len() as u64, take).unwrap();
    assert!(made == wanted);
    assert!(coded.len() < 2_000, "{}", coded.len());
}

/// The patch that was made.
fn made(made: Made) -> Written {
    match made {
        Made::Patch(written) => written,
        Made::NotWorth { bytes } => panic!("given up with {bytes}"),
    }
}
