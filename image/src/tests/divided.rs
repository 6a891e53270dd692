//! Disk images, which are divided by operations that are known before: the sizes of the pushed pieces do not matter, the
//! way back is exact, and the chunks of large files are those that the files have in a tar.

use super::*;
use regrow_chunker::{PartKind, PieceRule, Zeros};

fn splitter(ops: &[Op]) -> Splitter {
    Splitter::finding_candidates(Params::default()).by_rules(WalkRules::V5).divided_by(ops.to_vec())
}

/// Splits a plain image that is coded as a whole, or is its own plain image.
fn divided(image: &[u8], ops: &[Op], is_coded: bool, piece: usize) -> LastChunks {
    let (mut splitter, mut chunks) = (splitter(ops), Vec::new());
    if is_coded {
        splitter.begin_coded();
    }
    for piece in image.chunks(piece) {
        assert_eq!(splitter.push(Bytes::copy_from_slice(piece)), piece.len());
        assert!(splitter.candidate().is_none());
        chunks.extend(splitter.take());
    }
    assert_eq!(splitter.ending(), Ending::NoTar);
    if is_coded {
        splitter.end_coded();
    }
    let mut last = splitter.finish_parts();
    chunks.append(&mut last.chunks);
    LastChunks { chunks, ..last }
}

/// Operations with some bytes that they divide, which begin like a tar.
fn sample() -> (Vec<u8>, Vec<Op>) {
    let ops = vec![
        Op::Literal(700),
        Op::Contents(300_000),
        Op::Literal(65_536),
        Op::Literal(10),
        Op::Contents(900),
        Op::Contents(512),
        Op::Contents(5_000),
        Op::Literal(120),
        Op::Contents(100_000),
        Op::Contents(100_000),
    ];
    let bytes: u64 = ops
        .iter()
        .map(|op| {
            if let Op::Literal(len) = *op {
                len.into()
            } else if let Op::Contents(len) = *op {
                len
            } else {
                0
            }
        })
        .sum();
    let mut image = file("a.txt", &noise(1, bytes as usize));
    image.truncate(bytes as usize);
    (image, ops)
}

#[test]
fn the_operations_are_those_that_were_given() {
    let (image, ops) = sample();
    for is_coded in [false, true] {
        let whole = divided(&image, &ops, is_coded, usize::MAX);
        for piece in [1, 511, 4096, 65_537] {
            assert_eq!(streams(&divided(&image, &ops, is_coded, piece).chunks), streams(&whole.chunks));
        }
        assert!(rebuild(&whole.chunks) == image);
        bounds::check(image.len(), is_coded.into(), Params::default(), &whole.chunks);
        let [skeleton, contents] = streams(&whole.chunks).map(|stream| stream.concat());
        let mut builder = LayoutBuilder::new(image.len() as u64);
        builder.push(&skeleton).unwrap();
        let layout = builder.finish().unwrap();
        layout.check(image.len() as u64, skeleton.len() as u64, contents.len() as u64).unwrap();
        // A reader that has the skeleton alone cuts in the same way, by its operations.
        let again = divided(&image, &layout.ops().collect::<Vec<_>>(), is_coded, 10_000);
        assert_eq!(streams(&again.chunks), streams(&whole.chunks));
        let without_marks: Vec<Op> = layout.ops().filter(|op| !matches!(op, Op::BeginCoded | Op::EndCoded)).collect();
        assert_eq!(without_marks, ops);
    }
}

/// The image is one part. If it is coded, the wrapper has the marks alone.
#[test]
fn a_divided_image_is_one_part() {
    let (image, ops) = sample();
    let parts = [false, true].map(|is_coded| {
        let found = divided(&image, &ops, is_coded, 1000);
        assert_eq!((found.parts.len(), &found.files, found.borders.len()), (1, &vec![6], 0));
        let part = &found.parts[0];
        assert_eq!((part.kind, part.plain.clone()), (PartKind::Tar, 0..image.len() as u64));
        let [skeleton, contents] = streams(&found.chunks);
        let of_wrapper = usize::from(is_coded);
        assert_eq!(part.skeleton.records, of_wrapper as u64..(skeleton.len() - of_wrapper) as u64);
        assert_eq!(part.contents.records, 0..contents.len() as u64);
        (skeleton[of_wrapper..skeleton.len() - of_wrapper].to_vec(), contents)
    });
    assert_eq!(parts[0], parts[1]);
}

#[test]
fn large_files_have_the_chunks_that_they_have_in_a_tar() {
    let (first, second) = (noise(7, 250_000), noise(8, 90_001));
    let tar = [file("first", &first), file("second", &second), vec![0; 1024]].concat();
    let disk = [noise(9, 1111), second.clone(), vec![0; 3000], first.clone()].concat();
    let ops = [Op::Contents(1111), Op::Contents(90_001), Op::Literal(3000), Op::Contents(250_000)];
    let [_, in_tar] = streams(&split(&tar, Params::default(), &[4096]));
    let [_, in_disk] = streams(&divided(&disk, &ops, false, 4096).chunks);
    let found: Vec<_> = in_tar.iter().filter(|chunk| !in_disk.contains(chunk)).collect();
    assert!(found.is_empty(), "{} chunks of {} are not in the disk image", found.len(), in_tar.len());
}

