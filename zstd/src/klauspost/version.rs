//! Versions of klauspost/compress whose zstd streams differ.

use std::fmt;

use super::parameters::Level;

/// A range of versions of klauspost/compress, named after its first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// 1.15.12, and at most levels those around it, up to 1.16.3.
    V1_15,
    /// 1.16.4 to 1.16.7.
    V1_16_4,
    /// 1.17.0 to 1.17.2, and at the levels Fastest and Default up to 1.17.7.
    V1_17_0,
    /// 1.17.3 to 1.17.5, and at all levels but Best up to 1.17.7.
    V1_17_3,
    /// 1.17.6 and 1.17.7.
    V1_17_6,
    /// From 1.17.8.
    V1_17_8,
}

/// Which matches of SpeedBestCompression begin earlier if the bytes before them are the same too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RepeatExtension {
    /// Those that repeat no offset.
    Never,
    /// All.
    Always,
    /// Those that are compared with a match that repeats no offset.
    UnlessBestRepeats,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_15 => "up to 1.16.3",
            Self::V1_16_4 => "1.16.4 to 1.16.7",
            Self::V1_17_0 => "1.17.0 to 1.17.2",
            Self::V1_17_3 => "1.17.3 to 1.17.5",
            Self::V1_17_6 => "1.17.6 and 1.17.7",
            Self::V1_17_8 => "from 1.17.8",
        })
    }
}

impl Version {
    /// All of them, the likeliest first: the newest, and that of Debian 12. Streams of these two may be the same for many
    /// MiB, and those of versions between them longer still.
    pub(crate) const ALL: [Self; 6] =
        [Self::V1_17_8, Self::V1_15, Self::V1_17_6, Self::V1_17_3, Self::V1_17_0, Self::V1_16_4];

    /// Stands for it in files.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::V1_15 => 0,
            Self::V1_16_4 => 2,
            Self::V1_17_0 => 4,
            Self::V1_17_3 => 5,
            Self::V1_17_6 => 6,
            Self::V1_17_8 => 8,
        }
    }

    /// Whether no earlier range writes the same at this level, but for windows.
    pub(crate) fn is_first_at(self, level: Level) -> bool {
        match self {
            Self::V1_17_3 => level >= Level::Better,
            Self::V1_17_6 => level == Level::Best,
            _ => true,
        }
    }

    /// SpeedBestCompression: which matches begin earlier if the bytes before them are the same too.
    pub(super) fn repeat_extension(self) -> RepeatExtension {
        match self {
            Self::V1_15 | Self::V1_16_4 | Self::V1_17_0 => RepeatExtension::Never,
            Self::V1_17_3 => RepeatExtension::Always,
            Self::V1_17_6 | Self::V1_17_8 => RepeatExtension::UnlessBestRepeats,
        }
    }

    /// SpeedBestCompression: repetitions right behind a match are taken to cost no more than those behind literals.
    pub(super) fn weighs_repeats_alike(self) -> bool {
        self >= Self::V1_17_3
    }

    /// A full block in which no match was found is left as it is, whatever the options are.
    pub(super) fn leaves_full_literals(self) -> bool {
        self == Self::V1_15
    }

    /// SpeedBetterCompression and SpeedBestCompression have windows of 16 and 32 MiB, as up to 1.17.4.
    pub(super) fn has_large_windows(self) -> bool {
        self <= Self::V1_17_3
    }

    /// SpeedBetterCompression and SpeedBestCompression note all places from where they looked last, not only those of the
    /// match.
    pub(super) fn notes_all_places(self) -> bool {
        self >= Self::V1_17_3
    }

    /// A block whose one match repeats its first byte is written as that byte.
    pub(super) fn finds_one_byte(self) -> bool {
        self >= Self::V1_17_8
    }

    /// Matches must save one byte for each 2^n of a block, and 16.
    pub(super) fn least_gain_shift(self) -> u32 {
        if self == Self::V1_15 { 5 } else { 6 }
    }

    /// So few literals are not coded.
    pub(super) fn most_plain_literals(self) -> usize {
        if self >= Self::V1_17_0 { 16 } else { 32 }
    }

    /// Coded literals must be shorter than raw ones with their header.
    pub(super) fn compares_with_raw(self) -> bool {
        self >= Self::V1_17_0
    }
}
