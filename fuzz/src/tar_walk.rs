//! Images become two streams, and images again. Every image comes back bit for bit, whatever its bytes and the
//! sizes of its pieces, and the cuts do not depend on the pieces. Half of the inputs describe tars, so that headers
//! have correct checksums.

use bytes::Bytes;
use regrow_chunker::Params;
use regrow_image::{BLOCK, ImagePiece, RawChunk, SkeletonPart, Splitter, StreamKind};

use crate::input::{Input, pieces};
use crate::skeleton_ops;

/// The first two bytes give the sizes of the pieces. The third says how to take the rest: 0 as the image, any other
/// value as instructions for a tar.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let seed = input.number();
    let image = image_of(&mut input);
    let params = Params::new(64, 256, 1024).expect("in bounds");
    let chunks = split(pieces(&image, seed), params);
    assert_eq!(cuts(&chunks), cuts(&split([image.as_slice()], params)), "cut by the pieces");
    assert!(chunks.iter().all(|chunk| (1..=1024).contains(&chunk.bytes.len())));
    let (skeleton, contents) = (stream(&chunks, StreamKind::Skeleton), stream(&chunks, StreamKind::Contents));
    rebuild(&image, &skeleton, &contents, seed);
    skeleton_ops::walk_tree(&skeleton, seed).expect("a tree of its own skeleton");
}

fn image_of(input: &mut Input<'_>) -> Vec<u8> {
    match input.byte() {
        0 => input.0.to_vec(),
        _ => tar_of(input),
    }
}

fn split<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, params: Params) -> Vec<RawChunk> {
    let mut splitter = Splitter::new(params);
    let mut chunks = Vec::new();
    for piece in pieces {
        splitter.push(Bytes::copy_from_slice(piece));
        chunks.extend(splitter.take());
    }
    chunks.extend(splitter.finish());
    chunks
}

fn cuts(chunks: &[RawChunk]) -> Vec<(StreamKind, &[u8])> {
    let mut cuts: Vec<_> = chunks.iter().map(|chunk| (chunk.stream, chunk.bytes.as_ref())).collect();
    // The pieces may decide how the streams interleave.
    cuts.sort_by_key(|&(kind, _)| kind);
    cuts
}

fn stream(chunks: &[RawChunk], kind: StreamKind) -> Vec<u8> {
    chunks.iter().filter(|chunk| chunk.stream == kind).flat_map(|chunk| chunk.bytes.iter().copied()).collect()
}

/// Makes the image from its streams, and the streams from the image.
fn rebuild(image: &[u8], skeleton: &[u8], contents: &[u8], seed: u16) {
    let layout = skeleton_ops::build_layout(skeleton, seed).expect("its own skeleton");
    layout.check(image.len() as u64, skeleton.len() as u64, contents.len() as u64).expect("its own sizes");
    skeleton_ops::check(&layout, skeleton);
    let slice = |bytes: &[u8], at: u64, len: u64| bytes[at as usize..(at + len) as usize].to_vec();
    let rebuilt: Vec<u8> = layout
        .pieces(0..image.len() as u64)
        .flat_map(|piece| match piece {
            ImagePiece::Skeleton { image, skeleton_at } => slice(skeleton, skeleton_at, image.end - image.start),
            ImagePiece::Contents { image, contents_at } => slice(contents, contents_at, image.end - image.start),
        })
        .collect();
    assert!(rebuilt == image, "another image came back");
    let parts = layout.skeleton_parts(0..skeleton.len() as u64).flat_map(|part| match part {
        SkeletonPart::Number(bytes) => bytes,
        SkeletonPart::InImage(range) => slice(image, range.start, range.end - range.start),
    });
    assert!(parts.eq(skeleton.iter().copied()), "another skeleton");
    let in_image = layout.contents_in_image(0..contents.len() as u64);
    let found: Vec<u8> = in_image.flat_map(|range| slice(image, range.start, range.end - range.start)).collect();
    assert!(found == contents, "other contents");
}

/// Makes a tar by instructions of one byte each, with their arguments: a header, bytes, a zero block, padding, old
/// GNU sparse.
fn tar_of(input: &mut Input<'_>) -> Vec<u8> {
    let mut tar = Vec::new();
    while !input.is_empty() && tar.len() < 1 << 18 {
        match input.byte() % 6 {
            0 | 1 => {
                let (flag, size) = (input.byte(), input.number());
                tar.extend(header(flag, u64::from(size), input.take(8)));
            }
            2 => {
                let len = input.number();
                tar.extend_from_slice(input.take(len.into()));
            }
            3 => tar.extend([0; BLOCK]),
            4 => tar.resize(tar.len().next_multiple_of(BLOCK), 0),
            _ => {
                let (byte, len) = (input.byte(), input.number());
                tar.resize(tar.len() + usize::from(len), byte);
            }
        }
    }
    tar
}

/// A block with a correct checksum. A `size` of 65,000 or more is made larger and written in base 256.
fn header(flag: u8, size: u64, name: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    if size >= 65_000 {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&(size << 40).to_be_bytes());
    } else {
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    }
    block[156] = flag;
    if flag == b'S' {
        block[482] = name.first().copied().unwrap_or(0) & 1;
    }
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// The skeleton of the image of an input to this target.
pub(crate) fn skeleton_of(input: &[u8]) -> Vec<u8> {
    let mut input = Input(input);
    input.number();
    let image = image_of(&mut input);
    stream(&split([image.as_slice()], Params::default()), StreamKind::Skeleton)
}

/// Seeds: plain and nested tars, with the extensions that the walker knows, whole and cut off.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let file = |flag: u8, data: &[u8]| {
        let mut entry = header(flag, data.len() as u64, b"./a/name").to_vec();
        entry.extend_from_slice(data);
        entry.resize(entry.len().next_multiple_of(BLOCK), 0);
        entry
    };
    let data: Vec<u8> = (0..3000u32).map(|n| (n * n >> 5) as u8).collect();
    let plain =
        [file(b'0', &data), file(b'5', b""), file(b'0', &data[..10]), file(b'2', &data[..700]), vec![0; 1024]].concat();
    let extended =
        [file(b'x', b"12 size=300\n"), file(b'0', &data[..300]), file(b'L', b"long/name\0"), file(b'S', &data)]
            .concat();
    let nested = [file(b'0', &plain), file(b'g', b"9 a=bcd\n"), file(b'0', &extended), vec![0; 512]].concat();
    let twice = file(b'7', &nested);
    let mut seeds: Vec<Vec<u8>> =
        vec![vec![1, 2, 1, 0, b'0', 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 0, 9, 9, 9, 9, 4, 3, 3]];
    for image in [&plain, &extended, &nested, &twice, &data] {
        for end in [image.len(), image.len() - image.len() / 7] {
            seeds.push([&[7, 5, 0], &image[..end]].concat());
        }
    }
    seeds
}