/// For a disk image, the small files of a tar are cut as they would be in it.
#[test]
fn small_files_of_a_tar_are_cut_alone_too() {
    let files: Vec<Vec<u8>> = [1, 64, 700, 4096, 7000, 8191, 9000].map(|len| noise(len as u64, len)).to_vec();
    let tar: Vec<u8> = files.iter().flat_map(|bytes| file("f", bytes)).collect();
    let rules = |rules| Splitter::new(Params::default()).by_rules(rules);
    let (mut with, mut without) = (rules(WalkRules::V6ForDisks(None)), rules(WalkRules::V5));
    let mut small = Vec::new();
    for piece in tar.chunks(500) {
        for splitter in [&mut with, &mut without] {
            splitter.push(Bytes::copy_from_slice(piece));
        }
        small.extend(with.take_alone());
        assert!(without.take_alone().is_empty());
    }
    let (with, without) = (with.finish_parts(), without.finish_parts());
    small.extend(with.alone);
    assert_eq!(streams(&with.chunks), streams(&without.chunks));
    let [_, contents] = streams(&with.chunks).map(|stream| stream.concat());
    for (bytes, place) in &small {
        assert!(contents[place.at as usize..].starts_with(bytes));
    }
    let ops: Vec<Op> = files[..6].iter().map(|file| Op::Contents(file.len() as u64)).collect();
    let [_, wanted] = streams(&divided(&files[..6].concat(), &ops, false, 1000).chunks);
    assert_eq!(small.iter().map(|(bytes, _)| bytes.to_vec()).collect::<Vec<_>>(), wanted);
}

/// For a disk image that leaves out blocks of zeros, the files of a tar are cut between these too.
#[test]
fn files_of_a_tar_are_cut_as_a_file_system_lays_them() {
    let [mut small, mut large] = [5000, 200_000].map(|len| noise(len as u64, len));
    small[1024..3072].fill(0);
    large[10_240..20_480].fill(0);
    let pieces = [&small[..1024], &small[3072..], &large[..10_240], &large[20_480..]];
    let joined = [pieces[..2].concat(), pieces[2..].concat()];
    let apart = pieces.map(<[u8]>::to_vec).to_vec();
    let tar = [file("small", &small), file("large", &large)].concat();
    let ways = [(Zeros::Apart, apart), (Zeros::Joined, joined.to_vec())];
    for (piece, (zeros, pieces)) in [700, 100_000].into_iter().flat_map(|piece| ways.clone().map(|way| (piece, way))) {
        let ops: Vec<Op> = pieces.iter().map(|piece| Op::Contents(piece.len() as u64)).collect();
        let [_, wanted] = streams(&divided(&pieces.concat(), &ops, false, 1000).chunks);
        let rules = WalkRules::V6ForDisks(PieceRule::new(1024, zeros, false));
        let mut splitter = Splitter::new(Params::default()).by_rules(rules);
        let mut chunks = Vec::new();
        tar.chunks(piece).for_each(|piece| assert_eq!(splitter.push(Bytes::copy_from_slice(piece)), piece.len()));
        chunks.extend(splitter.take());
        let mut found = splitter.take_alone();
        let last = splitter.finish_parts();
        chunks.extend(last.chunks);
        found.extend(last.alone);
        let plain = Splitter::new(Params::default()).by_rules(WalkRules::V6);
        assert_eq!(streams(&chunks), streams(&split_by(plain, &tar)));
        let [_, contents] = streams(&chunks);
        for (bytes, place) in &found {
            let ranges = place.ranges(bytes.len() as u32).unwrap();
            let there = ranges.iter().flat_map(|at| contents.concat()[at.start as usize..at.end as usize].to_vec());
            assert!(there.eq(bytes.iter().copied()));
        }
        let is_found = |chunk: &Vec<u8>| contents.contains(chunk) || found.iter().any(|(bytes, _)| bytes == chunk);
        assert!(wanted.iter().all(is_found));
    }
}

fn split_by(mut splitter: Splitter, image: &[u8]) -> Vec<RawChunk> {
    splitter.push(Bytes::copy_from_slice(image));
    let mut chunks = splitter.take();
    chunks.extend(splitter.finish());
    chunks
}

/// An image that has more bytes than its operations, or fewer, comes back all the same.
#[test]
fn operations_that_do_not_fit_do_no_harm() {
    let (image, ops) = sample();
    for (bytes, ops) in
        [(image.len(), &ops[..4]), (image.len(), &[]), (301_000, &ops[..]), (710, &ops[..]), (0, &ops[..])]
    {
        let found = divided(&image[..bytes], ops, false, 999);
        assert!(rebuild(&found.chunks) == image[..bytes]);
        assert_eq!(found.parts.len(), 1);
    }
    assert!(!splitter(&ops).skip_part(PartKind::Tar, 10));
}

#[test]
fn a_skeleton_is_no_list_of_entries() {
    let (image, ops) = sample();
    let [skeleton, contents] = streams(&divided(&image, &ops, true, 1 << 20).chunks).map(|stream| stream.concat());
    let mut entries = Vec::new();
    let mut walker = TreeWalker::new(WalkRules::V5, &Params::default());
    skeleton.chunks(11).for_each(|piece| walker.push(piece, &mut |entry| entries.push(entry)).unwrap());
    walker.finish(&mut |entry| entries.push(entry)).unwrap();
    let wanted: Vec<u64> =
        ops.iter().filter_map(|op| if let Op::Contents(len) = *op { Some(len) } else { None }).collect();
    let found: Vec<u64> = entries.iter().map(|entry| entry.contents.end - entry.contents.start).collect();
    assert_eq!(found, wanted);
    assert!(entries.iter().all(|entry| entry.path.is_none() && entry.archive.is_none()));
    assert_eq!(entries.last().unwrap().contents.end, contents.len() as u64);
}
