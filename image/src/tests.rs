//! Tars of every kind, and noise. The sizes of the pushed pieces do not matter, and the way back is exact.

use bytes::Bytes;
use proptest::prelude::*;
use regrow_chunker::Params;

use crate::*;

mod bounds;
mod coded;
mod divided;
mod ending;
mod lost;
mod parts;
mod wrong;

/// Puts an image together from its chunks by FORMAT.md, section 2.1, alone.
fn rebuild(chunks: &[RawChunk]) -> Vec<u8> {
    let stream = |kind| chunks.iter().filter(|c| c.stream == kind).flat_map(|c| c.bytes.to_vec()).collect::<Vec<u8>>();
    let (skeleton, contents) = (stream(StreamKind::Skeleton), stream(StreamKind::Contents));
    let (mut image, mut at) = (Vec::new(), 0);
    let mut decoder = OpDecoder::default();
    decoder
        .push(&skeleton, |found| {
            match found {
                OpOrLiteral::Op(Op::Contents(len)) => {
                    image.extend_from_slice(&contents[at..at + len as usize]);
                    at += len as usize;
                }
                OpOrLiteral::Op(Op::Literal(_) | Op::BeginCoded | Op::EndCoded) => {}
                OpOrLiteral::Bytes(bytes) => image.extend_from_slice(bytes),
            }
            Ok::<_, OpError>(())
        })
        .unwrap();
    decoder.finish().unwrap();
    assert_eq!(at, contents.len());
    image
}

fn split(image: &[u8], params: Params, pieces: &[usize]) -> Vec<RawChunk> {
    let (mut splitter, mut at, mut turn, mut chunks) = (Splitter::new(params), 0, 0, Vec::new());
    while at < image.len() {
        let end = image.len().min(at + pieces[turn % pieces.len()]);
        assert_eq!(splitter.push(Bytes::copy_from_slice(&image[at..end])), end - at);
        chunks.extend(splitter.take());
        (at, turn) = (end, turn + 1);
    }
    chunks.extend(splitter.finish());
    chunks
}

fn streams(chunks: &[RawChunk]) -> [Vec<Vec<u8>>; 2] {
    [StreamKind::Skeleton, StreamKind::Contents]
        .map(|kind| chunks.iter().filter(|c| c.stream == kind).map(|c| c.bytes.to_vec()).collect())
}

/// Splits in one piece and in many, compares, rebuilds, and goes through the skeleton again.
fn check(image: &[u8], params: Params, pieces: &[usize]) -> Vec<TreeEntry> {
    let whole = split(image, params, &[usize::MAX / 2]);
    assert_eq!(streams(&whole), streams(&split(image, params, pieces)), "pieces {pieces:?}");
    assert!(rebuild(&whole) == image);
    bounds::check(image.len(), 0, params, &whole);
    let [skeleton, contents] = streams(&whole);
    check_layout(image, &skeleton.concat(), &contents.concat());
    let mut tree = Vec::new();
    let mut walker = TreeWalker::default();
    for part in skeleton.concat().chunks(pieces[0].max(1)) {
        walker.push(part, &mut |entry| tree.push(entry)).unwrap();
    }
    walker.finish(&mut |entry| tree.push(entry)).unwrap();
    tree
}

fn check_layout(image: &[u8], skeleton: &[u8], contents: &[u8]) {
    let mut builder = LayoutBuilder::new(image.len() as u64);
    skeleton.chunks(7).for_each(|part| builder.push(part).unwrap());
    let layout = builder.finish().unwrap();
    layout.check(image.len() as u64, skeleton.len() as u64, contents.len() as u64).unwrap();
    let mut again = LayoutBuilder::new(image.len() as u64);
    layout.ops().for_each(|op| again.push_op(op).unwrap());
    assert_eq!(again.finish().unwrap(), layout);
    let third = image.len() as u64 / 3;
    for range in [0..image.len() as u64, third..2 * third, third..image.len().min(third as usize + 1) as u64] {
        let mut at = range.start;
        for piece in layout.pieces(range.clone()) {
            let (piece_image, from, bytes) = match piece {
                ImagePiece::Skeleton { image, skeleton_at } => (image, skeleton_at, skeleton),
                ImagePiece::Contents { image, contents_at } => (image, contents_at, contents),
            };
            let len = (piece_image.end - piece_image.start) as usize;
            assert_eq!(piece_image.start, at);
            assert!(image[at as usize..at as usize + len] == bytes[from as usize..from as usize + len]);
            at = piece_image.end;
        }
        assert_eq!(at, range.end.max(range.start));
    }
    assert_eq!(layout.contents_before(image.len() as u64), contents.len() as u64);
    for at in (0..image.len() as u64).step_by(101) {
        let before = layout.pieces(0..at).filter_map(|piece| match piece {
            ImagePiece::Contents { image, .. } => Some(image.end - image.start),
            ImagePiece::Skeleton { .. } => None,
        });
        assert_eq!(layout.contents_before(at), before.sum::<u64>(), "{at}");
    }
    let third = contents.len() as u64 / 3;
    let found: Vec<u8> = layout
        .contents_in_image(third..2 * third)
        .flat_map(|r| image[r.start as usize..r.end as usize].to_vec())
        .collect();
    assert!(found == contents[third as usize..2 * third as usize]);
    let third = skeleton.len() as u64 / 3;
    let found: Vec<u8> = layout
        .skeleton_parts(third..2 * third)
        .flat_map(|part| match part {
            SkeletonPart::Number(bytes) => bytes,
            SkeletonPart::InImage(r) => image[r.start as usize..r.end as usize].to_vec(),
        })
        .collect();
    assert!(found == skeleton[third as usize..2 * third as usize]);
}

