//! Patches between disk images, in which files lie in pieces.

use super::*;
use crate::header::{HEADER_BYTES, PatchHeader};
use crate::joined::{JoinedLists, MAX_TARGET_BYTES, PieceSource};
use crate::lists::Lists;
use crate::space::FilesOfBase;
use crate::write::{code_lists, seal};

const BLOCK: usize = 4096;

/// An image of EROFS. A file's last part stands behind its inode, and a block of zeros is a hole.
fn erofs(files: &[File]) -> Vec<u8> {
    let directory = directory(files.iter().map(|(name, _)| name.as_str()), &vec![0; files.len()]).len();
    // The places of inodes behind the root's, each in one block with what stands behind it.
    let (mut at, mut places) = (32 + directory, Vec::new());
    for (_, bytes) in files {
        at = at.next_multiple_of(32);
        let len = 32 + behind(bytes).len();
        if at % BLOCK + len > BLOCK {
            at = at.next_multiple_of(BLOCK);
        }
        places.push(at);
        at += len;
    }
    let mut image = vec![0; BLOCK + at.next_multiple_of(BLOCK)];
    let numbers: Vec<u64> = places.iter().map(|&at| at as u64 / 32).collect();
    let directory = self::directory(files.iter().map(|(name, _)| name.as_str()), &numbers);
    image[BLOCK..BLOCK + 32].copy_from_slice(&inode(2, 0x4000, directory.len(), 0));
    image[BLOCK + 32..BLOCK + 32 + directory.len()].copy_from_slice(&directory);
    for ((_, bytes), at) in files.iter().zip(places) {
        let block = (image.len() / BLOCK) as u32;
        let mut behind = behind(bytes);
        let (layout, place) = match has_hole(bytes) {
            true => (4, 0),
            false => (if behind.is_empty() { 0 } else { 2 }, block),
        };
        if has_hole(bytes) {
            behind.clear();
            for chunk in bytes.chunks(BLOCK) {
                let is_hole = chunk.iter().all(|&byte| byte == 0);
                let place = if is_hole { u32::MAX } else { (image.len() / BLOCK) as u32 };
                behind.extend(place.to_le_bytes());
                image.extend(if is_hole { &[] } else { chunk });
                image.resize(image.len().next_multiple_of(BLOCK), 0);
            }
        } else {
            image.extend(&bytes[..bytes.len() - behind.len()]);
            image.resize(image.len().next_multiple_of(BLOCK), 0);
        }
        let whole = [inode(layout, 0x8000, bytes.len(), place), behind].concat();
        image[BLOCK + at..BLOCK + at + whole.len()].copy_from_slice(&whole);
    }
    let fields: [(usize, &[u8]); 4] =
        [(0, &0xe0f5_e1e2u32.to_le_bytes()), (12, &[12]), (16, &[files.len() as u8 + 1]), (40, &[1])];
    fields.iter().for_each(|(at, field)| image[1024 + at..1024 + at + field.len()].copy_from_slice(field));
    image
}

fn has_hole(bytes: &[u8]) -> bool {
    bytes.chunks(BLOCK).any(|chunk| chunk.iter().all(|&byte| byte == 0))
}

/// What stands behind a file's inode: the rest of its last block, or as many bytes as its list of chunks.
fn behind(bytes: &[u8]) -> Vec<u8> {
    match has_hole(bytes) {
        true => vec![0; 4 * bytes.len().div_ceil(BLOCK)],
        false => Some(&bytes[bytes.len() / BLOCK * BLOCK..])
            .filter(|rest| 32 + rest.len() <= BLOCK)
            .unwrap_or_default()
            .to_vec(),
    }
}

