//! Cutting a file as some file system lays it, beside cutting it whole.
//!
//! A file system may leave blocks of zeros out of a file, or put the file's end somewhere else. Then the file lies in
//! *pieces*, and each of them is cut alone. Most chunks of a piece are chunks of the whole file too: cuts fall into step
//! soon after a piece's beginning. So only the few that differ need to be hashed.

mod coming;
mod held;

use std::collections::VecDeque;
use std::ops::Range;

use coming::Coming;

use crate::{Cut, Cutter, StreamCutter, is_zero};

/// The smallest and the largest block that files are laid in.
const BLOCK_LOGS: std::ops::RangeInclusive<u8> = 9..=20;

/// The most bytes that are taken at once while the cutter is not in step with that of the whole file.
const MAX_APART_BYTES: usize = 64 << 10;

/// How a file system lays its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PieceRule {
    block_log: u8,
    /// Whether blocks of zeros are left out.
    has_holes: bool,
    /// Whether what is between holes lies together, in one piece.
    joins: bool,
    /// Whether the last block, if the file does not fill it, is a piece of its own.
    parts_ends: bool,
}

/// What becomes of blocks of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zeros {
    /// They are there like any others.
    Kept,
    /// They are left out, and the file lies in several pieces.
    Apart,
    /// They are left out, and what is before and behind them lies together.
    Joined,
}

impl PieceRule {
    /// A rule for blocks of this many bytes. The result is `None` if there are none such.
    #[must_use]
    pub fn new(block_bytes: u64, zeros: Zeros, parts_ends: bool) -> Option<Self> {
        let block_log = block_bytes.is_power_of_two().then(|| block_bytes.trailing_zeros() as u8)?;
        let (has_holes, joins) = (zeros != Zeros::Kept, zeros == Zeros::Joined);
        let is_known = BLOCK_LOGS.contains(&block_log) && (has_holes || parts_ends);
        is_known.then_some(Self { block_log, has_holes, joins, parts_ends })
    }

    /// The rule as an index has it: eight times the logarithm of a block's bytes, 1 for holes, 2 if what is between them
    /// lies together, 4 for ends.
    #[must_use]
    pub const fn number(self) -> u64 {
        (self.block_log as u64) << 3 | (self.parts_ends as u64) << 2 | (self.joins as u64) << 1 | self.has_holes as u64
    }

    /// The rule with a number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        let block_bytes = 1u64.checked_shl(u32::try_from(number >> 3).ok()?)?;
        let zeros = [Some(Zeros::Kept), Some(Zeros::Apart), None, Some(Zeros::Joined)][(number & 3) as usize]?;
        Self::new(block_bytes, zeros, number & 4 != 0)
    }

    /// The number of bytes of a block.
    #[must_use]
    pub const fn block_bytes(self) -> u64 {
        1 << self.block_log
    }

    /// Whether blocks of zeros are left out.
    #[must_use]
    pub const fn has_holes(self) -> bool {
        self.has_holes
    }
}

/// Chunks with their places in a file.
pub type PieceChunks = Vec<(Vec<u8>, PiecePlace)>;

/// Where a chunk of a piece is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PiecePlace {
    /// Where it begins.
    pub at: u64,
    /// The holes that it goes on behind.
    pub holes: Box<[Hole]>,
}

/// Zeros of a file in a chunk that has none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The number of the chunk's bytes before the hole.
    pub after: u32,
    /// The number of zeros.
    pub bytes: u64,
}

impl PiecePlace {
    /// The place of a chunk that lies in one piece.
    #[must_use]
    pub fn at(at: u64) -> Self {
        Self { at, holes: Box::default() }
    }

    /// The same place, if the file begins at this offset.
    #[must_use]
    pub fn behind(self, start: u64) -> Self {
        Self { at: self.at.saturating_add(start), ..self }
    }

    /// The ranges of the file that make up the chunk, which has this many bytes, or `None` if there are none such.
    #[must_use]
    pub fn ranges(&self, bytes: u32) -> Option<Vec<Range<u64>>> {
        let (mut ranges, mut at, mut before) = (Vec::with_capacity(self.holes.len() + 1), self.at, 0);
        for hole in &self.holes {
            let end = at.checked_add(hole.after.checked_sub(before)?.into())?;
            ranges.push(at..end);
            (at, before) = (end.checked_add(hole.bytes)?, hole.after);
        }
        ranges.push(at..at.checked_add(bytes.checked_sub(before)?.into())?);
        Some(ranges)
    }
}

