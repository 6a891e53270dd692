//! Levels by which libzstd comes near to what other versions made.

use super::{LEVEL_WINDOW_LOGS, Libzstd, LibzstdEncoder, Mode, SMALL_BYTES, WINDOW_LOGS};
use crate::FrameHeader;

/// The levels that had other parameters before 1.5.0.
const OLD_LEVELS: std::ops::RangeInclusive<u8> = 5..=13;

/// The parameters of levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Those of the version that is linked.
    Present,
    /// Those of 1.4.4 to 1.4.9, which had no tables of rows.
    Old,
}

impl Family {
    pub(crate) const ALL: [Self; 2] = [Self::Present, Self::Old];

    /// Whether a level has parameters of its own here, for frames of this size.
    pub(crate) fn has(self, level: u8, plain_bytes: Option<u64>) -> bool {
        let is_large = plain_bytes.is_none_or(|bytes| bytes > SMALL_BYTES);
        self == Self::Present || is_large && OLD_LEVELS.contains(&level)
    }
}

impl Libzstd {
    /// An encoder for a sample of a frame; with a window, if that is a small one.
    pub(crate) fn sample(level: u8, family: Family, window_log: Option<u8>) -> Self {
        let is_old = family == Family::Old;
        let known = Self::usual(level, Mode::Stream);
        let window_log = window_log.filter(|log| WINDOW_LOGS.contains(log)).unwrap_or_default();
        Self { window_log, has_content_size: true, has_no_rows: is_old, has_old_levels: is_old, ..known }
    }

    /// Appends what is made of the beginning of a frame of this many plain bytes, however the rest is made.
    pub(crate) fn put_beginning(self, plain: &[u8], plain_bytes: u64, out: &mut Vec<u8>) {
        let mut encoder = LibzstdEncoder::new(Self { mode: Mode::Stream, ..self }, plain_bytes);
        encoder.write(plain, out);
        encoder.flush(out);
    }

    /// The ways in which a level comes near to a frame, each with the modes that are worth trying.
    pub(crate) fn near(header: FrameHeader, level: u8, family: Family, plain_bytes: Option<u64>) -> Vec<Vec<Self>> {
        let own = LEVEL_WINDOW_LOGS[usize::from(level) - 1];
        let asked = header.window.ilog2() as u8;
        let is_own = header.is_single_segment || asked == own || !WINDOW_LOGS.contains(&asked);
        let windows: &[(u8, bool)] = if is_own { &[(0, false)] } else { &[(asked, false), (asked, true)] };
        let splits: &[bool] = if family == Family::Old { &[true] } else { &[true, false] };
        let has_content_size = header.plain_bytes.is_some();
        // The command writes checksums, and programs mostly do not.
        let modes = if header.has_checksum {
            [Mode::Workers, Mode::Stream, Mode::OneCall]
        } else {
            [Mode::OneCall, Mode::Stream, Mode::Workers]
        };
        let of = |(window_log, is_long): (u8, bool), is_unsplit| {
            let of_mode = |mode| Self {
                has_content_size,
                has_checksum: header.has_checksum,
                ends_apart: !has_content_size,
                is_unsplit,
                has_no_rows: family == Family::Old,
                has_old_levels: family == Family::Old,
                window_log,
                is_long,
                ..Self::usual(level, mode)
            };
            let all = modes.into_iter().filter(|mode| *mode != Mode::OneCall || has_content_size).map(of_mode);
            all.filter(|known| known.unavailable(plain_bytes.unwrap_or(u64::MAX)).is_none()).collect()
        };
        windows.iter().flat_map(|window| splits.iter().map(move |is_unsplit| of(*window, *is_unsplit))).collect()
    }
}
