//! Frames that other versions of libzstd wrote, of a small tar. `1.5.4-6-mt` is version 1.5.4, level 6, with a worker.

use super::*;
use crate::beginning::Beginning;

const FRAMES: [(&str, &[u8]); 4] = [
    ("1.5.4-6-mt", include_bytes!("golden/libzstd-1.5.4-6-mt.zst")),
    ("1.5.4-16-mt", include_bytes!("golden/libzstd-1.5.4-16-mt.zst")),
    ("1.5.5-19-one", include_bytes!("golden/libzstd-1.5.5-19-one.zst")),
    ("1.4.9-9-mt", include_bytes!("golden/libzstd-1.4.9-9-mt.zst")),
];

#[test]
fn frames_of_other_versions_come_back_with_few_corrections() {
    for (name, stored) in FRAMES {
        let plain = zstd::stream::decode_all(stored).unwrap();
        let beginning = Beginning::of(stored).unwrap();
        assert_eq!(beginning.encoders().next(), None, "{name}");
        let near = beginning.near();
        let (known, found) = near
            .iter()
            .take(3)
            .find_map(|known| Some((*known, corrections(*known, &plain, stored, stored.len() / 50)?)))
            .unwrap_or_else(|| panic!("{name}: {near:?}"));
        assert!(rebuilt(known, &plain, &found, 100_000).unwrap() == stored, "{name}");
    }
}

/// The form of corrections does not change: old ones make the same frames.
#[test]
fn old_corrections() {
    let (_, stored) = FRAMES[0];
    let plain = zstd::stream::decode_all(stored).unwrap();
    let known = libzstd(6, 2, 3 + 16);
    if let Some(found) = corrections(known, &plain, stored, 1000) {
        let digits: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("of today: {digits}");
    }
    let old: Vec<u8> = include_str!("golden/corrections.txt")
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    assert!(rebuilt(known, &plain, &old, 1000).unwrap() == stored);
}
