pub(crate) mod data;
mod golden;
mod original;

use super::*;

impl Klauspost {
    pub(super) fn has_usual_options(&self) -> bool {
        *self == Self::new(self.version, self.level)
    }
}

/// Each level with its usual options, and with others.
fn kinds(version: Version) -> impl Iterator<Item = Klauspost> {
    LEVELS.into_iter().filter(move |level| version.is_first_at(*level)).flat_map(move |level| {
        let usual = Klauspost::new(version, level);
        [
            usual,
            Klauspost { form: Form::All, ..usual },
            Klauspost { form: Form::SizedStream, window_log: 18, ..usual },
            Klauspost { window_log: 10, block_log: 10, checksum: false, ..usual },
            Klauspost { window_log: 16, block_log: 16, form: Form::All, single_segment: Some(true), ..usual },
            Klauspost { window_log: 17, block_log: 17, single_segment: Some(false), ..usual },
            Klauspost { codes_all_literals: !usual.codes_all_literals, flushed_at: 70_001, ..usual },
            Klauspost { plain_literals: true, codes_all_literals: true, ..usual },
        ]
    })
}

/// Those that are made.
const LEVELS: [Level; 4] = [Level::Fastest, Level::Default, Level::Better, Level::Best];

/// The stream of plain bytes that are written in parts.
fn stream(kind: Klauspost, plain: &[u8], part_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = FrameEncoder::new(kind, plain.len() as u64);
    plain.chunks(part_bytes).for_each(|part| encoder.write(part, &mut out));
    encoder.finish(&mut out);
    out
}

#[test]
fn sizes_of_writes_do_not_matter() {
    let plain = data::mixed(250_000);
    for kind in kinds(Version::V1_17_8) {
        let whole = stream(kind, &plain, plain.len());
        for part_bytes in [977, 131_072] {
            assert!(stream(kind, &plain, part_bytes) == whole, "{kind:?} in parts of {part_bytes}");
        }
    }
}

#[test]
fn positions_may_start_over() {
    // After two gigabytes, an entry of a table is either found still, or is too far away.
    let plain = data::mixed(500_000);
    for level in LEVELS {
        let kind = Klauspost { window_log: 17, ..Klauspost::new(Version::V1_17_8, level) };
        let streams = [false, true].map(|is_old| {
            let (mut encoder, mut out) = (FrameEncoder::new(kind, u64::MAX), Vec::new());
            if is_old {
                encoder.age();
            }
            encoder.write(&plain, &mut out);
            encoder.finish(&mut out);
            out
        });
        assert!(streams[0] == streams[1], "{level}");
    }
}

/// Kinds with any options.
fn any_kind(numbers: &mut data::Numbers) -> Klauspost {
    let (version, level) = (Version::ALL[numbers.below(6)], LEVELS[numbers.below(4)]);
    let window_log = MIN_WINDOW_LOG + numbers.below(14) as u8;
    Klauspost {
        form: Form::ALL[numbers.below(3)],
        window_log,
        block_log: (MIN_WINDOW_LOG + numbers.below(8) as u8).min(window_log),
        flushed_at: [0, 0, 8, 5000][numbers.below(4)],
        checksum: numbers.below(2) == 0,
        single_segment: [None, Some(true), Some(false)][numbers.below(3)],
        plain_literals: numbers.below(4) == 0,
        codes_all_literals: numbers.below(2) == 0,
        ..Klauspost::new(version, level)
    }
}

#[test]
fn frames_decode_to_what_was_written() {
    let (mut numbers, plain) = (data::Numbers::new(3), data::mixed(300_000));
    for _ in 0..60 {
        let kind = any_kind(&mut numbers);
        let most = 2 << numbers.below(18);
        let length = numbers.below(most);
        let start = numbers.below(plain.len() - length);
        let frame = &plain[start..][..length];
        let decoded = zstd::decode_all(&stream(kind, frame, 10_000)[..]);
        assert!(decoded.is_ok_and(|decoded| decoded == frame), "{kind:?}, {length}");
    }
}

#[test]
fn wrong_promises_of_plain_bytes_do_no_harm() {
    let (mut numbers, plain) = (data::Numbers::new(4), data::mixed(150_000));
    for promised in [0, 1, 1000, 131_072, 140_000, u64::MAX] {
        for _ in 0..5 {
            let (mut encoder, mut out) = (FrameEncoder::new(any_kind(&mut numbers), promised), Vec::new());
            encoder.write(&plain, &mut out);
            encoder.finish(&mut out);
            encoder.write(&plain[..1000], &mut out);
            encoder.restart(promised);
            encoder.finish(&mut out);
        }
    }
}

#[test]
fn frames_may_follow_one_another() {
    let plain = data::mixed(400_000);
    for level in LEVELS {
        let kind = Klauspost { window_log: 17, ..Klauspost::new(Version::V1_17_8, level) };
        let mut encoder = FrameEncoder::new(kind, 0);
        encoder.age();
        for length in [0, 300, 20_000, 100, 250_000, 150_000, 70_000, 1] {
            let frame = &plain[length / 3..][..length];
            let mut out = Vec::new();
            encoder.restart(length as u64);
            encoder.write(frame, &mut out);
            encoder.finish(&mut out);
            assert!(out == stream(kind, frame, 5000), "{level}, {length}");
        }
    }
}

#[test]
fn kinds_are_written_down_and_read() {
    for kind in kinds(Version::V1_15).chain(kinds(Version::V1_17_8)) {
        let mut written = Vec::new();
        kind.put(&mut written);
        assert!(written.len() <= 16);
        written.push(77);
        let mut rest = &written[..];
        assert_eq!(Klauspost::take(&mut rest), Some(kind));
        assert_eq!(rest, [77]);
        (0..written.len() - 1).for_each(|end| assert_eq!(Klauspost::take(&mut &written[..end]), None));
    }
    for wrong in
        [[0x19, 0, 23, 17, 0], [0x40, 0, 23, 17, 0], [0x10, 3, 23, 17, 0], [0x10, 0, 9, 9, 0], [0, 0, 23, 18, 0]]
    {
        assert_eq!(Klauspost::take(&mut &wrong[..]), None, "{wrong:?}");
    }
}
