//! The parameters that preflate-rs predicts by, in its own serialised form, for compressors that are known.

use bitcode::{Decode, Encode};

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

/// `configuration_table` of zlib's and gzip's deflate.c: good, lazy, nice and chain lengths of levels 1 to 9.
const LEVELS: [(u16, u16, u32, u32); 9] = [
    (4, 4, 8, 4),
    (4, 5, 16, 8),
    (4, 6, 32, 32),
    (4, 4, 16, 16),
    (8, 16, 32, 32),
    (8, 16, 128, 128),
    (8, 32, 128, 256),
    (32, 128, 258, 1024),
    (32, 258, 258, 4096),
];

pub(crate) const LEVEL_COUNT: u8 = LEVELS.len() as u8;

/// The parameters of zlib with its default window at a level of 1 to 9, with its memory level 8 or, for `more_memory`,
/// 9. gzip and Info-ZIP too, but for where they end blocks.
pub(crate) fn of_level(level: u8, more_memory: bool, block_types: BlockTypes) -> Parameters {
    let (good_length, max_lazy, nice_length, max_chain) = LEVELS[usize::from(level) - 1];
    let fast = level <= 3;
    Parameters {
        matches_to_start_detected: false,
        very_far_matches_detected: false,
        window_bits: 15,
        strategy: Strategy::Default,
        nice_length,
        // deflate_fast takes the lazy length for the longest match that it adds all of.
        add_policy: if fast { AddPolicy::First(max_lazy) } else { AddPolicy::All },
        max_token_count: if more_memory { 32767 } else { 16383 },
        zlib_compatible: true,
        // TOO_FAR of deflate_slow.
        max_dist_3_matches: if fast { 32768 } else { 4096 },
        matching: if fast { Matching::Greedy } else { Matching::Lazy { good_length, max_lazy } },
        max_chain,
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
