//! The two codings of ops, what a coding's choice rests on, and the choice.

use crate::model::CLOSE;
use crate::op::Op;

/// How ops become bytes: the first byte of a coded body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Every bit by a model that mixes what many contexts predict: the smallest by far where code was compiled anew, and slow for
    /// each byte that is not copied.
    Mixed,
    /// Numbers, changes and literals apart, each compressed by LZMA: fast whatever there is.
    Streams,
}

/// Bytes of target that are to be made in a second, if it can be.
const WANTED_PER_SECOND: u64 = 100_000_000;
/// What a target may take besides, so that small ones are coded small.
const ALLOWED_NANOSECONDS: u128 = 200_000_000;

impl Coding {
    /// The coding's byte.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Mixed => 1,
            Self::Streams => 2,
        }
    }

    /// The coding of a byte.
    #[must_use]
    pub fn of_byte(byte: u8) -> Option<Self> {
        [Self::Mixed, Self::Streams].into_iter().find(|coding| coding.byte() == byte)
    }

    /// The smaller coding, unless applying it would take longer than it should for so many bytes: by the counts alone, so that the
    /// same ops are always coded the same.
    #[must_use]
    pub fn choose(statistics: &Statistics) -> Self {
        let budget = u128::from(statistics.target_bytes()) * 1_000_000_000 / u128::from(WANTED_PER_SECOND);
        if statistics.mixed_nanoseconds() <= budget + ALLOWED_NANOSECONDS { Self::Mixed } else { Self::Streams }
    }
}

/// What ops consist of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How many there are.
    pub ops: u64,
    /// Bytes that are copied, the changed ones with them.
    pub copied: u64,
    /// Those that are changed.
    pub changed: u64,
    /// Bytes of copies so close behind a change that the mixed coding has a flag for each.
    pub flagged: u64,
    /// Bytes of literals.
    pub literal: u64,
}

impl Statistics {
    /// Counts an op.
    pub fn add(&mut self, op: &Op) {
        self.ops += 1;
        self.copied += op.len;
        self.changed += op.changes.len() as u64;
        self.literal += op.literal.len() as u64;
        let behind = op.changes.iter().skip(1).map(|change| change.at).chain([op.len]);
        for (change, next) in op.changes.iter().zip(behind) {
            self.flagged += next.saturating_sub(change.at).min(CLOSE);
        }
    }

    /// Bytes of target.
    #[must_use]
    pub fn target_bytes(&self) -> u64 {
        self.copied + self.literal
    }

    /// How long the mixed coding takes to apply, on one core of a server of 2024.
    fn mixed_nanoseconds(&self) -> u128 {
        let counted = [(self.ops, 2000), (self.changed, 300), (self.flagged, 40), (self.literal, 350)];
        let coded: u128 = counted.iter().map(|&(count, each)| u128::from(count) * each).sum();
        coded + u128::from(self.copied) * 3 / 10
    }
}
