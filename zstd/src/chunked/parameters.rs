//! What a zstd:chunked file depends on, besides its tar.

use std::fmt;

use super::{MAX_FRAME_BYTES, toc};
use crate::klauspost::{Form, Klauspost, Level, Version};
use crate::number::{put_number, take_number};

/// Versions of containers/storage that write the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generation {
    /// 1.38 to 1.46.
    V1_38 = 1,
    /// 1.50 to 1.53: with tar-split's account of the tar.
    V1_50 = 2,
    /// 1.54: the table of contents has the account's digest.
    V1_54 = 3,
    /// 1.55 to 1.58: times that are not known are left out.
    V1_55 = 4,
    /// From 1.59: nothing is flushed before it ends.
    V1_59 = 5,
}

impl Generation {
    /// All of them, the likeliest first.
    const ALL: [Self; 5] = [Self::V1_59, Self::V1_55, Self::V1_38, Self::V1_54, Self::V1_50];

    pub(super) fn has_account(self) -> bool {
        self != Self::V1_38
    }

    pub(super) fn names_account(self) -> bool {
        !matches!(self, Self::V1_38 | Self::V1_50)
    }

    pub(super) fn leaves_out_empty(self) -> bool {
        matches!(self, Self::V1_55 | Self::V1_59)
    }

    /// Whether blocks end before the frames of the last headers, and of the account, do.
    pub(super) fn flushes_ends(self) -> bool {
        self != Self::V1_59
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_38 => "1.38 to 1.46",
            Self::V1_50 => "1.50 to 1.53",
            Self::V1_54 => "1.54",
            Self::V1_55 => "1.55 to 1.58",
            Self::V1_59 => "from 1.59",
        })
    }
}

/// What is added to the number of a generation if the table of contents does not belong to the file.
const FRAMES_ALONE: u64 = 16;

/// A writer of zstd:chunked files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chunked {
    /// The version of containers/storage.
    pub generation: Generation,
    /// The encoder of frames that are not flushed.
    pub encoder: Klauspost,
    /// Whether the table of contents belongs to it, or the frames alone.
    pub has_contents: bool,
}

impl Chunked {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        put_number(out, self.generation as u64 + if self.has_contents { 0 } else { FRAMES_ALONE });
        self.encoder.put(out);
    }

    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let form = take_number(bytes)?;
        let (has_contents, number) = (form < FRAMES_ALONE, form % FRAMES_ALONE);
        let generation = Generation::ALL.into_iter().find(|generation| *generation as u64 == number)?;
        let encoder =
            Klauspost::take(bytes).filter(|encoder| encoder.form == Form::Stream && encoder.flushed_at == 0)?;
        (form < 2 * FRAMES_ALONE).then_some(Self { generation, encoder, has_contents })
    }

    /// The writers that may have made a file that ends like this, the likeliest first. Only making all of it tells.
    pub fn candidates(end: &[u8]) -> impl Iterator<Item = Self> {
        let has_account = match end {
            _ if end.ends_with(&toc::MAGIC) => Some(false),
            _ => end.ends_with(&toc::MAGIC_WITH_ACCOUNT).then_some(true),
        };
        let of_footer = move |generation: &Generation| Some(generation.has_account()) == has_account;
        Generation::ALL.into_iter().filter(of_footer).flat_map(|generation| {
            // podman and skopeo have the best level unless another one is asked for.
            [Level::Best, Level::Default, Level::Better, Level::Fastest].into_iter().flat_map(move |level| {
                let versions = Version::ALL.into_iter().filter(move |version| version.is_first_at(level));
                versions.map(move |version| Self {
                    generation,
                    encoder: Klauspost::new(version, level),
                    has_contents: true,
                })
            })
        })
    }

    /// The memory of one encoder of frames.
    #[must_use]
    pub fn frame_memory_bytes(self) -> u64 {
        self.encoder.memory_bytes(MAX_FRAME_BYTES as u64)
    }

    /// The memory of all that makes one file, if frames are not made side by side: encoders of frames, of a long one,
    /// of the table of contents, and of tar-split's account.
    pub(crate) fn memory_bytes(self) -> u64 {
        self.frame_memory_bytes() + 3 * self.encoder.memory_bytes(u64::MAX)
    }
}

impl fmt::Display for Chunked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zstd:chunked of containers/storage {}, {}", self.generation, self.encoder)?;
        f.write_str(if self.has_contents { "" } else { ", without its table of contents" })
    }
}
