//! Coded files: where the walker stops, and the streams that it makes of plain bytes. The contents of the gzip
//! files make no difference here, so the files only begin like real ones.

use super::*;

/// Bytes that begin like a gzip file.
pub(super) fn gzip(seed: u64, len: usize) -> Vec<u8> {
    [vec![0x1f, 0x8b, 8, 0], noise(seed, len - 4)].concat()
}

/// Splits an image. A candidate is coded as the plain bytes that `plain_of` gives, or is contents if it gives none.
pub(super) fn split_coded(
    image: &[u8],
    pieces: &[usize],
    plain_of: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Vec<RawChunk> {
    split_with(Splitter::finding_candidates(small_params()), image, pieces, plain_of).chunks
}

/// Splits an image with this splitter. The result has everything that the splitter gave.
pub(super) fn split_with(
    mut splitter: Splitter,
    image: &[u8],
    pieces: &[usize],
    plain_of: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> LastChunks {
    let (mut at, mut turn, mut chunks, mut borders) = (0, 0, Vec::new(), Vec::new());
    while at < image.len() {
        let end = image.len().min(at + pieces[turn % pieces.len()]);
        let taken = splitter.push(Bytes::copy_from_slice(&image[at..end]));
        (at, turn) = (at + taken, turn + 1);
        if let Some(candidate) = splitter.candidate() {
            let start = at - candidate.held.len();
            let size = candidate.size.unwrap_or(u64::MAX).min((image.len() - start) as u64) as usize;
            at = start + size;
            let plain = plain_of(&image[start..at]);
            match &plain {
                Some(_) => splitter.begin_coded(),
                None => splitter.decline(),
            }
            for piece in plain.as_deref().unwrap_or(&image[start..at]).chunks(pieces[0]) {
                assert_eq!(splitter.push(Bytes::copy_from_slice(piece)), piece.len());
                borders.extend(splitter.take_part_borders());
            }
            if plain.is_some() {
                splitter.end_coded();
            }
        }
        chunks.extend(splitter.take());
        borders.extend(splitter.take_part_borders());
    }
    let last = splitter.finish_parts();
    chunks.extend(last.chunks);
    borders.extend(last.borders);
    LastChunks { chunks, borders, ..last }
}

fn tree_of(skeleton: &[u8]) -> Vec<TreeEntry> {
    let (mut walker, mut tree) = (TreeWalker::default(), Vec::new());
    skeleton.chunks(3).for_each(|part| walker.push(part, &mut |entry| tree.push(entry)).unwrap());
    walker.finish(&mut |entry| tree.push(entry)).unwrap();
    tree
}

fn coded_of(skeleton: &[u8]) -> Vec<std::ops::Range<u64>> {
    let mut builder = LayoutBuilder::new(u64::MAX);
    builder.push(skeleton).unwrap();
    builder.finish().unwrap().coded().collect()
}

#[test]
fn coded_layers_are_walked_and_what_follows_them_too() {
    let layer = |seed| [file("etc/a", &noise(seed, 700)), file("b", &noise(seed + 1, 40)), vec![0; 1024]].concat();
    let (plain_1, plain_2) = (layer(20), noise(30, 5000));
    let (coded_1, coded_2) = (gzip(1, 1300), gzip(2, 900));
    let image = |a: &[u8], b: &[u8]| {
        let link = [header("link", b'1', 900), padded(b)].concat();
        [&header("blobs/1", b'0', 1300)[..], a, &vec![0; 236], &file("m", b"{}"), &link, &file("z", b"x"), &[0; 1024]]
            .concat()
    };
    let plain_of = |stored: &[u8]| {
        let known =
            [(&coded_1, &plain_1), (&coded_2, &plain_2)].into_iter().find(|(coded, _)| coded.as_slice() == stored);
        known.map(|(_, plain)| plain.clone())
    };
    let stored = image(&coded_1, &coded_2);
    let mut plain = stored[..BLOCK].to_vec();
    plain.extend_from_slice(&plain_1);
    let after = BLOCK + 1300;
    let second = stored.windows(900).position(|window| window == coded_2.as_slice()).unwrap();
    plain.extend_from_slice(&stored[after..second]);
    plain.extend_from_slice(&plain_2);
    plain.extend_from_slice(&stored[second + 900..]);

    let expected = streams(&split_coded(&stored, &[1 << 20], &plain_of));
    for pieces in PIECES {
        assert_eq!(streams(&split_coded(&stored, pieces, &plain_of)), expected, "{pieces:?}");
    }
    let [skeleton, contents] = expected.map(|chunks| chunks.concat());
    check_layout(&plain, &skeleton, &contents);
    let start = (second - 1300 + plain_1.len()) as u64;
    assert_eq!(coded_of(&skeleton), [512..512 + plain_1.len() as u64, start..start + 5000]);
    let tree = tree_of(&skeleton);
    assert_eq!(paths(&tree), ["blobs/1", "blobs/1!etc/a", "blobs/1!b", "m", "link", "link", "z"]);
    assert_eq!(tree[5].contents.end - tree[5].contents.start, 5000);
    let coded: Vec<usize> = (0..tree.len()).filter(|&number| tree[number].is_coded).collect();
    assert_eq!(coded, [0, 4]);

    // Declined candidates are contents, exactly as if nobody had stopped there.
    let declined = streams(&split_coded(&stored, &[700], &|_| None));
    assert_eq!(declined, streams(&split(&stored, small_params(), &[1 << 20])));
}

#[test]
fn the_image_itself_may_be_coded() {
    let plain = [file("a", &noise(3, 800)), vec![0; 1024]].concat();
    for (plain, expected) in [(plain, vec!["", "!a"]), (noise(4, 3000), vec!["", ""]), (vec![0; 700], vec!["", ""])] {
        let image = gzip(5, 2000);
        for pieces in PIECES {
            let chunks = split_coded(&image, pieces, &|_| Some(plain.clone()));
            bounds::check(plain.len(), 1, small_params(), &chunks);
            let [skeleton, contents] = streams(&chunks).map(|chunks| chunks.concat());
            check_layout(&plain, &skeleton, &contents);
            let whole = 0..plain.len() as u64;
            assert_eq!(coded_of(&skeleton), std::slice::from_ref(&whole));
            let found = paths(&tree_of(&skeleton));
            assert!(found.iter().all(|path| expected.contains(&path.as_str())), "{found:?}");
        }
    }
}

#[test]
fn nested_and_short_ones_are_no_candidates() {
    let inner = [file("deep.gz", &gzip(1, 2000)), vec![0; 1024]].concat();
    let image = [file("layer.tar", &inner), file("short.gz", &gzip(2, 511)), vec![0; 1024]].concat();
    for pieces in PIECES {
        let never = |_: &[u8]| -> Option<Vec<u8>> { panic!("stopped at no candidate") };
        let chunks = split_coded(&image, pieces, &never);
        assert!(rebuild(&chunks) == image);
    }
}

#[test]
fn marks_have_to_go_together() {
    let (literal, begin, end) = ([4, 7], [6], [10]);
    let sound = [&literal[..], &begin, &literal, &end, &begin, &literal, &end].concat();
    assert_eq!(coded_of(&sound), [1..2, 2..3]);
    for bad in [
        [&begin[..], &literal].concat(),
        [&literal[..], &end].concat(),
        [&begin[..], &end].concat(),
        [&begin[..], &literal, &begin, &literal, &end, &end].concat(),
    ] {
        let mut builder = LayoutBuilder::new(1 << 20);
        let made = builder.push(&bad).and_then(|()| builder.finish());
        assert_eq!(made, Err(LayoutError::Marks), "{bad:?}");
    }
    let mut builder = LayoutBuilder::new(1 << 20);
    assert!(builder.push(&[3 << 2 | 2]).is_err());
}

proptest! {
    #[test]
    fn any_plain_bytes_make_the_same_streams_whatever_the_pieces(
        plain in prop::collection::vec(any_entry(), 0..4), tail in 1usize..900, size in 512usize..3000,
        pieces in prop::collection::vec(1usize..2000, 1..4),
    ) {
        let plain = [plain.concat(), noise(1, tail)].concat();
        let coded = gzip(7, size);
        let image = [header("l", b'0', size as u64), padded(&coded), file("z", b"end")].concat();
        let plain_of = |stored: &[u8]| (stored == coded).then(|| plain.clone());
        let chunks = split_coded(&image, &[1 << 20], &plain_of);
        bounds::check(BLOCK + plain.len() + image.len() - BLOCK - size, 1, small_params(), &chunks);
        let one = streams(&chunks);
        prop_assert_eq!(&streams(&split_coded(&image, &pieces, &plain_of)), &one);
        let [skeleton, contents] = one.map(|chunks| chunks.concat());
        let unfolded = [&image[..BLOCK], &plain, &image[BLOCK + size..]].concat();
        check_layout(&unfolded, &skeleton, &contents);
        let paths = paths(&tree_of(&skeleton));
        prop_assert!(paths.iter().filter(|path| *path == "z").count() >= 1, "{:?}", paths);
    }
}

/// A splitter that cuts nothing finds the same parts.
#[test]
fn borders_are_the_same_where_nothing_is_cut() {
    let layer = |seed| [file("etc/a", &noise(seed, 700)), file("b", &noise(seed + 1, 40)), vec![0; 1024]].concat();
    let large = file("large", &noise(9, (1 << 20) + 5));
    let image = [file("a", &noise(1, 3000)), file("a.tar", &layer(1)), large, file("b.tar", &layer(2)), vec![0; 1024]];
    let image = image.concat();
    let splitter = || Splitter::finding_candidates(small_params()).by_rules(WalkRules::V3);
    for pieces in [&[700, 5][..], &[1 << 20]] {
        let run = |splitter| split_with(splitter, &image, pieces, &|_| None);
        let (all, none) = (run(splitter()), run(splitter().cutting_nothing()));
        assert!(none.chunks.is_empty() && !all.chunks.is_empty());
        assert_eq!(none.borders, all.borders);
        assert!(none.borders.len() >= 4);
    }
}