/// A header with a correct checksum. `size` is octal, or base-256 if it does not fit.
fn header(name: &str, flag: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(b"0000644");
    if size < 1 << 33 {
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    } else {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[136..147].copy_from_slice(b"14000000000");
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..BLOCK].iter().map(|&b| u32::from(b)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    out.resize(data.len().next_multiple_of(BLOCK), 0);
    out
}

fn file(name: &str, data: &[u8]) -> Vec<u8> {
    [header(name, b'0', data.len() as u64), padded(data)].concat()
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

fn small_params() -> Params {
    Params::new(64, 256, 1024).unwrap()
}

fn paths(tree: &[TreeEntry]) -> Vec<String> {
    tree.iter()
        .map(|e| {
            let archives = e.archive.iter().flat_map(|archive| archive.paths());
            archives.chain(e.path.as_deref()).map(|p| String::from_utf8_lossy(p)).collect::<Vec<_>>().join("!")
        })
        .collect()
}

const PIECES: &[&[usize]] = &[&[1], &[7, 512, 3], &[511], &[513], &[512], &[4096, 100]];

fn check_all(image: &[u8]) -> Vec<TreeEntry> {
    let trees: Vec<_> = PIECES.iter().map(|pieces| check(image, small_params(), pieces)).collect();
    assert!(trees.windows(2).all(|pair| pair[0] == pair[1]));
    trees[0].clone()
}

#[test]
fn plain_nested_and_tail() {
    let inner = [file("a", b"hello"), file("b", &noise(1, 3000)), vec![0; 1024]].concat();
    let middle = [file("layer/inner.tar", &inner), file("x", &noise(2, 10)), vec![0; 1024]].concat();
    let image = [file("m.json", b"{}"), file("middle.tar", &middle), file("z", b""), vec![0; 10240]].concat();
    let tree = check_all(&image);
    assert_eq!(
        paths(&tree),
        [
            "m.json",
            "middle.tar",
            "middle.tar!layer/inner.tar",
            "middle.tar!layer/inner.tar!a",
            "middle.tar!layer/inner.tar!b",
            "middle.tar!x",
            "z"
        ]
    );
    assert_eq!(tree[4].contents, 7..3007);
    for tail in [1, 511, 512, 700] {
        check_all(&[image.clone(), noise(9, tail)].concat());
    }
    for cut in (0..image.len()).step_by(97) {
        check(&image[..cut], small_params(), &[300]);
    }
}

#[test]
fn headers_never_reach_contents_chunks() {
    let files: Vec<u8> = (0..50).flat_map(|i| file(&format!("f{i}"), &noise(i, 40 * i as usize))).collect();
    let image = [files, vec![0; 1024]].concat();
    let mut touched = image.clone();
    let mut at = 0;
    while at < touched.len() - 1024 {
        touched[at + 136..at + 147].copy_from_slice(b"14000001234");
        seal(&mut touched[at..at + BLOCK]);
        at += BLOCK;
        let size =
            usize::from_str_radix(std::str::from_utf8(&image[at - BLOCK + 124..at - BLOCK + 135]).unwrap(), 8).unwrap();
        at += size.next_multiple_of(BLOCK);
    }
    let [old, new] = [&image, &touched].map(|i| streams(&split(i, small_params(), &[1 << 20])));
    assert_ne!(old[0], new[0]);
    assert_eq!(old[1], new[1]);
}

#[test]
fn long_names_and_overridden_sizes() {
    let pax = b"29 path=a/very/long/pax/name\n13 size=0700\n";
    let image = [
        [header("pax", b'x', pax.len() as u64), padded(pax)].concat(),
        [header("short", b'0', 1), padded(&noise(3, 700))].concat(),
        [header("././@LongLink", b'L', 9), padded(b"gnu/name\0")].concat(),
        file("cut", b"data"),
        [header("big", b'x', 2 << 20), noise(4, 2 << 20)].concat(),
        file("after", b"more"),
        vec![0; 1024],
    ]
    .concat();
    let tree = check_all(&image);
    assert_eq!(paths(&tree)[..2], ["a/very/long/pax/name", "gnu/name"]);
    assert_eq!(tree[0].contents, 0..700);
    assert_eq!(tree.last().unwrap().path, Some(b"after".to_vec()));
}

#[test]
fn links_with_sizes_sparse_and_huge() {
    let mut sparse = header("sparse", b'S', 600);
    sparse[482] = 1;
    seal(&mut sparse);
    let mut further = vec![0; BLOCK];
    further[504] = 1;
    let image = [
        file("target", &noise(5, 100)),
        header("hard-without", b'1', 100),
        header("hard-with", b'1', 700),
        padded(&noise(6, 700)),
        header("short-with", b'1', 9),
        padded(b"nine here"),
        [sparse, further, vec![0; BLOCK], padded(&noise(7, 600))].concat(),
        header("dir", b'5', 4096),
        file("last", b"x"),
        vec![0; 1024],
    ]
    .concat();
    let tree = check_all(&image);
    let sizes: Vec<u64> = tree.iter().map(|e| e.contents.end - e.contents.start).collect();
    assert_eq!(sizes, [100, 0, 700, 9, 600, 0, 1], "{:?}", paths(&tree));
    // The header states over 8 GiB, so the walk goes on within the entry until the input ends.
    check_all(&[header("huge", b'0', 9 << 30), noise(8, 5000)].concat());
    check_all(&[header("huge", b'0', u64::MAX >> 1), noise(8, 5000)].concat());
}

#[test]
fn wrong_checksum_makes_the_rest_opaque() {
    let mut bad = file("bad", b"data");
    bad[0] ^= 1;
    let image = [file("good", b"data"), bad, file("hidden", b"data"), vec![0; 1024]].concat();
    let tree = check_all(&image);
    assert_eq!(paths(&tree), ["good", ""]);
    assert_eq!(tree[1].type_flag, 0xff);
}

#[test]
fn no_tar_at_all() {
    for image in [vec![], vec![7], vec![0; 512], vec![0; 5000], noise(1, 511), noise(1, 512), noise(1, 9000)] {
        let tree = check_all(&image);
        assert_eq!(tree.len(), usize::from(!image.is_empty()));
    }
}

/// No walk makes such literals: they are not in the contents stream.
#[test]
fn a_tree_of_literals_has_no_contents() {
    let mut skeleton = Vec::new();
    put_op(&mut skeleton, Op::Literal(2000));
    skeleton.extend([0; 2000]);
    put_op(&mut skeleton, Op::Contents(7));
    let (mut walker, mut tree) = (TreeWalker::default(), Vec::new());
    walker.push(&skeleton, &mut |entry| tree.push(entry)).unwrap();
    walker.finish(&mut |entry| tree.push(entry)).unwrap();
    assert_eq!(tree.last().unwrap().contents, 0..7);
}

#[test]
fn nine_levels_deep() {
    let mut image = file("core", &noise(1, 2000));
    for depth in 0..12 {
        image = [file(&format!("t{depth}"), &image), vec![0; 1024]].concat();
    }
    check_all(&image);
}

fn any_entry() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop::sample::select(b"0123456xgLKSV7\0Z".to_vec());
    (flags, 0usize..3000, any::<u64>(), 0usize..4, any::<bool>()).prop_map(|(flag, len, seed, lie, nest)| {
        let data = if nest { [file("inner", &noise(seed, len)), vec![0; 512]].concat() } else { noise(seed, len) };
        let size = match lie {
            0 => data.len() as u64 / 2,
            _ => data.len() as u64,
        };
        [header("entry", flag, size), padded(&data)].concat()
    })
}

proptest! {
    #[test]
    fn any_tar_comes_back(entries in prop::collection::vec(any_entry(), 0..12), pieces in prop::collection::vec(1usize..2000, 1..5),
                          cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>()) {
        let mut image = entries.concat();
        check(&image, small_params(), &pieces);
        if !image.is_empty() {
            let at = flip.index(image.len());
            image[at] ^= 0x20;
            image.truncate(cut.index(image.len()) + 1);
            check(&image, small_params(), &pieces);
        }
    }

    #[test]
    fn any_bytes_come_back(image in prop::collection::vec(any::<u8>(), 0..5000), pieces in prop::collection::vec(1usize..700, 1..4)) {
        check(&image, small_params(), &pieces);
    }

    #[test]
    fn hostile_skeletons_do_no_harm(skeleton in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut builder = LayoutBuilder::new(1 << 40);
        if builder.push(&skeleton).is_ok() && let Ok(layout) = builder.finish() {
            assert!(layout.image_bytes() <= 1 << 40);
        }
        // Entries lie within the contents that the operations name, whatever the literals look like.
        let (mut contents, mut walker) = (0u64, TreeWalker::default());
        let mut count = |found: OpOrLiteral<'_>| {
            if let OpOrLiteral::Op(Op::Contents(len)) = found {
                contents = contents.saturating_add(len);
            }
            Ok::<_, OpError>(())
        };
        let _ = OpDecoder::default().push(&skeleton, &mut count);
        let mut check = |entry: TreeEntry| assert!(entry.contents.end <= contents, "{entry:?} {contents}");
        if walker.push(&skeleton, &mut check).is_ok() {
            let _ = walker.finish(&mut check);
        }
    }
}
