//! The header of a dynamic block: the lengths of both codes, coded themselves (RFC 1951, 3.2.7).

use super::bit_writer::BitWriter;
use super::prefix_code::codes;
use super::tables::{
    CODE_LENGTH_ORDER, CODE_LENGTH_SYMBOLS, END_OF_BLOCK, FEW_ZEROS, FIRST_LENGTH, MANY_ZEROS, REPEAT, repetition,
};

/// The fewest lengths of codes for code lengths that are written.
const MIN_OWN_CODED: usize = 4;

/// The header of a dynamic block, with all that is free to choose in how it is coded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DynamicHeader {
    /// The number of lengths of literals and match lengths: 257 to 286.
    pub(crate) literals: usize,
    /// Lengths of the codes of literals and match lengths, then of distances.
    pub(crate) lengths: Vec<u8>,
    /// The steps by which these are coded.
    pub(crate) steps: Vec<LengthStep>,
    /// The number of lengths in `own` that are coded: 4 to 19.
    pub(crate) own_coded: usize,
    /// Lengths of the codes for code lengths, in the order in which they are coded.
    pub(crate) own: [u8; CODE_LENGTH_SYMBOLS],
}

/// One code of code lengths: a symbol, and how many lengths it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LengthStep {
    pub(crate) symbol: u8,
    pub(crate) times: u8,
}

impl LengthStep {
    /// The width and the value of the extra bits behind the symbol.
    fn extra(self) -> (u32, u8) {
        let (bits, base) = repetition(self.symbol);
        (bits, self.times.saturating_sub(base))
    }
}

impl DynamicHeader {
    /// The header of lengths that are coded by `steps`, whose own codes have the lengths that `own` gives for their
    /// counts.
    pub(crate) fn new(
        literals: usize,
        lengths: Vec<u8>,
        steps: Vec<LengthStep>,
        own: impl FnOnce(&mut [u32; CODE_LENGTH_SYMBOLS]) -> [u8; CODE_LENGTH_SYMBOLS],
    ) -> Self {
        let (own_coded, own) = in_order(&own(&mut step_counts(&steps)));
        Self { literals, lengths, steps, own_coded, own }
    }

    pub(crate) fn literal_lengths(&self) -> &[u8] {
        &self.lengths[..self.literals.min(self.lengths.len())]
    }

    pub(crate) fn distance_lengths(&self) -> &[u8] {
        &self.lengths[self.literals.min(self.lengths.len())..]
    }

    /// Adds the lengths of a step; `None` if it repeats what is not there.
    #[inline]
    pub(crate) fn push(&mut self, step: LengthStep) -> Option<()> {
        let length = match step.symbol {
            REPEAT => *self.lengths.last()?,
            FEW_ZEROS | MANY_ZEROS => 0,
            length if step.times == 1 => {
                self.lengths.push(length);
                self.steps.push(step);
                return Some(());
            }
            length => length,
        };
        self.lengths.resize(self.lengths.len() + usize::from(step.times), length);
        self.steps.push(step);
        Some(())
    }

    /// Whether the end of the block has a code: without one no block ends.
    pub(crate) fn has_end(&self) -> bool {
        self.lengths.get(END_OF_BLOCK).is_some_and(|&length| length > 0)
    }

    /// The lengths of the codes for code lengths, by symbol.
    pub(crate) fn own_by_symbol(&self) -> [u8; CODE_LENGTH_SYMBOLS] {
        let mut lengths = [0; CODE_LENGTH_SYMBOLS];
        CODE_LENGTH_ORDER.iter().zip(self.own).for_each(|(&symbol, length)| lengths[symbol] = length);
        lengths
    }

    /// The number of bits it takes, without the three that begin the block.
    pub(crate) fn bits(&self) -> usize {
        let own = self.own_by_symbol();
        let of_step = |step: &LengthStep| usize::from(own[usize::from(step.symbol)]) + step.extra().0 as usize;
        5 + 5 + 4 + 3 * self.own_coded + self.steps.iter().map(of_step).sum::<usize>()
    }

    /// Writes it, without the three bits that begin the block. Each step has a code.
    pub(crate) fn write(&self, out: &mut BitWriter) {
        out.put((self.literals - FIRST_LENGTH) as u64, 5);
        out.put((self.distance_lengths().len() - 1) as u64, 5);
        out.put((self.own_coded - MIN_OWN_CODED) as u64, 4);
        self.own[..self.own_coded].iter().for_each(|&length| out.put(length.into(), 3));
        let own = codes(&self.own_by_symbol());
        for step in &self.steps {
            out.put_code(own[usize::from(step.symbol)]);
            let (bits, value) = step.extra();
            out.put(value.into(), bits);
        }
    }
}

/// The count of each symbol of code lengths.
pub(crate) fn step_counts(steps: &[LengthStep]) -> [u32; CODE_LENGTH_SYMBOLS] {
    let mut counts = [0; CODE_LENGTH_SYMBOLS];
    steps.iter().for_each(|step| counts[usize::from(step.symbol)] += 1);
    counts
}

/// The lengths of codes for code lengths in the order in which they are written, and how many have to be.
pub(crate) fn in_order(own: &[u8; CODE_LENGTH_SYMBOLS]) -> (usize, [u8; CODE_LENGTH_SYMBOLS]) {
    let own = CODE_LENGTH_ORDER.map(|symbol| own[symbol]);
    let used = own.iter().rposition(|&length| length > 0).map_or(0, |last| last + 1);
    (used.max(MIN_OWN_CODED), own)
}

/// Codes lengths as zlib, Go and klauspost do: a run of equal lengths takes all repetitions that it allows. Runs do not
/// go from one part into the next.
pub(crate) fn length_steps(parts: &[&[u8]]) -> Vec<LengthStep> {
    let mut steps = Vec::with_capacity(parts.iter().map(|lengths| lengths.len()).sum());
    for run in parts.iter().flat_map(|lengths| lengths.chunk_by(|a, b| a == b)) {
        let (length, mut left) = (run[0], run.len());
        let mut put = |symbol, times: usize, left: &mut usize| {
            steps.push(LengthStep { symbol, times: times as u8 });
            *left -= times;
        };
        if length == 0 {
            while left >= 11 {
                put(MANY_ZEROS, left.min(138), &mut left);
            }
            if left >= 3 {
                put(FEW_ZEROS, left, &mut left);
            }
        } else {
            put(length, 1, &mut left);
            while left >= 3 {
                put(REPEAT, left.min(6), &mut left);
            }
        }
        while left > 0 {
            put(length, 1, &mut left);
        }
    }
    steps
}
