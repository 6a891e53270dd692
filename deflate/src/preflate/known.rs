//! Corrections of streams whose compressor is known and predicted wholly: its name, and where its blocks end.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | compressor and kind of the first block, see [`KnownCompressor::code`] |
//! | varint, if the code has [`TAIL`] | how many blocks begin at the end of the plain bytes |
//! | a varint for each block, if the code has [`LIST`] | kind and size; blocks after those have the expected ones |

use crate::number::{put_number, take_number};
use crate::preflate::actions::{Actions, Question};
use crate::preflate::blocks::{BlockType, MeasuredBlock};
use crate::preflate::parameters::{BlockTypes, LEVEL_COUNT, Parameters, of_level};

/// In the first byte: blocks are listed.
const LIST: u8 = 1 << 6;
/// In the first byte: blocks are listed, all of them, and some of them are empty ones at the end.
const TAIL: u8 = 1 << 7;

/// zlib's memory levels that are known: 8 is what it takes by default, 9 what Java and many others ask for.
const MEMORY_LEVELS: u8 = 2;
const CODES: u8 = LEVEL_COUNT * MEMORY_LEVELS * 2;

/// A compressor that is predicted wholly, and the kind of block that is expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownCompressor {
    /// 1 to 9.
    pub(crate) level: u8,
    pub(crate) more_memory: bool,
    pub(crate) fixed: bool,
}

/// A block as it is listed: the number that stands for kind and size, in which 0 is what is expected.
type Listed = u64;

impl KnownCompressor {
    fn code(self) -> u8 {
        self.level - 1 + LEVEL_COUNT * (u8::from(self.more_memory) + MEMORY_LEVELS * u8::from(self.fixed))
    }

    fn of_code(code: u8) -> Option<Self> {
        let (level, rest) = (code % LEVEL_COUNT + 1, code / LEVEL_COUNT);
        (code < CODES).then_some(Self {
            level,
            more_memory: rest % MEMORY_LEVELS == 1,
            fixed: rest / MEMORY_LEVELS == 1,
        })
    }

    pub(crate) fn parameters(self) -> Parameters {
        of_level(self.level, self.more_memory, if self.fixed { BlockTypes::Static } else { BlockTypes::Dynamic })
    }

    /// The kinds in the order in which they are expected.
    fn kinds(self) -> [BlockType; 3] {
        match self.fixed {
            true => [BlockType::Fixed, BlockType::Dynamic, BlockType::Stored],
            false => [BlockType::Dynamic, BlockType::Fixed, BlockType::Stored],
        }
    }
}

/// The list of the blocks before the end of the plain bytes, and the number of those that begin there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    listed: Vec<Listed>,
    tail: usize,
}

impl Shape {
    pub(crate) fn of_blocks(known: KnownCompressor, blocks: &[MeasuredBlock]) -> Self {
        let plain_bytes = blocks.last().map_or(0, |block| block.plain_end);
        let ending = blocks.iter().position(|block| block.plain_end == plain_bytes).unwrap_or(0);
        let tail = blocks.len() - 1 - ending;
        let listed = blocks.iter().enumerate().map(|(number, block)| listed(known, block, number >= ending));
        let mut listed: Vec<Listed> = listed.collect();
        if tail == 0 {
            let needed = listed.iter().rposition(|&number| number != 0).map_or(0, |last| last + 1);
            listed.truncate(needed);
        }
        Self { listed, tail }
    }

    /// The shape of the first blocks of a stream, none of which is the last.
    pub(crate) fn of_start(known: KnownCompressor, blocks: &[MeasuredBlock]) -> Self {
        Self { listed: blocks.iter().map(|block| listed(known, block, false)).collect(), tail: 0 }
    }

    pub(crate) fn packed(&self, known: KnownCompressor) -> Vec<u8> {
        let mut bytes = vec![known.code()];
        if self.tail > 0 {
            bytes[0] |= TAIL;
            put_number(&mut bytes, self.tail as u64);
        }
        if !self.listed.is_empty() {
            bytes[0] |= LIST;
            self.listed.iter().for_each(|&number| put_number(&mut bytes, number));
        }
        bytes
    }

