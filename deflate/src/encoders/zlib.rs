//! zlib's deflate, GNU gzip's, and pigz's.
//!
//! zlib's and gzip's go back to the same algorithm of Jean-loup Gailly's (zlib: Jean-loup Gailly and Mark Adler, zlib
//! licence): hash chains of three bytes, lazy evaluation, and Huffman trees built with a heap. They differ in when
//! blocks end, and at the end of the input. The code here was written for regrow, after zlib's documentation and
//! source, and for GNU gzip after what it writes. pigz (Mark Adler, zlib licence) has zlib compress blocks of 128 KiB
//! with the 32 KiB before as a dictionary, and ends each at a byte's end.
//!
//! | [`ZlibFamily`] | is | tested bit for bit against |
//! |---|---|---|
//! | `Zlib` | zlib from 1.2.5.1, default strategy, window of 32 KiB, memory level 8 or 9 | 1.2.13 (Python) |
//! | [`zlib_stream`] | the same with smaller windows, from 512 bytes on | the same |
//! | `Gzip` | GNU gzip | 1.12 |
//! | `Pigz` | pigz from 2.3.4 with more than one thread, blocks of 128 KiB | 2.6 with zlib 1.2.13 |
//!
//! [`matcher`] finds matches in a sliding window, of which [`blocks`] makes deflate's blocks with the codes of
//! [`trees`].

mod blocks;
mod matcher;
mod trees;

use std::fmt;

use crate::format::tables::WINDOW_BYTES;
use matcher::Matcher;
pub(crate) use trees::code_lengths;

/// An implementation, and the level that it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ZlibFamily {
    /// zlib's `deflate`.
    Zlib {
        /// 1 to 9.
        level: u8,
        /// Its memory level, 8 (the default) or 9.
        memory: u8,
    },
    /// GNU gzip.
    Gzip {
        /// 1 to 9.
        level: u8,
    },
    /// pigz with more than one thread.
    Pigz {
        /// 1 to 9.
        level: u8,
    },
}

/// The plain bytes that [`zlib_stream`] passes on at a time.
const PIECE_BYTES: usize = 1 << 20;
/// pigz's blocks.
pub(super) const PIGZ_BLOCK_BYTES: usize = 128 << 10;
/// 6 is the default, 9 and 1 are what people ask for.
const LEVELS: [u8; 9] = [6, 9, 1, 5, 4, 3, 2, 7, 8];
/// The numbers that are reserved for each of the four.
const NUMBERS: u16 = 16;

/// The effort of a level: how far lazy evaluation goes, and how long chains are followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// The length of a match from which on chains are followed less far at the next byte.
    pub(crate) good_bytes: usize,
    /// The length of a match from which on none is looked for at the next byte. Without lazy evaluation: not all
    /// strings of longer matches are inserted.
    pub(crate) lazy_bytes: usize,
    /// The length of a match that ends the search.
    pub(crate) nice_bytes: usize,
    pub(crate) chain: usize,
    pub(crate) is_lazy: bool,
}

/// The efforts of levels 1 to 9: `configuration_table` of zlib's and gzip's deflate.c.
pub(crate) const EFFORTS: [Effort; 9] = [
    effort(4, 4, 8, 4, false),
    effort(4, 5, 16, 8, false),
    effort(4, 6, 32, 32, false),
    effort(4, 4, 16, 16, true),
    effort(8, 16, 32, 32, true),
    effort(8, 16, 128, 128, true),
    effort(8, 32, 128, 256, true),
    effort(32, 128, 258, 1024, true),
    effort(32, 258, 258, 4096, true),
];

const fn effort(good_bytes: usize, lazy_bytes: usize, nice_bytes: usize, chain: usize, is_lazy: bool) -> Effort {
    Effort { good_bytes, lazy_bytes, nice_bytes, chain, is_lazy }
}

