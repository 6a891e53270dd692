//! A place within a stream, and its form in bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | kind: 0 between blocks, 1 in a stored block, 2 in a block with codes; and 4 if the block is the last |
//! | number | bits of the stream before it (seven bits a byte, the lowest first) |
//! | number | kind 1: bytes of the block that are left |
//! | number, number, bytes | kind 2: how many code lengths of literals and of distances, then these, two a byte |
//! | number, bytes | the last plain bytes before it, at most 32 KiB |
//! | number, bytes | plain bytes that were made and not given yet, fewer than 258 |

use super::inflater::Within;
use crate::format::tables::WINDOW_BYTES;
use crate::number::{put_number, take_number};

const VERSION: u8 = 1;
const IS_LAST: u8 = 4;
const MAX_LITERALS: u64 = 288;
const MAX_DISTANCES: u64 = 32;
const MAX_PENDING_BYTES: u64 = 258;

/// All that is needed to inflate a stream from a place within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub(super) bit: u64,
    pub(super) is_last: bool,
    pub(super) within: Within,
    pub(super) window: Vec<u8>,
    pub(super) pending: Vec<u8>,
}

impl Checkpoint {
    /// Offset in the stream of the byte that holds the next bit: reading goes on there.
    #[must_use]
    pub fn stored_at(&self) -> u64 {
        self.bit / 8
    }

    /// The checkpoint as bytes, in which the window is not compressed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self.within {
            Within::Start => 0,
            Within::Stored(_) => 1,
            Within::Codes(..) => 2,
        };
        let mut out = vec![VERSION, kind | if self.is_last { IS_LAST } else { 0 }];
        put_number(&mut out, self.bit);
        match &self.within {
            Within::Start => {}
            Within::Stored(left) => put_number(&mut out, u64::from(*left)),
            Within::Codes(lengths, literals) => {
                put_number(&mut out, *literals as u64);
                put_number(&mut out, (lengths.len() - literals) as u64);
                out.extend(lengths.chunks(2).map(|pair| pair[0] | pair.get(1).unwrap_or(&0) << 4));
            }
        }
        for bytes in [&self.window, &self.pending] {
            put_number(&mut out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        out
    }

    /// The checkpoint in these bytes; `None` for any that [`Checkpoint::encode`] does not write.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (&[version, kind], rest) = bytes.split_first_chunk::<2>()?;
        bytes = rest;
        if version != VERSION {
            return None;
        }
        let bit = take_number(&mut bytes)?;
        let within = match kind & !IS_LAST {
            0 => Within::Start,
            1 => Within::Stored(u16::try_from(take_number(&mut bytes)?).ok()?),
            2 => take_lengths(&mut bytes)?,
            _ => return None,
        };
        let window = take_bytes(&mut bytes, WINDOW_BYTES as u64)?;
        let pending = take_bytes(&mut bytes, MAX_PENDING_BYTES)?;
        bytes.is_empty().then_some(Self { bit, is_last: kind & IS_LAST != 0, within, window, pending })
    }
}

fn take_bytes(bytes: &mut &[u8], most: u64) -> Option<Vec<u8>> {
    let len = take_number(bytes).filter(|&len| len <= most)? as usize;
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken.to_vec())
}

fn take_lengths(bytes: &mut &[u8]) -> Option<Within> {
    let literals = take_number(bytes).filter(|count| (257..=MAX_LITERALS).contains(count))? as usize;
    let distances = take_number(bytes).filter(|count| (1..=MAX_DISTANCES).contains(count))? as usize;
    let count = literals + distances;
    let (packed, rest) = bytes.split_at_checked(count.div_ceil(2))?;
    *bytes = rest;
    let mut lengths: Vec<u8> = packed.iter().flat_map(|pair| [pair & 15, pair >> 4]).collect();
    lengths.truncate(count);
    Some(Within::Codes(lengths, literals))
}
