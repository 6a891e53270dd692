//! Blocks by zlib, with zlib's header and checksum around the deflate stream (RFC 1950) or without.

use std::fmt;

use regrow_deflate::Trailer;
use regrow_deflate::encoders::{ZLIB_WINDOW_LOGS, zlib_stream};

use super::BlockError;
use regrow_zstd::{put_number, take_number};

const HEADER_BYTES: usize = 2;
/// The method, in the lower half of a header's first byte. The upper half has the window.
const METHOD: u8 = 8;
/// The logarithm of the usual window.
const WINDOW_LOG: u8 = 15;
/// qcow2 has blocks with nothing around them, by this level, window and memory level.
const QCOW2: (u8, u8, u8) = (6, 12, 9);
const LEVELS: std::ops::RangeInclusive<u8> = 1..=9;
const MEMORY_LEVELS: std::ops::RangeInclusive<u8> = 8..=9;

/// The parameters of zlib that decide its output. The strategy is the default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZlibBlocks {
    level: u8,
    window_log: u8,
    memory: u8,
    /// Whether a header and a checksum stand around the stream.
    is_wrapped: bool,
}

/// The plain bytes of a zlib stream. Its checksum must be right.
pub(super) fn decode(stored: &[u8], most: usize) -> Result<Vec<u8>, BlockError> {
    let (header, rest) = stored.split_first_chunk::<HEADER_BYTES>().ok_or(BlockError::Damaged)?;
    let (stream, checksum) = rest.split_last_chunk::<4>().ok_or(BlockError::Damaged)?;
    let is_header =
        header[0] & 0xf == METHOD && u16::from_be_bytes(*header).is_multiple_of(31) && header[1] & 0x20 == 0;
    if !is_header {
        return Err(BlockError::Damaged);
    }
    let plain = regrow_deflate::inflate(stream, most)?;
    if Trailer::Zlib.of(&plain) == checksum { Ok(plain) } else { Err(BlockError::Damaged) }
}

impl ZlibBlocks {
    pub(super) fn put(self, out: &mut Vec<u8>) {
        [self.level, self.window_log, self.memory].iter().for_each(|&number| put_number(out, number.into()));
    }

    pub(super) fn take(bytes: &mut &[u8], is_wrapped: bool) -> Option<Self> {
        let mut take = || take_number(bytes).and_then(|number| u8::try_from(number).ok());
        let (level, window_log, memory) = (take()?, take()?, take()?);
        let is_known =
            LEVELS.contains(&level) && ZLIB_WINDOW_LOGS.contains(&window_log) && MEMORY_LEVELS.contains(&memory);
        is_known.then_some(Self { level, window_log, memory, is_wrapped })
    }

    /// The parameters that may have made a block, the likelier ones first.
    pub(super) fn candidates(stored: &[u8], is_wrapped: bool) -> impl Iterator<Item = Self> + use<> {
        let header = if is_wrapped { stored.first_chunk::<HEADER_BYTES>().copied() } else { None };
        let windows = match header {
            Some([first, _]) => vec![(first >> 4) + 8],
            None => vec![QCOW2.1, WINDOW_LOG],
        };
        let levels = move |window_log| {
            let of_level = move |level| [8, 9].map(|memory| Self { level, window_log, memory, is_wrapped });
            [9, 6, 1, 5, 4, 3, 2, 7, 8].into_iter().flat_map(of_level)
        };
        let (level, window_log, memory) = QCOW2;
        let first = (!is_wrapped).then_some(Self { level, window_log, memory, is_wrapped });
        let known = windows.into_iter().filter(|window_log| ZLIB_WINDOW_LOGS.contains(window_log));
        let all = known.flat_map(levels).filter(move |known| Some(*known) != first);
        first.into_iter().chain(all).filter(move |known| header.is_none_or(|header| header == known.header()))
    }

    /// The two bytes before the stream: method and window, and how hard zlib tried.
    fn header(self) -> [u8; HEADER_BYTES] {
        let effort = match self.level {
            0 | 1 => 0,
            2..=5 => 1,
            6 => 2,
            _ => 3,
        };
        let first = (self.window_log - 8) << 4 | METHOD;
        let flags = effort << 6;
        let check = 31 - u16::from_be_bytes([first, flags]) % 31;
        [first, flags | if check == 31 { 0 } else { check as u8 }]
    }

    pub(super) fn encode(self, plain: &[u8]) -> Vec<u8> {
        let mut out = if self.is_wrapped { self.header().to_vec() } else { Vec::new() };
        out.extend(zlib_stream(self.level, self.memory, self.window_log, plain));
        if self.is_wrapped {
            out.extend(Trailer::Zlib.of(plain));
        }
        out
    }
}

impl fmt::Display for ZlibBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.is_wrapped { "zlib" } else { "deflate by zlib" };
        write!(f, "{name}, level {}", self.level)?;
        if self.window_log != WINDOW_LOG {
            write!(f, ", window {}", self.window_log)?;
        }
        if self.memory != 8 {
            write!(f, ", memory level {}", self.memory)?;
        }
        Ok(())
    }
}
