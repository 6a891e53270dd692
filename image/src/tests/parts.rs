//! The parts of an image: what they are, that their chunks follow from their own bytes, and that the sizes of the
//! pushed pieces do not matter.

use super::coded::{gzip, split_with};
use super::*;
use regrow_chunker::PartKind;

const MIB: usize = 1 << 20;

/// An image by version 3 of the walking rules.
struct Parted {
    all: LastChunks,
    plain: Vec<u8>,
}

impl Parted {
    fn part(&self, number: usize) -> &ImagePart {
        &self.all.parts[number]
    }

    /// The chunks of a part, or of the wrapper.
    fn unit(&self, number: Option<usize>) -> [Vec<Vec<u8>>; 2] {
        let mut streams = streams(&self.all.chunks);
        for (kind, stream) in [StreamKind::Skeleton, StreamKind::Contents].into_iter().zip(&mut streams) {
            let share =
                |part: &ImagePart| if kind == StreamKind::Skeleton { &part.skeleton } else { &part.contents }.clone();
            let taken: Vec<PartRange> = self.all.parts.iter().map(share).collect();
            let is_wanted = |record: u64| match number {
                Some(number) => taken[number].records.contains(&record),
                None => !taken.iter().any(|part| part.records.contains(&record)),
            };
            let mut record = 0..;
            stream.retain(|_| is_wanted(record.next().unwrap()));
        }
        streams
    }

    fn kinds(&self) -> Vec<PartKind> {
        self.all.parts.iter().map(|part| part.kind).collect()
    }

    fn plain_of(&self, part: usize) -> &[u8] {
        let plain = &self.part(part).plain;
        &self.plain[plain.start as usize..plain.end as usize]
    }
}

fn splitter() -> Splitter {
    Splitter::finding_candidates(small_params()).by_rules(WalkRules::V3)
}

fn parted(image: &[u8]) -> Parted {
    parted_with(image, &[MIB], &|_| None)
}