    pub(crate) fn unpacked(packed: &[u8]) -> Option<(KnownCompressor, Self)> {
        let (&first, mut rest) = packed.split_first()?;
        let known = KnownCompressor::of_code(first & !(LIST | TAIL))?;
        let tail = if first & TAIL == 0 { 0 } else { usize::try_from(take_number(&mut rest)?).ok()? };
        let mut listed = Vec::new();
        while !rest.is_empty() {
            listed.push(take_number(&mut rest)?);
        }
        let well_formed = listed.is_empty() == (first & LIST == 0) && (tail == 0) == (first & TAIL == 0);
        (well_formed && (tail == 0 || tail < listed.len())).then_some((known, Self { listed, tail }))
    }

    /// The actions that tell preflate-rs this shape, as it serialises them.
    pub(crate) fn actions(&self, known: KnownCompressor) -> Option<Vec<u8>> {
        let mut actions = Actions::default();
        for (number, &block) in self.listed.iter().enumerate() {
            let behind_end = number + self.tail >= self.listed.len();
            ask(&mut actions, known, block, behind_end)?;
            // With a tail, all blocks are listed; without, the end of the plain bytes ends the stream.
            let at_end = self.tail > 0 && number + 1 + self.tail >= self.listed.len();
            let wrong = u32::from(at_end && number + 1 < self.listed.len());
            actions.push(Question::Last, wrong);
            actions.push(Question::EndOfChunk, wrong);
        }
        if self.tail == 0 {
            for kind in [Question::BlockType, Question::TokenCount, Question::Last, Question::EndOfChunk] {
                actions.push_zeros(kind, EXPECTED_BLOCKS);
            }
        }
        actions.written().ok()
    }
}

/// The number of blocks after those listed that may be as expected: more than a stream of 2^32 plain bytes has. They
/// are written as one run.
const EXPECTED_BLOCKS: u32 = 1 << 18;

/// gzip ends blocks after multiples of this many tokens (`ct_tally` in its trees.c).
const COMMON_TOKENS: usize = 4096;
const COMMON_SIZES: u64 = 8;
const STORED_BYTES: u32 = 65535;

fn listed(known: KnownCompressor, block: &MeasuredBlock, at_end: bool) -> Listed {
    let kind = known.kinds().iter().position(|&kind| kind == block.kind).unwrap_or(0) as u64;
    let max_tokens = usize::from(known.parameters().max_token_count);
    let size = if block.kind == BlockType::Stored {
        u64::from(STORED_BYTES) - block.tokens as u64
    } else if block.tokens == max_tokens || at_end && block.tokens < max_tokens {
        0
    } else if block.tokens > 0
        && block.tokens.is_multiple_of(COMMON_TOKENS)
        && block.tokens as u64 / 4096 <= COMMON_SIZES
    {
        (block.tokens / COMMON_TOKENS) as u64
    } else {
        1 + COMMON_SIZES + block.tokens as u64
    };
    kind + 3 * size
}

/// The inverse of `listed`, as preflate-rs wants to hear it. Blocks behind the end of the plain bytes say that they
/// have no tokens, or it would reserve room for as many as a full block has.
fn ask(actions: &mut Actions, known: KnownCompressor, block: Listed, behind_end: bool) -> Option<()> {
    let kinds = known.kinds();
    let (kind, size) = (kinds[(block % 3) as usize], u32::try_from(block / 3).ok()?);
    actions.push(Question::BlockType, difference(theirs(kinds[0]), theirs(kind)));
    if kind == BlockType::Stored {
        actions.push(Question::StoredBytes, difference(STORED_BYTES, STORED_BYTES.checked_sub(size)?));
        return Some(());
    }
    let tokens = match u64::from(size) {
        0 => u32::from(behind_end),
        1..=COMMON_SIZES => 1 + size * COMMON_TOKENS as u32,
        _ => size - COMMON_SIZES as u32,
    };
    actions.push(Question::TokenCount, tokens);
    Some(())
}

/// preflate-rs's number of a kind.
fn theirs(kind: BlockType) -> u32 {
    match kind {
        BlockType::Dynamic => 0,
        BlockType::Stored => 1,
        BlockType::Fixed => 2,
    }
}

/// preflate-rs's way to write how far an actual number is from the expected one.
fn difference(expected: u32, actual: u32) -> u32 {
    if expected >= actual { (expected - actual) << 1 } else { (actual - expected) << 1 | 1 }
}