/// Cuts the pieces of a file, beside a cutter of the whole file.
pub struct PieceCutter {
    rule: PieceRule,
    /// Where the piece of the file's end begins, if it is one of its own.
    end_at: Option<u64>,
    /// The number of the file's bytes so far.
    at: u64,
    /// Where chunks of the whole file end, as far as they still matter. The last one is where the next chunk begins.
    ends: VecDeque<u64>,
    place: Place,
    /// What becomes of the block at hand if all of it is zero.
    zeros: Option<ZeroBlock>,
    /// The chunks of pieces that are none of the whole file.
    chunks: PieceChunks,
}

/// Where the cutter is.
enum Place {
    /// In a piece whose next chunk begins where one of the whole file does.
    InStep,
    /// In a piece whose next chunk does not.
    Apart(StreamCutter, Coming),
    /// In blocks that are left out, between pieces.
    Hole,
}

/// A block that has been zero so far.
struct ZeroBlock {
    bytes: u64,
    /// If pieces end at holes, the chunks that end the piece before it.
    ending: PieceChunks,
    /// If they do not, and the cutter is in step: where the next chunk begins, and what comes before the block.
    before: Option<(u64, Vec<u8>)>,
}

impl PieceCutter {
    /// Begins a file of this many bytes.
    #[must_use]
    pub fn new(rule: PieceRule, bytes: u64) -> Self {
        let whole = bytes & !(rule.block_bytes() - 1);
        let end_at = (rule.parts_ends && whole > 0 && whole < bytes).then_some(whole);
        Self { rule, end_at, at: 0, ends: [0].into(), place: Place::InStep, zeros: None, chunks: Vec::new() }
    }

