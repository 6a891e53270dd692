use super::*;
use crate::klauspost::tests::data;
use crate::klauspost::{Form, Klauspost, Level, Version};

fn stream(kind: Klauspost, plain: &[u8]) -> Vec<u8> {
    stream_of(KnownEncoder::Klauspost(kind), plain)
}

fn stream_of(known: KnownEncoder, plain: &[u8]) -> Vec<u8> {
    let (mut encoder, mut out) = (Reencoder::new(known, plain.len() as u64), Vec::new());
    encoder.write(plain, &mut out);
    encoder.finish(&mut out);
    out
}

/// Kinds of which there are streams.
fn kinds(version: Version, level: Level) -> Vec<Klauspost> {
    let usual = Klauspost::new(version, level);
    vec![
        usual,
        Klauspost { checksum: false, ..usual },
        Klauspost { form: Form::All, ..usual },
        Klauspost { form: Form::SizedStream, ..usual },
        Klauspost { window_log: 17, block_log: usual.block_log.min(17), ..usual },
        Klauspost { flushed_at: 1000, ..usual },
        Klauspost { flushed_at: 140_000, ..usual },
        Klauspost { codes_all_literals: !usual.codes_all_literals, ..usual },
        Klauspost { plain_literals: true, ..usual },
    ]
}

#[test]
fn encoders_are_recognised_by_the_beginning() {
    let plain = data::mixed(350_000);
    for (number, level) in [Level::Fastest, Level::Default, Level::Better, Level::Best].into_iter().enumerate() {
        let usual = [Version::V1_17_6, Version::V1_16_4, Version::V1_15].map(|version| Klauspost::new(version, level));
        // The options are the same at all levels.
        let others = kinds(Version::V1_17_8, level).into_iter().skip(number % 2).step_by(2);
        for kind in others.chain(usual) {
            let stored = stream(kind, &plain);
            let prefix = &stored[..stored.len() * 3 / 4];
            let known = guess(prefix).unwrap_or_else(|| panic!("{kind:?} is not recognised"));
            assert!(stream_of(known, &plain)[..prefix.len()] == *prefix, "{kind:?}: {known:?}");
            let known = Beginning::of(&stored).unwrap().encoders().next().unwrap();
            assert!(stream_of(known, &plain) == stored, "{kind:?}: {known:?}");
        }
    }
}

#[test]
fn encoders_of_small_files_are_recognised() {
    for (name, plain) in data::of_many_lengths().into_iter().chain(data::of_all_kinds()) {
        for kind in [Klauspost::new(Version::V1_17_8, Level::Default), Klauspost::new(Version::V1_17_0, Level::Fastest)]
        {
            let stored = stream(kind, &plain);
            let guessed = guess(&stored).unwrap_or_else(|| panic!("{name}: {kind:?}"));
            let KnownEncoder::Klauspost(known) = guessed else { panic!("{guessed}") };
            assert!(stream(known, &plain) == stored, "{name}, {kind:?}: {known:?}");
        }
    }
}

#[test]
fn what_others_write_is_not_taken_for_klauspost() {
    let plain = data::mixed(200_000);
    for level in [1, 3, 12] {
        // Zstd's own library is known too, if it is the version that is linked.
        let guessed = guess(&zstd::encode_all(&plain[..], level).unwrap());
        assert!(!matches!(guessed, Some(KnownEncoder::Klauspost(_))), "{guessed:?}");
    }
    assert_eq!(guess(b""), None);
    assert_eq!(guess(b"\x1f\x8b\x08"), None);
}

#[test]
fn only_a_frame_is_looked_at() {
    let kind = Klauspost::new(Version::V1_17_8, Level::Default);
    let mut stored = stream(kind, b"some text, and some text");
    stored.extend(vec![9; 1000]);
    assert_eq!(guess(&stored), Some(KnownEncoder::Klauspost(kind)));
}
