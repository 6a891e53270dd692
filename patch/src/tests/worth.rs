//! Patches that save little are given up, early where that takes time.

use super::*;
use std::io::{Read, Seek, SeekFrom, Write};

use crate::check::{check_from, check_growing, confirm};
use crate::header::{CHECKSUM_BYTES, HEADER_BYTES};
use crate::plan::Limit;
use crate::sample::Sample;
use crate::{PatchHeader, write_checked};

/// A pair of images, and what its chunks would cost if they compressed to this share of a hundred.
fn between(pair: &Pair, percent: u64, least_saving: u8) -> Between<'_> {
    let plain_bytes = pair.sides().target.contents_bytes();
    let chunk_cost = ChunkCost { bytes: plain_bytes * percent / 100, chunks: 1, plain_bytes };
    Between { chunk_cost, least_saving, ..pair.between() }
}

/// Twenty files of noise, of which none is in both images.
fn noisy() -> Pair {
    let files = |from: u64| (from..from + 20).map(|n| file(&format!("{n}"), noise(n, 30_000))).collect::<Vec<_>>();
    Pair::new(&tar(&files(0)), &tar(&files(100)))
}

/// Twenty files of text, each of which was edited.
fn edited() -> Pair {
    let file_of = |n: u64, more: usize| file(&format!("{n}"), [text(n, 5_000), text(n + 500, more)].concat());
    let files = |more| (0..20).map(|n| file_of(n, more)).collect::<Vec<_>>();
    Pair::new(&tar(&files(0)), &tar(&files(50)))
}

#[test]
fn a_patch_of_noise_is_given_up() {
    let pair = noisy();
    let mut patch = tempfile::tempfile().unwrap();
    assert!(
        matches!(write(&between(&pair, 100, 20), &mut patch).unwrap(), Made::NotWorth { bytes } if bytes > 590_000)
    );
    let mut patch = tempfile::tempfile().unwrap();
    made(write(&between(&pair, 100, 0), &mut patch).unwrap());
}

#[test]
fn a_patch_that_saves_enough_is_made() {
    let pair = edited();
    let mut patch = tempfile::tempfile().unwrap();
    let written = made(write(&between(&pair, 25, 20), &mut patch).unwrap());
    assert!(written.header.patch_bytes < 50_000, "{}", written.header.patch_bytes);
}

#[test]
fn what_is_published_is_what_was_checked_while_it_was_written() {
    let pair = edited();
    let between = between(&pair, 25, 20);
    let bytes_of = |file: &mut std::fs::File| {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let (mut checked, mut other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let header = made(write_checked(&between, &mut checked).unwrap()).header;
    made(write(&between, &mut other).unwrap());
    let bytes = bytes_of(&mut checked);
    assert!(bytes == bytes_of(&mut other));
    let body = HEADER_BYTES..bytes.len() - CHECKSUM_BYTES;
    let was_read = check_growing(&between, &header, &bytes[body.clone()]).unwrap();
    confirm(&mut checked, &header, &was_read).unwrap();
    // Another byte is noticed, even if the checksum is right for it.
    checked.seek(SeekFrom::Start(body.end as u64 - 1)).unwrap();
    checked.write_all(&[!bytes[body.end - 1]]).unwrap();
    crate::write::seal(&mut checked, &header).unwrap();
    confirm(&mut checked, &header, &was_read).unwrap_err();
    check_growing(&between, &header, &bytes[body.start..body.end - 100]).map(|_| ()).unwrap_err();
}

#[test]
fn a_sample_tells_early() {
    let limit = |pair: &Pair, percent| Limit {
        estimated_bytes: pair.sides().target.contents_bytes() * percent / 100,
        sampled_from: 100_000,
    };
    let pair = noisy();
    let Planned::TooLarge(bytes) = pair.planned(5, Some(limit(&pair, 90))) else { panic!("noise is matched") };
    assert!((590_000..660_000).contains(&bytes), "{bytes}");
    assert!(matches!(pair.planned(5, Some(limit(&pair, 120))), Planned::Plan(_)));
    let pair = edited();
    assert!(matches!(pair.planned(5, Some(limit(&pair, 22))), Planned::Plan(_)));
    // Without new bytes there is no sample.
    let base = pair.sides().base;
    assert!(Sample::of(&base, &base, &[], 1).is_none());
}

/// A patch's header cannot have more made of it than the target is worth, and a maker leaves streams alone that would.
#[test]
fn what_is_expanded_is_bounded() {
    let zeros = |changed: u8| gzip(&[vec![changed], vec![0; 3 << 20]].concat(), "-9");
    let edited = |changed: u8| gzip(&text(changed.into(), 9_000), "-6");
    let image = |changed| tar(&[file("zeros.gz", zeros(changed)), file("text.gz", edited(changed))]);
    let pair = Pair::new(&image(1), &image(2));
    let mut patch = tempfile::tempfile().unwrap();
    let header = made(write(&pair.between(), &mut patch).unwrap()).header;
    assert!((1..1 << 20).contains(&header.expanded_bytes), "{}", header.expanded_bytes);
    let base = base_of(&pair.between());
    for (expanded_bytes, is_refused) in [(64 << 20, false), ((64 << 20) + 1, true)] {
        crate::write::seal(&mut patch, &PatchHeader { expanded_bytes, ..header.clone() }).unwrap();
        let error = check_from(&pair.between(), &base, &mut patch).unwrap_err().to_string();
        assert_eq!(error.contains("do not fit together"), is_refused, "{error}");
    }
}