    /// Takes in the file's next bytes, and hands them to the cutter of the whole file. `on_whole` gets the cuts of that:
    /// where the part of these bytes begins in which a cut was made, and the cut in it.
    pub fn push(
        &mut self,
        cutter: &Cutter,
        whole: &mut StreamCutter,
        bytes: &[u8],
        mut on_whole: impl FnMut(usize, Cut<'_>),
    ) {
        let mut from = 0;
        while from < bytes.len() {
            let part = &bytes[from..from + self.part_bytes(&bytes[from..])];
            self.begin_part(cutter, whole, is_zero(part));
            let ends = &mut self.ends;
            whole.push(cutter, part, |cut| {
                ends.push_back(ends.back().copied().unwrap_or_default() + cut.len() as u64);
                on_whole(from, cut);
            });
            // What may be left out waits.
            if self.zeros.is_none() || !self.rule.joins {
                self.feed(cutter, part);
            }
            self.at += part.len() as u64;
            from += part.len();
            self.end_part(cutter, part.len() as u64);
        }
    }

    /// Ends the file.
    pub fn finish(
        mut self,
        cutter: &Cutter,
        whole: &mut StreamCutter,
        mut on_whole: impl FnMut(Cut<'_>),
    ) -> PieceChunks {
        self.leave_out(cutter);
        whole.finish(cutter, |cut| {
            self.ends.push_back(self.ends.back().copied().unwrap_or_default() + cut.len() as u64);
            on_whole(cut);
        });
        self.end_piece(cutter, whole);
        self.chunks
    }

    /// Takes the chunks so far.
    pub fn take(&mut self) -> PieceChunks {
        std::mem::take(&mut self.chunks)
    }

    /// How many of these bytes are taken at once: the rest of a block, or several blocks that are not zero.
    fn part_bytes(&self, bytes: &[u8]) -> usize {
        let block = self.rule.block_bytes();
        let left = |at: u64, bytes: &[u8]| bytes.len().min((block - at % block) as usize);
        let mut end = left(self.at, bytes);
        if self.zeros.is_some() || self.rule.has_holes && is_zero(&bytes[..end]) {
            return end;
        }
        let most = if matches!(self.place, Place::InStep) { usize::MAX } else { MAX_APART_BYTES };
        while end < bytes.len().min(most) && self.end_at != Some(self.at + end as u64) {
            let next = left(self.at + end as u64, &bytes[end..]);
            if self.rule.has_holes && is_zero(&bytes[end..end + next]) {
                break;
            }
            end += next;
        }
        end
    }

    /// Looks at bytes of a block before they are taken.
    fn begin_part(&mut self, cutter: &Cutter, whole: &StreamCutter, is_zero: bool) {
        if !self.at.is_multiple_of(self.rule.block_bytes()) {
            if !is_zero && let Some(zeros) = self.zeros.take() {
                // The block is not zero after all.
                match self.place {
                    Place::Hole => self.begin_piece(cutter, zeros.bytes),
                    Place::Apart(..) if self.rule.joins => self.feed(cutter, &vec![0; zeros.bytes as usize]),
                    Place::Apart(..) | Place::InStep => {}
                }
            }
            return;
        }
        if self.end_at == Some(self.at) {
            self.end_piece(cutter, whole);
            self.begin_piece(cutter, 0);
        } else if is_zero && self.rule.has_holes {
            self.begin_zeros(cutter, whole);
        } else if matches!(self.place, Place::Hole) {
            self.begin_piece(cutter, 0);
        }
    }

    /// Begins a block that may be left out.
    fn begin_zeros(&mut self, cutter: &Cutter, whole: &StreamCutter) {
        let mut zeros = ZeroBlock { bytes: 0, ending: Vec::new(), before: None };
        if !self.rule.joins {
            let chunks = std::mem::take(&mut self.chunks);
            self.end_piece(cutter, whole);
            zeros.ending = std::mem::replace(&mut self.chunks, chunks);
        } else if matches!(self.place, Place::InStep) {
            zeros.before = Some((self.ends.back().copied().unwrap_or_default(), whole.uncut().to_vec()));
        }
        self.zeros = Some(zeros);
    }

    /// Begins a piece before the last `zeros` bytes.
    fn begin_piece(&mut self, cutter: &Cutter, zeros: u64) {
        let coming = Coming { at: self.at - zeros, holes: VecDeque::new() };
        self.place = Place::Apart(StreamCutter::default(), coming);
        self.feed(cutter, &vec![0; zeros as usize]);
    }

    /// Hands bytes to the cutter of the piece at hand, if it has one of its own.
    fn feed(&mut self, cutter: &Cutter, part: &[u8]) {
        let Place::Apart(stream, coming) = &mut self.place else {
            if self.zeros.is_none() {
                let last = self.ends.pop_back();
                self.ends.clear();
                self.ends.extend(last);
            }
            return;
        };
        let (ends, chunks, mut is_in_step) = (&self.ends, &mut self.chunks, false);
        stream.push(cutter, part, |cut| {
            let bytes = match &cut {
                Cut::Gathered(bytes) => bytes,
                Cut::InPiece(range) => &part[range.clone()],
            };
            is_in_step |= coming.add(bytes, ends, chunks);
        });
        if is_in_step {
            self.place = Place::InStep;
        }
    }

    /// The chunks that are left of the piece at hand, which ends here. It may also go on.
    fn end_piece(&mut self, cutter: &Cutter, whole: &StreamCutter) {
        match &self.place {
            Place::Hole => {}
            Place::Apart(stream, coming) => {
                let mut coming = coming.clone();
                stream.ending(cutter, |bytes| {
                    coming.add(bytes, &self.ends, &mut self.chunks);
                });
            }
            Place::InStep => {
                let mut at = self.ends.back().copied().unwrap_or_default();
                let mut last = None;
                whole.ending(cutter, |bytes| {
                    last = Some((bytes.to_vec(), PiecePlace::at(at)));
                    at += bytes.len() as u64;
                });
                self.chunks.extend(last);
            }
        }
    }

    fn end_part(&mut self, cutter: &Cutter, bytes: u64) {
        if let Some(zeros) = &mut self.zeros {
            zeros.bytes += bytes;
            if zeros.bytes == self.rule.block_bytes() {
                self.leave_out(cutter);
            }
        }
    }

    /// Leaves out the block at hand.
    fn leave_out(&mut self, cutter: &Cutter) {
        let Some(zeros) = self.zeros.take() else { return };
        if !self.rule.joins {
            self.chunks.extend(zeros.ending);
            self.place = Place::Hole;
            return;
        }
        if let Some((at, before)) = zeros.before {
            self.place = Place::Apart(StreamCutter::default(), Coming { at, holes: VecDeque::new() });
            self.feed(cutter, &before);
        }
        let hole = self.at - zeros.bytes;
        let place = std::mem::replace(&mut self.place, Place::Hole);
        let (stream, mut coming) = match place {
            Place::Apart(stream, coming) => (stream, coming),
            // Feeding fell into step at once, at the last of these ends.
            _ => (StreamCutter::default(), Coming { at: hole, holes: VecDeque::new() }),
        };
        match coming.holes.back_mut() {
            Some((start, bytes)) if *start + *bytes == hole => *bytes += zeros.bytes,
            _ => coming.holes.push_back((hole, zeros.bytes)),
        }
        self.place = Place::Apart(stream, coming);
    }
}

#[cfg(test)]
mod tests;