impl ZlibFamily {
    /// All, the likeliest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        LEVELS.into_iter().flat_map(|level| {
            let zlib = |memory| Self::Zlib { level, memory };
            [Self::Gzip { level }, zlib(8), Self::Pigz { level }, zlib(9)]
        })
    }

    /// One that no other has.
    pub(super) fn number(self) -> u16 {
        let kind = match self {
            Self::Zlib { memory: 9, .. } => 1,
            Self::Zlib { .. } => 0,
            Self::Gzip { .. } => 2,
            Self::Pigz { .. } => 3,
        };
        kind * NUMBERS + u16::from(self.level())
    }

    /// The level; one that there is not is taken for the default.
    fn level(self) -> u8 {
        let (Self::Zlib { level, .. } | Self::Gzip { level } | Self::Pigz { level }) = self;
        if (1..=9).contains(&level) { level } else { LEVELS[0] }
    }

    fn effort(self) -> Effort {
        EFFORTS[usize::from(self.level()) - 1]
    }
}

impl fmt::Display for ZlibFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zlib { level, memory: 9 } => write!(f, "zlib, level {level}, memory level 9"),
            Self::Zlib { level, .. } => write!(f, "zlib, level {level}"),
            Self::Gzip { level } => write!(f, "GNU gzip, level {level}"),
            Self::Pigz { level } => write!(f, "pigz, level {level}"),
        }
    }
}

/// Makes the stream of any of them.
pub(super) struct ZlibEncoder {
    matcher: Matcher,
    /// pigz: the plain bytes of the block at hand, and the end of what was before.
    block: Option<(Vec<u8>, Vec<u8>)>,
    kind: ZlibFamily,
}

impl ZlibEncoder {
    pub(super) fn new(kind: ZlibFamily) -> Self {
        let block = matches!(kind, ZlibFamily::Pigz { .. }).then(Default::default);
        Self { matcher: Matcher::new(kind), block, kind }
    }

    pub(super) fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        let Some((block, dictionary)) = &mut self.block else {
            self.matcher.write(plain);
            return self.matcher.append_to(out);
        };
        while !plain.is_empty() {
            // A full block waits until it is known whether it is the last one.
            if block.len() == PIGZ_BLOCK_BYTES {
                encode_block(self.kind, dictionary, block, false, out);
                dictionary.clear();
                dictionary.extend_from_slice(&block[PIGZ_BLOCK_BYTES - WINDOW_BYTES..]);
                block.clear();
            }
            let (now, rest) = plain.split_at(plain.len().min(PIGZ_BLOCK_BYTES - block.len()));
            block.extend_from_slice(now);
            plain = rest;
        }
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        match self.block {
            Some((block, dictionary)) => encode_block(self.kind, &dictionary, &block, true, out),
            None => {
                self.matcher.finish();
                self.matcher.append_to(out);
            }
        }
    }
}

/// The logarithms of the windows that zlib has.
pub const ZLIB_WINDOW_LOGS: std::ops::RangeInclusive<u8> = 9..=15;

/// Makes the raw deflate stream that zlib makes of these plain bytes with a window of another size, whose logarithm is
/// taken into [`ZLIB_WINDOW_LOGS`]. Level and memory level are those of [`ZlibFamily::Zlib`].
#[must_use]
pub fn zlib_stream(level: u8, memory: u8, window_log: u8, plain: &[u8]) -> Vec<u8> {
    let window_log = window_log.clamp(*ZLIB_WINDOW_LOGS.start(), *ZLIB_WINDOW_LOGS.end());
    let mut matcher = Matcher::with_window(ZlibFamily::Zlib { level, memory }, window_log.into());
    let mut stream = Vec::new();
    // What is written in pieces is given in pieces, so that a long stream is not kept twice.
    for piece in plain.chunks(PIECE_BYTES) {
        matcher.write(piece);
        matcher.append_to(&mut stream);
    }
    matcher.finish();
    matcher.append_to(&mut stream);
    stream
}

/// One of pigz's blocks.
pub(super) fn encode_block(kind: ZlibFamily, dictionary: &[u8], block: &[u8], is_last: bool, out: &mut Vec<u8>) {
    let mut matcher = Matcher::new(kind);
    matcher.set_dictionary(&dictionary[dictionary.len().saturating_sub(WINDOW_BYTES)..]);
    matcher.write(block);
    if is_last {
        matcher.finish();
    } else {
        matcher.end_block_at_byte();
    }
    matcher.append_to(out);
}