fn inode(layout: u16, mode: u16, bytes: usize, place: u32) -> Vec<u8> {
    let mut out = [(layout << 1).to_le_bytes(), [0; 2], mode.to_le_bytes(), [1, 0]].concat();
    out.extend((bytes as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend(place.to_le_bytes());
    out.resize(32, 0);
    out
}

fn directory<'n>(names: impl Iterator<Item = &'n str> + Clone, numbers: &[u64]) -> Vec<u8> {
    let mut at = (names.clone().count() * 12) as u16;
    let (mut out, mut text) = (Vec::new(), Vec::new());
    for (name, number) in names.zip(numbers) {
        out.extend(number.to_le_bytes());
        out.extend(at.to_le_bytes());
        out.extend([1, 0]);
        at += name.len() as u16;
        text.extend(name.bytes());
    }
    [out, text].concat()
}

/// The files of an image, before and after an update. Compressed ones end in the contents and in the skeleton.
fn releases() -> [Vec<File>; 2] {
    let page = |seed, words, more: usize| gzip(&[text(seed, words), text(99, more)].concat(), "-9");
    let release = |more: usize| {
        let mut files: Vec<File> =
            (0..12).map(|n| file(&format!("{n}.gz"), page(n, 7_600 + 300 * n as usize, more))).collect();
        files.push(file("same", noise(40, 9_000)));
        files.push(file("tool", [noise(50, 10_000), vec![more as u8; 30], noise(51, 10_000)].concat()));
        let hole = [noise(60, BLOCK), vec![0; 2 * BLOCK], text(61, 2_000 + more)].concat();
        files.push(file("with a hole", hole));
        files
    };
    [release(0), release(40)]
}

fn pair() -> Pair {
    let [base, target] = releases().map(|files| erofs(&files));
    of_images(&base, &target)
}

fn of_images(base: &[u8], target: &[u8]) -> Pair {
    Pair::of_rules(WalkRules::V5, PatchVersion::V2, (base, target), Params::new(256, 1024, 4096).unwrap())
}

/// Makes the patch and checks it.
fn patch_of(pair: &Pair) -> (std::fs::File, PatchHeader) {
    let mut patch = tempfile::tempfile().unwrap();
    let header = made(write(&pair.between(), &mut patch).unwrap()).header;
    crate::check::check(&pair.between(), &mut patch).unwrap();
    (patch, header)
}

#[test]
fn files_in_pieces_are_seen_through() {
    let pair = pair();
    let plan = pair.check(5);
    let sides = pair.sides();
    // It depends on the size of a compressed file whether it lies in pieces. The others are matched piece by piece.
    let count = sides.target.joined().len();
    assert!((10..=13).contains(&count) && sides.base.joined().len() >= 10, "{count}");
    let members = &plan.target_members;
    let joined = members.iter().filter(|member| member.file >= sides.target.first_joined().into()).count();
    assert_eq!((plan.base_members.members.len() + plan.base_members.joined.len(), members.len()), (12, 12));
    assert_eq!(joined, count);
    assert!(plan.ops.statistics().literal < 4_000, "{:?}", plan.ops.statistics());
    let streams: Vec<_> = (0..count)
        .flat_map(|number| sides.target.joined().pieces(number))
        .map(|piece| match piece.source {
            PieceSource::Stream(stream, _) => Some(stream),
            PieceSource::Zeros => None,
        })
        .collect();
    for stream in [regrow_image::StreamKind::Skeleton, regrow_image::StreamKind::Contents].map(Some) {
        assert!(streams.contains(&stream), "{streams:?}");
    }
    let (_, header) = patch_of(&pair);
    assert!(header.has_joined_files);
    assert!(header.patch_bytes < 5_000, "{}", header.patch_bytes);
}

/// Every base and every target joins for itself.
#[test]
fn one_side_may_have_all_files_in_one_place() {
    let [base, target] = releases();
    let whole = |files: &[File]| {
        // Files that fill blocks lie in one place.
        files
            .iter()
            .map(|(name, bytes)| (name.clone(), bytes[..bytes.len() / BLOCK * BLOCK].to_vec()))
            .collect::<Vec<_>>()
    };
    for (base, target) in [(base.clone(), whole(&target)), (whole(&base), target)] {
        let pair = of_images(&erofs(&base), &erofs(&target));
        pair.check(5);
        assert!(patch_of(&pair).1.has_joined_files);
    }
}

#[test]
fn what_did_not_change_stays_in_pieces() {
    let [base, _] = releases();
    let mut target = base.clone();
    target.pop();
    let pair = of_images(&erofs(&base), &erofs(&target));
    let sides = pair.sides();
    assert!(sides.base.joined().is_empty() && sides.target.joined().is_empty());
    assert!(!patch_of(&pair).1.has_joined_files);
}

#[test]
fn costs_add_up() {
    let pair = pair();
    let (_, header) = patch_of(&pair);
    let costs = crate::costs::PatchCosts::of(&pair.between()).unwrap();
    let files = costs.files.iter().map(|(_, bytes)| bytes).sum::<u64>();
    assert_eq!((costs.skeleton + files + costs.other, costs.bytes), (header.patch_bytes, header.patch_bytes));
    assert!(costs.files.is_sorted_by_key(|(range, _)| range.start) && files > costs.other);
}

/// A patch of which the lists are others.
struct Changed {
    pair: Pair,
    header: PatchHeader,
    lists: Vec<u8>,
    body: Vec<u8>,
}

impl Changed {
    fn new() -> Self {
        let pair = pair();
        let (mut patch, header) = patch_of(&pair);
        let mut bytes = Vec::new();
        std::io::Seek::rewind(&mut patch).unwrap();
        std::io::Read::read_to_end(&mut patch, &mut bytes).unwrap();
        let lists_end = HEADER_BYTES + header.lists_stored as usize;
        let mut lists = Vec::new();
        let take = |piece: &[u8]| {
            lists.extend_from_slice(piece);
            Ok(())
        };
        decode(&[][..], &bytes[HEADER_BYTES..lists_end], header.lists_plain.into(), take).unwrap();
        let body = bytes[lists_end..bytes.len() - 32].to_vec();
        Self { pair, header, lists, body }
    }

    /// Applies the patch with these lists.
    fn apply(&self, lists: &[u8]) -> Result<(), String> {
        let (stored, _) = code_lists(lists, None).unwrap();
        let header = PatchHeader {
            lists_stored: stored.len() as u32,
            lists_plain: lists.len() as u32,
            patch_bytes: (HEADER_BYTES + stored.len() + self.body.len() + 32) as u64,
            ..self.header.clone()
        };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[&[0; HEADER_BYTES][..], &stored, &self.body].concat()).unwrap();
        seal(&mut file, &header).unwrap();
        crate::check::check(&self.pair.between(), &mut file).map_err(|error| error.to_string())
    }

    fn with(&self, change: impl FnOnce(&mut JoinedLists)) -> Result<(), String> {
        let base = base_of(&self.pair.between());
        let files = FilesOfBase::new(&base);
        let mut lists = Lists::decode((PatchVersion::V2, false, true), &self.lists, &files).unwrap();
        change(&mut lists.joined);
        self.apply(&lists.encode(PatchVersion::V2, &files, &mut Vec::new()).unwrap())
    }
}

