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
            let (mut encoder, mut out) = (FrameEncoder::new(kind, 0), Vec::new());
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
