//! The parameters that preflate-rs predicts by, in its own serialised form, for compressors that are known.

use bitcode::{Decode, Encode};

use crate::encoders::ZLIB_EFFORTS;
use crate::preflate::apart::MAX_CHAIN;

/// `preflate_rs::TokenPredictorParameters`, whose parts cannot be named from outside: same fields, same order.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) matches_to_start_detected: bool,
    pub(crate) very_far_matches_detected: bool,
    pub(crate) window_bits: u32,
    pub(crate) strategy: Strategy,
    pub(crate) nice_length: u32,
    pub(crate) add_policy: AddPolicy,
    pub(crate) max_token_count: u16,
    pub(crate) zlib_compatible: bool,
    pub(crate) max_dist_3_matches: u32,
    pub(crate) matching: Matching,
    pub(crate) max_chain: u32,
    pub(crate) min_len: u32,
    pub(crate) hash: Hash,
    pub(crate) block_types: BlockTypes,
}

#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Default,
    RleOnly,
    HuffOnly,
    Store,
}

#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddPolicy {
    All,
    First(u16),
    FirstAndLast(u16),
    FirstExcept4kBoundary,
    FirstWith32kBoundary,
}

#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matching {
    Greedy,
    Lazy { good_length: u16, max_lazy: u16 },
}

#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    None,
    Zlib { mask: u16, shift: u32 },
    MiniZFast,
    Libdeflate4Fast,
    Libdeflate4,
    ZlibNg,
    RandomVector,
    Crc32c,
}

#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockTypes {
    Dynamic,
    Mixed,
    Static,
    Uncompressed,
}

pub(crate) const LEVEL_COUNT: u8 = ZLIB_EFFORTS.len() as u8;

/// The parameters of zlib with its default window at a level of 1 to 9, with its memory level 8 or, for `more_memory`,
/// 9. gzip and Info-ZIP too, but for where they end blocks.
pub(crate) fn of_level(level: u8, more_memory: bool, block_types: BlockTypes) -> Parameters {
    let effort = ZLIB_EFFORTS[usize::from(level) - 1];
    let (good_length, max_lazy) = (effort.good_bytes as u16, effort.lazy_bytes as u16);
    Parameters {
        matches_to_start_detected: false,
        very_far_matches_detected: false,
        window_bits: 15,
        strategy: Strategy::Default,
        nice_length: effort.nice_bytes as u32,
        // deflate_fast takes the lazy length for the longest match that it adds all of.
        add_policy: if effort.is_lazy { AddPolicy::All } else { AddPolicy::First(max_lazy) },
        max_token_count: if more_memory { 32767 } else { 16383 },
        zlib_compatible: true,
        // TOO_FAR of deflate_slow.
        max_dist_3_matches: if effort.is_lazy { 4096 } else { 32768 },
        matching: if effort.is_lazy { Matching::Lazy { good_length, max_lazy } } else { Matching::Greedy },
        max_chain: effort.chain as u32,
        min_len: 3,
        hash: if more_memory { Hash::Zlib { mask: 0xffff, shift: 6 } } else { Hash::Zlib { mask: 0x7fff, shift: 5 } },
        block_types,
    }
}

/// preflate-rs estimates no fewer: zlib's memory level 1.
const MIN_TOKENS_OF_BLOCK: u16 = 127;

impl Parameters {
    /// Whether preflate-rs can work with these without running out of bounds or of time: what it estimates is.
    pub(crate) fn are_bounded(&self) -> bool {
        let window = match self.hash {
            Hash::None => self.window_bits == 0,
            _ => (9..=15).contains(&self.window_bits) && (1..=MAX_CHAIN).contains(&self.max_chain),
        };
        let shift = !matches!(self.hash, Hash::Zlib { shift, .. } if shift > 15);
        // Blocks that hold nothing would follow each other for ever: what is predicted is not read, so no budget ends
        // it.
        let block = self.max_token_count >= MIN_TOKENS_OF_BLOCK;
        window && shift && block && self.nice_length <= 258 && self.max_dist_3_matches <= 32768
    }
}
