//! Scans, and the form in which the catalog remembers them.

mod parts;

use regrow_chunker::ChunkId;

use super::*;
use crate::NoProgress;
use crate::pool::Pool;

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn scan_of(image: &[u8], gzip_files: GzipFiles<'_>) -> Scan {
    scan_of_most(image, gzip_files, usize::MAX)
}

fn scan_of_most(image: &[u8], gzip_files: GzipFiles<'_>, most: usize) -> Scan {
    damaged_scan_of(image, gzip_files, LostHeaders::Opaque, most)
}

fn damaged_scan_of(mut image: &[u8], gzip_files: GzipFiles<'_>, lost_headers: LostHeaders, most: usize) -> Scan {
    let pool = Pool::new();
    let (params, progress) = (Params::default(), &NoProgress);
    let reading = Reading { rules: WalkRules::V3, params, pool: &pool, stage: Stage::Scan, progress, gzip_files };
    let input = Input { reader: &mut image, name: Path::new("x"), size_hint: None, at_random: None };
    Scan::of_input(input, &reading, lost_headers, most).unwrap().0
}

pub(super) fn check_round_trip(scan: &Scan) {
    let blob = scan.encode();
    assert_eq!(Scan::decode(&blob, scan.rules()).as_ref(), Some(scan));
    for cut in (0..blob.len()).step_by(1 + blob.len() / 3000) {
        assert_ne!(Scan::decode(&blob[..cut], scan.rules()).as_ref(), Some(scan));
    }
}

#[test]
fn the_catalogs_form_round_trips() {
    let image = noise(300_000);
    let scan = scan_of(&image, GzipFiles::Scan(None));
    assert_eq!(scan.digest, *blake3::hash(&image).as_bytes());
    check_round_trip(&scan);
}

/// A scan that does not keep everything is still sound.
#[test]
fn a_scan_stops_remembering() {
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..20 {
        let bytes = noise(60_000 + number);
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, format!("file {number}"), bytes.as_slice()).unwrap();
    }
    let image = tar.into_inner().unwrap();
    let whole = scan_of(&image, GzipFiles::Scan(None));
    for most in 0..whole.chunks() {
        let part = scan_of_most(&image, GzipFiles::Scan(None), most);
        assert!(part.chunks() <= most && part.digest == whole.digest);
        assert!(whole.skeleton.starts_with(&part.skeleton) && whole.contents.starts_with(&part.contents));
        let mut at = 0;
        for record in &part.contents {
            let range = at..at + u64::from(record.len);
            at = range.end;
            let places = part.layout.contents_in_image(range);
            let bytes: Vec<u8> =
                places.flat_map(|place| image[place.start as usize..place.end as usize].to_vec()).collect();
            assert_eq!(ChunkId::of(&bytes), record.id);
        }
    }
}

/// A gzip file as Go writes it.
fn gzip(plain: &[u8]) -> Vec<u8> {
    use regrow_deflate::encoders::{Encoder, GoGeneration, KnownEncoder};
    let mut image = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let mut encoder = Encoder::new(KnownEncoder::Go { generation: GoGeneration::Before127, level: 6 });
    encoder.write(plain, &mut image);
    encoder.finish(&mut image);
    let mut trailer = regrow_deflate::GzipTrailer::default();
    trailer.update(plain);
    image.extend_from_slice(&trailer.finish());
    image
}

/// The image is itself a gzip file.
#[test]
fn gzip_files_too() {
    let image = gzip(&[noise(2_000_000), vec![7; 1_500_000]].concat());
    let scan = scan_of(&image, GzipFiles::Scan(None));
    let [unfolded] = scan.unfolded.as_slice() else { panic!("{:?}", scan.unfolded.len()) };
    assert_eq!((unfolded.stored.clone(), unfolded.plain.clone()), (0..image.len() as u64, 0..3_500_000));
    assert!(unfolded.points().len() >= 3, "{}", unfolded.points().len());
    assert_ne!(scan.image_id(Params::default()), scan_of(&image, GzipFiles::Contents).image_id(Params::default()));
    check_round_trip(&scan);
}