/// Splits in these pieces, and checks everything that holds for the parts of any image.
fn parted_with(image: &[u8], pieces: &[usize], plain_of: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Parted {
    let all = split_with(splitter(), image, pieces, plain_of);
    let parted = Parted { plain: rebuild(&all.chunks), all };
    let (mut at, mut counts) = (0, Vec::new());
    for part in &parted.all.parts {
        assert!(part.plain.start >= at && part.plain.start <= part.plain.end, "{part:?}");
        at = part.plain.end;
        for (kind, range) in [(StreamKind::Skeleton, &part.skeleton), (StreamKind::Contents, &part.contents)] {
            let chunks: Vec<&RawChunk> = parted.all.chunks.iter().filter(|chunk| chunk.stream == kind).collect();
            let chunks = &chunks[range.records.start as usize..range.records.end as usize];
            let bytes: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
            assert_eq!(bytes as u64, range.bytes.end - range.bytes.start, "{part:?}");
            assert!(chunks.first().is_none_or(|chunk| chunk.at == range.bytes.start));
        }
        let contents = part.contents.bytes.end - part.contents.bytes.start;
        let files = files_of(&parted, part);
        match part.kind {
            PartKind::File => {
                assert_eq!((&part.skeleton, contents), (&PartRange::default(), part.plain.end - part.plain.start))
            }
            PartKind::Tar => assert!(part.skeleton.bytes.end > part.skeleton.bytes.start),
        }
        counts.push(files);
    }
    assert_eq!(parted.all.files, counts);
    check_guesses(&parted.all);
    // Whoever hashes the parts while they pass comes to the same ranges.
    let (mut hashed, mut start) = (Vec::new(), None);
    for border in &parted.all.borders {
        match border.change {
            BorderChange::Begins => assert_eq!(start.replace(border.plain_at), None),
            BorderChange::EndsAsNone => assert!(start.take().is_some()),
            BorderChange::Ends => hashed.push(start.take().unwrap()..border.plain_at),
        }
    }
    assert_eq!(start, None);
    let parts: Vec<_> = parted.all.parts.iter().map(|part| part.plain.clone()).collect();
    assert!(parts == hashed || parts.len() == 1, "{parts:?} {hashed:?}");
    parted
}

/// The number of files of a part, counted in the layout.
fn files_of(parted: &Parted, part: &ImagePart) -> u64 {
    let mut builder = LayoutBuilder::new(u64::MAX);
    let skeleton = parted.all.chunks.iter().filter(|chunk| chunk.stream == StreamKind::Skeleton);
    skeleton.for_each(|chunk| builder.push(&chunk.bytes).unwrap());
    builder.finish().unwrap().files_in(part.contents.bytes.clone()).count() as u64
}

/// Checks that what was known of a chunk's unit when it was cut is right, once a tar has come.
fn check_guesses(all: &LastChunks) {
    let begun = all.borders.iter().filter(|border| border.change != BorderChange::Begins);
    let is_part: Vec<bool> = begun.map(|border| border.change == BorderChange::Ends).collect();
    for kind in [StreamKind::Skeleton, StreamKind::Contents] {
        let chunks = all.chunks.iter().filter(|chunk| chunk.stream == kind);
        for (number, chunk) in chunks.enumerate().filter(|(_, chunk)| chunk.unit.has_tar) {
            let range = |part: &ImagePart| match kind {
                StreamKind::Skeleton => part.skeleton.records.clone(),
                StreamKind::Contents => part.contents.records.clone(),
            };
            let unit = all.parts.iter().position(|part| range(part).contains(&(number as u64)));
            let guess = (chunk.unit.candidate as usize).checked_sub(1).filter(|&candidate| is_part[candidate]);
            let guess = guess.map(|candidate| is_part[..candidate].iter().filter(|is_part| **is_part).count());
            assert_eq!(guess, unit, "chunk {number} of {kind:?}");
        }
    }
}

/// Checks that each part is cut as it would be if it were an image.
fn check_alone(parted: &Parted) {
    for number in 0..parted.all.parts.len() {
        let plain = parted.plain_of(number);
        let alone = split_with(Splitter::new(small_params()).by_rules(WalkRules::V3), plain, &[MIB], &|_| None);
        let alone = Parted { all: alone, plain: plain.to_vec() };
        if alone.all.parts.len() == 1 && alone.part(0).plain == (0..plain.len() as u64) {
            assert_eq!(alone.part(0).kind, parted.part(number).kind);
            assert!(alone.unit(Some(0)) == parted.unit(Some(number)), "part {number}");
        }
    }
}

fn layer(seed: u64) -> Vec<u8> {
    let small = (0..30).flat_map(|n| file(&format!("etc/{n}"), &noise(seed + n, 37 * n as usize))).collect::<Vec<_>>();
    [small, file("lib", &noise(seed, 5000)), vec![0; 1024]].concat()
}

#[test]
fn a_layer_is_the_same_part_wherever_it_lies() {
    let (layer, other) = (layer(1), layer(1000));
    let plain =
        parted(&[file("a/layer.tar", &layer), file("m.json", b"{}"), file("b.tar", &other), vec![0; 1024]].concat());
    let mut outer = header("0123/layer.tar", b'0', layer.len() as u64);
    outer[136..147].copy_from_slice(b"14000077777");
    seal(&mut outer);
    let elsewhere = [file("b.tar", &other), file("x", &noise(9, 700)), outer, layer.clone(), file("m", b"[]")].concat();
    let elsewhere = parted(&[elsewhere, vec![0; 1024]].concat());
    let stored = gzip(3, 2500);
    let coded = [file("index.json", b"{}"), file("blobs/1", &stored), vec![0; 10240]].concat();
    let coded = parted_with(&coded, &[MIB], &|_| Some(layer.clone()));
    let alone = parted(&layer);
    let coded_alone = parted_with(&stored, &[MIB], &|_| Some(layer.clone()));
    assert_eq!(plain.kinds(), [PartKind::Tar; 2]);
    for (image, number) in [(&plain, 0), (&elsewhere, 1), (&coded, 0), (&alone, 0), (&coded_alone, 0)] {
        assert!(image.plain_of(number) == layer);
        assert!(image.unit(Some(number)) == plain.unit(Some(0)));
        check_alone(image);
    }
    assert_eq!(alone.unit(None), [Vec::<Vec<u8>>::new(), Vec::new()], "the wrapper is empty");
    assert_eq!(coded_alone.unit(None), [vec![vec![6], vec![10]], Vec::new()], "two marks");
    assert_eq!(coded.all.parts.len(), 1);
    let marks = coded.unit(None)[0].concat();
    assert_eq!(marks.iter().filter(|&&byte| byte == 6 || byte == 10).count(), 2);
}

#[test]
fn large_files_are_parts_beside_a_tar() {
    let (large, less) = (noise(1, MIB), noise(2, MIB - 1));
    let files = [file("large", &large), file("less", &less), file("m", b"{}")].concat();
    let without = parted(&[files.clone(), vec![0; 1024]].concat());
    assert_eq!(without.kinds(), [PartKind::Tar]);
    assert_eq!(without.part(0).plain, 0..without.plain.len() as u64);
    let stored = gzip(3, 2500);
    let with = [files, file("layer.tar", &layer(1)), file("large.gz", &stored), vec![0; 1024], noise(5, MIB)].concat();
    let with = parted_with(&with, &[MIB], &|_| Some(noise(4, MIB + 5)));
    let (tar, file) = (PartKind::Tar, PartKind::File);
    assert_eq!(with.kinds(), [file, tar, file, file], "the last one is the opaque end of the image");
    assert!(with.plain_of(0) == large && with.plain_of(2) == noise(4, MIB + 5));
    check_alone(&with);
    // In chunks of 4 MiB on average, a file of that size is grouped with others.
    let params = Params::new(1 << 20, 4 << 20, 4 << 20).unwrap();
    let splitter = Splitter::new(params).by_rules(WalkRules::V3);
    assert_eq!(split_with(splitter, &with.plain, &[MIB], &|_| None).parts.len(), 1);
}

#[test]
fn images_without_a_tar_are_one_file() {
    for image in [vec![], vec![7], vec![0; 512], noise(1, 700), noise(2, MIB + 7)] {
        let found = parted(&image);
        assert_eq!((found.kinds(), found.part(0).plain.clone()), (vec![PartKind::File], 0..image.len() as u64));
        assert_eq!(found.part(0).contents.bytes, 0..image.len() as u64);
        assert_eq!(found.unit(None)[1], Vec::<Vec<u8>>::new());
        let stored = gzip(9, 1234);
        let coded = parted_with(&stored, &[100], &|_| (!image.is_empty()).then(|| image.clone()));
        let expected = if image.is_empty() { &stored } else { &image };
        assert!(coded.plain_of(0) == expected.as_slice() && coded.kinds() == [PartKind::File]);
        check_alone(&coded);
    }
}

/// The candidates of a coded image are those of the tar in it.
#[test]
fn a_compressed_archive_has_the_parts_of_the_archive() {
    let archive = [file("a.tar", &layer(1)), file("m", b"{}"), file("b.tar", &layer(2)), vec![0; 1024]].concat();
    let plain = parted(&archive);
    for pieces in PIECES {
        let coded = parted_with(&gzip(1, 3000), pieces, &|_| Some(archive.clone()));
        assert_eq!(coded.all.parts.len(), 2);
        (0..2).for_each(|number| assert!(coded.unit(Some(number)) == plain.unit(Some(number))));
        assert!(coded.unit(None)[0].first() == Some(&vec![6]) && coded.unit(None)[0].last() == Some(&vec![10]));
    }
}

#[test]
fn candidates_beyond_the_limit_join_the_wrapper() {
    let tar = [file("a", b"hello"), vec![0; 512]].concat();
    let image: Vec<u8> = (0..1025).flat_map(|n| file(&format!("{n}.tar"), &tar)).collect();
    let found = parted(&image);
    assert_eq!(found.all.parts.len(), 1024);
    assert_eq!(found.unit(None)[1], [b"hello".to_vec()]);
    check_alone(&parted(&image[..20 << 10]));
    // Files count too, and a tar that comes after them decides that they are parts.
    let params = Params::new(32 << 10, 64 << 10, 64 << 10).unwrap();
    let large = Bytes::from(file("large", &vec![0; MIB]));
    let parts = |last: Vec<u8>| {
        let mut splitter = Splitter::new(params).by_rules(WalkRules::V3);
        for piece in std::iter::repeat_n(large.clone(), 1025).chain([last.into()]) {
            splitter.push(piece);
            drop(splitter.take());
        }
        splitter.finish_parts().parts
    };
    assert_eq!(parts(file("a", b"")).len(), 1);
    let both = parts(file("a.tar", &tar));
    assert!(both.len() == 1024 && both.iter().all(|part| part.kind == PartKind::File));
}

/// An image with the chunks of some parts left out.
#[test]
fn all_else_is_cut_alike_without_a_part() {
    let large = noise(9, MIB + 5);
    let image = [
        file("small", &noise(1, 3000)),
        file("a.tar", &layer(1)),
        file("large", &large),
        file("b.tar", &layer(2)),
        file("config", &noise(2, 900)),
        vec![0; 1024],
    ]
    .concat();
    let all = parted(&image);
    for left_out in [vec![0], vec![1], vec![2], vec![0, 1, 2]] {
        let mut splitter = splitter();
        let mut at = 0;
        for &number in &left_out {
            let part = all.part(number);
            splitter.push(Bytes::copy_from_slice(&image[at..part.plain.start as usize]));
            assert!(splitter.skip_part(part.kind, part.plain.end - part.plain.start));
            at = part.plain.end as usize;
        }
        splitter.push(Bytes::copy_from_slice(&image[at..]));
        let mut chunks = splitter.take();
        let last = splitter.finish_parts();
        chunks.extend(last.chunks);
        let some = Parted { all: LastChunks { chunks, ..last }, plain: image.clone() };
        assert_eq!(some.all.parts.len(), 3);
        for number in 0..3 {
            let (part, whole) = (some.part(number), all.part(number));
            assert_eq!((part.kind, &part.plain), (whole.kind, &whole.plain));
            let expected = if left_out.contains(&number) { Default::default() } else { all.unit(Some(number)) };
            assert!(some.unit(Some(number)) == expected, "{number} without {left_out:?}");
        }
        assert!(some.unit(None) == all.unit(None), "{left_out:?}");
    }
    let mut splitter = splitter();
    splitter.push(Bytes::copy_from_slice(&image[..512]));
    assert!(!splitter.skip_part(PartKind::Tar, 3001));
}

#[test]
fn levels_count_from_the_part() {
    let mut deep = file("core", &noise(1, 2000));
    for depth in 0..12 {
        deep = [file(&format!("t{depth}"), &deep), vec![0; 1024]].concat();
        let image = [file("outer", &deep), vec![0; 1024]].concat();
        let found = parted(&image);
        assert_eq!(found.all.parts.len(), 1);
        let mut tree = Vec::new();
        let mut walker = TreeWalker::new(WalkRules::V3, &small_params());
        let [skeleton, _] = streams(&found.all.chunks).map(|chunks| chunks.concat());
        skeleton.chunks(100).for_each(|bytes| walker.push(bytes, &mut |entry| tree.push(entry)).unwrap());
        walker.finish(&mut |entry| tree.push(entry)).unwrap();
        assert_eq!(tree.len(), 1 + (depth + 2).min(8));
        let coded = parted_with(&file("l.gz", &gzip(1, 900)), &[MIB], &|_| Some(deep.clone()));
        assert!(coded.unit(Some(0)) == found.unit(Some(0)));
    }
}

#[test]
fn version_2_has_no_parts() {
    let image = [file("a.tar", &layer(1)), vec![0; 1024]].concat();
    let all = split_with(Splitter::new(small_params()), &image, &[MIB], &|_| None);
    assert!(all.parts.is_empty() && all.borders.is_empty());
    // The contents are cut in the same way.
    assert_eq!(streams(&all.chunks)[1], streams(&parted(&image).all.chunks)[1]);
    for (version, rules) in [
        (1, WalkRules::V2),
        (2, WalkRules::V2),
        (3, WalkRules::V3),
        (4, WalkRules::V4),
        (5, WalkRules::V5),
        (6, WalkRules::V6),
    ] {
        assert_eq!(WalkRules::of_version(version), Some(rules));
        let found = |has_coded_files, has_coded_zstd, divided_since| WalkFindings {
            has_coded_files,
            has_coded_zstd,
            divided_since,
        };
        assert_eq!(rules.version(found(version == 2, version == 4, (version >= 5).then_some(version))), version);
        assert_eq!(rules.version(found(true, false, None)), version.clamp(2, 3));
        let of_latest = WalkRules::V6.version(found(false, version == 4, (version >= 5).then_some(version)));
        assert_eq!(of_latest, version.max(3));
    }
    assert_eq!(WalkRules::of_version(7), None);
}

#[test]
fn a_search_behind_damage_cuts_at_parts_too() {
    let layers = [layer(1), layer(1000)];
    let mut image = [file("a.tar", &layers[0]), file("b.tar", &layers[1]), vec![0; 1024]].concat();
    let whole = parted(&image);
    image[3000..6000].fill(7);
    let searching = || Splitter::new(small_params()).by_rules(WalkRules::V3).searching();
    let found = split_with(searching(), &image, &[MIB], &|_| None);
    let pieces = split_with(searching(), &image, &[300], &|_| None);
    assert!(found.parts == pieces.parts && streams(&found.chunks) == streams(&pieces.chunks));
    let found = Parted { all: found, plain: Vec::new() };
    assert_eq!(found.kinds(), [PartKind::Tar; 2]);
    assert!(found.unit(Some(1)) == whole.unit(Some(1)));
}

fn any_outer_entry() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any_entry(),
        (0usize..900, any::<u64>()).prop_map(|(len, seed)| {
            let inner = [file("a", &noise(seed, len)), file("b", &noise(seed, 300)), vec![0; 1024]].concat();
            file("layer.tar", &inner)
        }),
        (MIB - 2..MIB + 600, any::<u64>()).prop_map(|(len, seed)| file("large", &noise(seed, len))),
        Just(file("l.gz", &gzip(7, 700))),
        Just(file("l.gz", &gzip(8, 900))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_pieces_give_the_same_parts(
        entries in prop::collection::vec(any_outer_entry(), 0..6), inner in prop::collection::vec(any_entry(), 1..4),
        pieces in prop::collection::vec(1usize..9000, 1..4), cut in any::<prop::sample::Index>(), tail in 0usize..700,
    ) {
        let mut image = [entries.concat(), noise(1, tail)].concat();
        let inner = inner.concat();
        let plain_of = |stored: &[u8]| match stored {
            stored if stored == gzip(7, 700) => Some(inner.clone()),
            stored if stored == gzip(8, 900) => Some(noise(4, MIB)),
            _ => None,
        };
        for _ in 0..2 {
            let one = parted_with(&image, &[1 << 24], &plain_of);
            let many = parted_with(&image, &pieces, &plain_of);
            prop_assert!(streams(&one.all.chunks) == streams(&many.all.chunks));
            prop_assert_eq!(&one.all.parts, &many.all.parts);
            prop_assert_eq!(&one.all.borders, &many.all.borders);
            image.truncate(cut.index(image.len() + 1));
        }
    }

    #[test]
    fn parts_follow_from_their_bytes(layers in prop::collection::vec(
        prop::collection::vec((0usize..3000, any::<u64>()), 1..9), 1..5,
    )) {
        let layer = |files: &Vec<(usize, u64)>| {
            let files = files.iter().flat_map(|&(len, seed)| file("f", &noise(seed, len))).collect::<Vec<_>>();
            file("l.tar", &[files, vec![0; 1024]].concat())
        };
        let image = parted(&layers.iter().flat_map(layer).collect::<Vec<_>>());
        prop_assert_eq!(image.all.parts.len(), layers.len());
        check_alone(&image);
    }
}