#[test]
fn other_lists_are_refused() {
    let changed = Changed::new();
    changed.with(|_| ()).unwrap();
    let stream = |at| PieceSource::Stream(regrow_image::StreamKind::Contents, at);
    let first = |lists: &JoinedLists| lists.target.pieces(0)[0];
    for (name, result) in [
        ("a piece twice", changed.with(|lists| lists.target.push([(1, first(lists).source)]).unwrap())),
        (
            "a piece of the base twice",
            changed.with(|lists| lists.base.push([(1, lists.base.pieces(0)[0].source)]).unwrap()),
        ),
        ("a piece behind the end", changed.with(|lists| lists.target.push([(1, stream(1 << 40))]).unwrap())),
        ("a piece of the base behind its end", changed.with(|lists| lists.base.push([(1, stream(1 << 40))]).unwrap())),
        ("too much", changed.with(|lists| lists.target.push([(MAX_TARGET_BYTES, PieceSource::Zeros)]).unwrap())),
        ("a hole more", changed.with(|lists| lists.target.push([(1, PieceSource::Zeros)]).unwrap())),
        ("too few bytes", changed.with(|lists| lists.expanded_bytes -= 1)),
        ("too many bytes", changed.with(|lists| lists.expanded_bytes = u64::MAX)),
        ("a member less", changed.with(|lists| _ = lists.members.target.pop())),
        ("a member of no file", changed.with(|lists| lists.members.target.last_mut().unwrap().file = 1 << 40)),
        ("a base member less", changed.with(|lists| _ = lists.members.base.pop())),
        ("no base files", changed.with(|lists| (lists.base, lists.members.base) = Default::default())),
    ] {
        let error = result.expect_err(name);
        assert!(!error.is_empty(), "{name}");
    }
}

/// Whatever the lists are, there is an error or the target.
#[test]
fn damaged_lists_do_no_harm() {
    let changed = Changed::new();
    for at in 0..changed.lists.len() {
        let mut lists = changed.lists.clone();
        lists[at] ^= [1, 2, 0x80, 0xff][at % 4];
        let _ = changed.apply(&lists);
    }
}
