//! The two codings of ops, and the choice between them.

use crate::model::CLOSE;
use crate::op::Op;

/// The way in which ops become bytes: the first byte of a coded body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// A model that mixes the predictions of many contexts codes each bit. This is by far the smaller coding for
    /// code that was compiled again, and slow for each byte that is not copied.
    Mixed,
    /// Numbers, changes and literals lie apart, each compressed by LZMA. This is fast for any input.
    Streams,
}

/// The wanted speed, in target bytes a second.
const WANTED_PER_SECOND: u64 = 100_000_000;
/// The time in nanoseconds that any target may take on top, so that small ones are coded small.
const ALLOWED_NANOSECONDS: u128 = 200_000_000;

impl Coding {
    /// The byte that stands for the coding.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Mixed => 1,
            Self::Streams => 2,
        }
    }

    /// The coding that a byte stands for.
    #[must_use]
    pub fn of_byte(byte: u8) -> Option<Self> {
        [Self::Mixed, Self::Streams].into_iter().find(|coding| coding.byte() == byte)
    }

    /// Chooses the smaller coding, unless applying it would take too long for a target of this size. The choice
    /// depends on the counts alone, so that the same ops are always coded the same.
    #[must_use]
    pub fn choose(statistics: &Statistics) -> Self {
        let budget = u128::from(statistics.target_bytes()) * 1_000_000_000 / u128::from(WANTED_PER_SECOND);
        if statistics.mixed_nanoseconds() <= budget + ALLOWED_NANOSECONDS { Self::Mixed } else { Self::Streams }
    }
}

/// Counts over the ops of a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The number of ops.
    pub ops: u64,
    /// The number of copied bytes, changed ones included.
    pub copied: u64,
    /// The number of changed bytes.
    pub changed: u64,
    /// The number of copied bytes so close behind a change that the mixed coding has a flag for each.
    pub flagged: u64,
    /// The number of literal bytes.
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

    /// The size of the target in bytes.
    #[must_use]
    pub fn target_bytes(&self) -> u64 {
        self.copied + self.literal
    }

    /// How long applying the mixed coding takes, on one core of a server of 2024.
    fn mixed_nanoseconds(&self) -> u128 {
        let counted = [(self.ops, 2000), (self.changed, 300), (self.flagged, 40), (self.literal, 350)];
        let coded: u128 = counted.iter().map(|&(count, each)| u128::from(count) * each).sum();
        coded + u128::from(self.copied) * 3 / 10
    }
}
