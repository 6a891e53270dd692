//! The parts of images: the same ids and names wherever they lie, in a scan, while an image is made, and when a plain
//! image is read again.

use std::collections::VecDeque;

use bytes::Bytes;
use regrow_chunker::{PartKind, PartName, UnitId};
use regrow_index::{Claims, Index, KeptEntries, StreamHead, Units};
use ring::digest::{SHA256, digest};

use super::*;
use crate::ingest::{Ingested, PlainPiece, PlainSource, ingest, ingest_plain};

/// Bytes that differ for each seed.
fn noise_of(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A tar of these files, whose times are `time`.
fn tar_of(files: &[(&str, &[u8])], time: u64) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mtime(time);
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn layer(seed: u64) -> Vec<u8> {
    let small: Vec<Vec<u8>> = (0..40).map(|n| noise_of(seed + n, 300 * n as usize)).collect();
    let names: Vec<String> = (0..40).map(|n| format!("etc/{seed}/{n}")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(small.iter().map(Vec::as_slice)).collect();
    let large = noise_of(seed + 100, 200_000);
    files.push(("usr/lib/large", &large));
    tar_of(&files, seed)
}

fn ids(scan: &Scan) -> UnitIds {
    scan.units(Params::default()).unwrap()
}

/// What make finds: the scan, and the result of reading.
fn made(image: &[u8]) -> (UnitIds, Ingested) {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::new();
    let (params, gzip_files) = (Params::default(), GzipFiles::Prove(folder.path()));
    let reading =
        Reading { rules: WalkRules::V3, params, pool: &pool, stage: Stage::Make, progress: &NoProgress, gzip_files };
    let input = Input { reader: &mut &image[..], name: Path::new("x"), size_hint: None, at_random: None };
    let (mut skeleton, mut contents) = (Vec::new(), Vec::new());
    let ingested = ingest(input, &reading, &mut |chunk| {
        match chunk.stream {
            StreamKind::Skeleton => skeleton.push(chunk.record),
            StreamKind::Contents => contents.push(chunk.record),
        }
        Ok(())
    });
    let ingested = ingested.unwrap();
    (UnitRecipes::new(&skeleton, &contents, &ingested.parts).ids(3, &params), ingested)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

/// Scans an image and makes it, and checks that both agree and that the names are those of these plain bytes.
fn check(image: &[u8], parts: &[&[u8]]) -> Scan {
    let scan = scan_of(image, GzipFiles::Scan(None));
    check_round_trip(&scan);
    let (made_ids, ingested) = made(image);
    assert_eq!(made_ids, ids(&scan));
    assert_eq!(made_ids.image_id(), scan.image_id(Params::default()));
    assert_eq!(ingested.parts, scan.parts);
    let names = ingested.names.unwrap();
    assert_eq!(names.image, sha256(image));
    let expected: Vec<PartName> = parts.iter().map(|part| PartName::from_bytes(sha256(part))).collect();
    assert_eq!(names.parts, expected);
    for (part, bytes) in scan.parts.iter().zip(parts) {
        assert_eq!(part.plain.end - part.plain.start, bytes.len() as u64);
    }
    check_index(&scan, &names.parts);
    scan
}

/// Writes the units into an index, and finds the same parts in it.
fn check_index(scan: &Scan, names: &[PartName]) {
    let params = Params::default();
    let (wrapper, parts) = scan.unit_recipes().to_index(3, &params, names);
    let units = Units {
        image_sha256: [0; 32],
        plain_bytes: scan.layout.image_bytes(),
        claims: Claims::default(),
        wrapper,
        parts,
        files: Vec::new(),
        disk: None,
        signatures: Vec::new(),
        kept: KeptEntries::default(),
    };
    assert_eq!(units.image_id(), scan.image_id(params));
    let bytes: u64 = units.iter().map(|unit| unit.skeleton.bytes + unit.contents.bytes).sum();
    assert_eq!(bytes, scan.layout.skeleton_bytes() + scan.layout.contents_bytes());
    let index = Index {
        walk_version: 3,
        params,
        image_bytes: 0,
        image_digest: scan.digest,
        skeleton: StreamHead { chunks: scan.skeleton.len() as u64, ..StreamHead::default() },
        contents: StreamHead { chunks: scan.contents.len() as u64, ..StreamHead::default() },
        packs: Vec::new(),
        chunk_runs: Vec::new(),
        segment_runs: Vec::new(),
        store: String::new(),
        codings: Vec::new(),
        fresh_packs: Vec::new(),
        patches: Vec::new(),
        units: Some(units),
    };
    let recipe = Recipe { skeleton: scan.skeleton.clone(), contents: scan.contents.clone() };
    assert_eq!(parts_of_index(&index, &recipe, &scan.layout), scan.parts);
    // In the index, the records of a stream come by units.
    let by_units: Vec<Record> = (0..=scan.parts.len())
        .flat_map(|unit| scan.unit_recipes().records(unit, StreamKind::Contents).collect::<Vec<_>>())
        .collect();
    let order = index.contents_order();
    let in_order: Vec<Record> =
        order.iter().flat_map(|r| by_units[r.start as usize..r.end as usize].to_vec()).collect();
    assert_eq!(in_order, scan.contents);
    assert_eq!(index.skeleton_order().iter().map(|range| range.end - range.start).sum::<u64>(), index.skeleton.chunks);
}

fn part_ids(scan: &Scan) -> Vec<UnitId> {
    ids(scan).parts
}

#[test]
fn a_layer_has_one_id_in_every_archive() {
    let (layer, other) = (layer(1), layer(1000));
    let saved =
        check(&tar_of(&[("a/layer.tar", &layer), ("manifest.json", b"[]"), ("b.tar", &other)], 7), &[&layer, &other]);
    let elsewhere = tar_of(&[("blobs/b", &other), ("index.json", &noise(900)), ("blobs/a", &layer)], 8);
    let elsewhere = check(&elsewhere, &[&other, &layer]);
    let (stored, stored_other) = (gzip(&layer), gzip(&other));
    let coded = check(&tar_of(&[("blobs/a", &stored), ("m", b"{}"), ("blobs/b", &stored_other)], 9), &[&layer, &other]);
    let alone = check(&layer, &[&layer]);
    let coded_alone = check(&stored, &[&layer]);
    assert_eq!(part_ids(&saved), part_ids(&coded));
    assert_eq!(part_ids(&saved), [part_ids(&elsewhere)[1], part_ids(&elsewhere)[0]]);
    assert_eq!(part_ids(&alone), part_ids(&saved)[..1]);
    assert_eq!(part_ids(&coded_alone), part_ids(&alone));
    let wrappers = [&saved, &elsewhere, &coded, &alone, &coded_alone].map(|scan| ids(scan).wrapper);
    (1..5).for_each(|n| assert!(!wrappers[..n].contains(&wrappers[n])));
    // The segments of the layer are the same too, skeleton and contents.
    let known: Vec<_> = saved.segments().map(|segment| segment.id()).collect();
    assert!(alone.segments().all(|segment| known.contains(&segment.id())));
    // A tar.gz of an archive has the archive's parts.
    let archive = tar_of(&[("a", &layer), ("manifest.json", b"[]"), ("b", &other)], 7);
    assert_eq!(part_ids(&check(&gzip(&archive), &[&layer, &other])), part_ids(&saved));
}

#[test]
fn large_files_have_names_and_ids_too() {
    let (large, layer) = (noise_of(5, 1 << 20), layer(1));
    let with = check(&tar_of(&[("large", &large), ("layer.tar", &layer)], 1), &[&large, &layer]);
    assert_eq!(with.parts.iter().map(|part| part.kind).collect::<Vec<_>>(), [PartKind::File, PartKind::Tar]);
    let without = tar_of(&[("large", &large), ("less", &large[1..])], 1);
    check(&without, &[&without]);
    assert_eq!(part_ids(&check(&large, &[&large])), part_ids(&with)[..1]);
    assert_eq!(part_ids(&check(&gzip(&large), &[&large])), part_ids(&with)[..1]);
    // A file that a gzip file holds, beside a tar and without one.
    let stored = gzip(&large);
    let beside = check(&tar_of(&[("large.gz", &stored), ("layer.tar", &layer)], 1), &[&large, &layer]);
    assert_eq!(part_ids(&beside), part_ids(&with));
    let image = tar_of(&[("x", b"x"), ("large.gz", &stored), ("z", b"z")], 1);
    let start = 3 * 512;
    check(&image, &[&[&image[..start], &large, &image[start + stored.len()..]].concat()]);
    for empty in [vec![], vec![7], noise(100_000)] {
        check(&empty, &[&empty]);
    }
}

#[test]
fn version_2_knows_no_parts() {
    let layer = layer(1);
    let image = tar_of(&[("layer.tar", &layer)], 1);
    let pool = Pool::new();
    let (params, gzip_files, progress) = (Params::default(), GzipFiles::Scan(None), &NoProgress);
    let reading = |rules| Reading { rules, params, pool: &pool, stage: Stage::Scan, progress, gzip_files };
    let scan = |rules| {
        let input = Input { reader: &mut &image[..], name: Path::new("x"), size_hint: None, at_random: None };
        Scan::of_input(input, &reading(rules), LostHeaders::Opaque, usize::MAX).unwrap().0
    };
    let (two, three) = (scan(WalkRules::V2), scan(WalkRules::V3));
    assert!(two.units(params).is_none() && two.parts().is_empty() && two.contents == three.contents);
    assert_ne!(two.image_id(params), three.image_id(params));
    assert_eq!(two.segments().count(), 2);
    check_round_trip(&two);
    assert_eq!(unfolding_rules(WalkRules::V2, &params), "1.3.1 4096 16384 65536");
    assert_eq!(unfolding_rules(WalkRules::V3, &params), "3.3.1 4096 16384 65536");
    assert_eq!(unfolding_rules(WalkRules::V6, &params), "6.3.1.2 4096 16384 65536");
    assert_ne!(Scan::decode(&two.encode(), WalkRules::V3), Some(two));
}

struct Pieces(VecDeque<PlainPiece>);

impl PlainSource for Pieces {
    fn next(&mut self) -> Result<Option<PlainPiece>, LocalError> {
        Ok(self.0.pop_front())
    }
}

/// A patch yields the plain image, which is read again.
#[test]
fn a_plain_image_that_is_read_again_has_the_same_parts() {
    let (layer, other) = (layer(1), layer(1000));
    let image = tar_of(&[("a.tar", &layer), ("m.json", b"{}"), ("b.gz", &gzip(&other)), ("z", b"z")], 3);
    let scan = scan_of(&image, GzipFiles::Scan(None));
    let unfolded = &scan.unfolded[0];
    let (before, after) = (&image[..unfolded.stored.start as usize], &image[unfolded.stored.end as usize..]);
    let bytes = |bytes: &[u8]| {
        bytes.chunks(999).map(|piece| PlainPiece::Bytes(Bytes::copy_from_slice(piece))).collect::<Vec<_>>()
    };
    let mut pieces = bytes(before);
    pieces.push(PlainPiece::BeginCoded);
    pieces.extend(bytes(&other));
    pieces.push(PlainPiece::EndCoded);
    pieces.extend(bytes(after));
    let pool = Pool::new();
    let (params, gzip_files, progress) = (Params::default(), GzipFiles::Contents, &NoProgress);
    let reading = Reading { rules: WalkRules::V3, params, pool: &pool, stage: Stage::Patch, progress, gzip_files };
    let mut streams = [Vec::new(), Vec::new()];
    let parts = ingest_plain(&mut Pieces(pieces.into()), &reading, |chunk| {
        streams[usize::from(chunk.stream == StreamKind::Contents)].push(chunk.record);
        Ok::<_, LocalError>(())
    });
    let [skeleton, contents] = &streams;
    assert_eq!(parts.unwrap(), scan.parts);
    assert_eq!((skeleton, contents), (&scan.skeleton, &scan.contents));
}
