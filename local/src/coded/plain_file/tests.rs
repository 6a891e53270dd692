use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use regrow_index::CodedFormat;

use super::*;
use crate::coded::{CodedReader, PointCollector};

const PIECE_BYTES: usize = 300_000;

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// A file that holds a gzip file between other bytes, its plain image, and what is unfolded.
fn sample() -> (Vec<u8>, Vec<u8>, Unfolded) {
    let plain = noise(1, 20_000_000);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).unwrap();
    let gzip = encoder.finish().unwrap();
    let (mut reader, mut points) = (CodedReader::new(CodedFormat::Gzip), PointCollector::default());
    points.look(&reader, 0);
    let (mut rest, mut out) = (gzip.as_slice(), Vec::new());
    while !rest.is_empty() {
        rest = &rest[reader.push(rest, &mut out, PIECE_BYTES).unwrap().taken..];
        points.look(&reader, out.len() as u64);
    }
    assert!(out == plain);
    let (before, after) = (noise(2, 1000), noise(3, 1000));
    let mut points = points.finish();
    points.retain(|point| point.plain_at < plain.len() as u64);
    let unfolded = Unfolded {
        stored: 1000..1000 + gzip.len() as u64,
        plain: 1000..1000 + plain.len() as u64,
        starts: Starts::Points(CodedFormat::Gzip, points),
    };
    ([before.as_slice(), &gzip, &after].concat(), [before.as_slice(), &plain, &after].concat(), unfolded)
}

fn reads_well(file: &PlainFile, plain: &[u8], at: usize, len: usize) -> bool {
    let mut out = vec![0; len];
    file.read_exact_at(&mut out, at as u64).is_ok() && out == plain[at..at + len]
}

/// What was decompressed is not decompressed again: it comes from a file in the folder, even if the gzip file is gone.
#[test]
fn a_span_is_decompressed_once() {
    let (stored, plain, unfolded) = sample();
    let folder = tempfile::tempdir().unwrap();
    for scratch in [Some(folder.path()), None] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&stored).unwrap();
        let again = file.try_clone().unwrap();
        let read = PlainFile::new(file, vec![unfolded.clone()]).with_scratch(scratch);
        for (at, len) in [(10_000_000, 3_000_000), (0, 2_000_000), (500, 1000), (19_999_000, 3000)] {
            assert!(reads_well(&read, &plain, at, len));
        }
        assert!(reads_well(&read, &plain, 0, plain.len()));
        again.set_len(0).unwrap();
        assert_eq!(reads_well(&read, &plain, 1000, 20_000_000), scratch.is_some());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
}

/// A folder that is not there does no harm.
#[test]
fn no_room_is_no_failure() {
    let (stored, plain, unfolded) = sample();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&stored).unwrap();
    let read = PlainFile::new(file, vec![unfolded]).with_scratch(Some(Path::new("/nowhere")));
    assert!(reads_well(&read, &plain, 0, plain.len()));
}

/// What a scan decompressed is not decompressed at all, not even from a damaged file. Without room for all of it, the file is
/// read as if nothing had been kept.
#[test]
fn what_a_scan_kept_is_read_from_there() {
    let (_, plain, unfolded) = sample();
    let folder = tempfile::tempdir().unwrap();
    let read = |pieces: &[usize]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![0; unfolded.stored.end as usize]).unwrap();
        let (mut spool, mut at) = (PlainSpool::new(Some(folder.path())), unfolded.plain.start);
        for &bytes in pieces {
            spool.keep(at, &plain[at as usize..at as usize + bytes]);
            at += bytes as u64;
        }
        PlainFile::new(file, vec![unfolded.clone()]).with_spool(spool)
    };
    let kept = read(&[1, 12_999_999, 7_000_000]);
    assert!(kept.is_spooled());
    for (at, len) in [(10_000_000, 3_000_000), (1000, 20_000_000), (20_000_999, 1)] {
        assert!(reads_well(&kept, &plain, at, len));
    }
    let nothing = PlainFile::new(tempfile::tempfile().unwrap(), vec![unfolded.clone()]);
    let nothing = nothing.with_spool(PlainSpool::new(Some(Path::new("/nowhere"))));
    assert!(!nothing.is_spooled());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
}
