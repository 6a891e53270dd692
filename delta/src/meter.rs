//! Counts what parts of the target cost. An encoder that is metered codes the same bytes as any other, and also says
//! which part of the target each of them was needed for.

use crate::coder::{BitCoder, BitEncoder};

/// The costs of the target's parts, in bits or bytes that may be fractions.
pub(crate) struct Shares {
    /// Where the parts end in the target. The last part also has all that follows.
    ends: Vec<u64>,
    costs: Vec<f64>,
    /// The part that had the last cost.
    current: usize,
}

impl Shares {
    /// Makes the shares of parts that end at these offsets, in order.
    pub(crate) fn new(ends: Vec<u64>) -> Self {
        let costs = vec![0.0; ends.len()];
        Self { ends, costs, current: 0 }
    }

    /// The part that has this byte of the target. Most callers ask for one byte after the other.
    #[inline]
    pub(crate) fn part_of(&mut self, at: u64) -> usize {
        let last = self.ends.len().saturating_sub(1);
        if self.current > 0 && at < self.ends[self.current - 1] {
            self.current = 0;
        }
        if self.current < last && at >= self.ends[self.current] {
            let passed = self.ends[self.current..].partition_point(|&end| end <= at);
            self.current = (self.current + passed).min(last);
        }
        self.current
    }

    /// The end of the part that has this byte, or `None` if it is the last part.
    pub(crate) fn end_of(&mut self, at: u64) -> Option<u64> {
        let part = self.part_of(at);
        self.ends.get(part).copied().filter(|_| part + 1 < self.ends.len())
    }

    #[inline]
    pub(crate) fn add(&mut self, part: usize, cost: f64) {
        if let Some(sum) = self.costs.get_mut(part) {
            *sum += cost;
        }
    }

    /// Divides `bytes` among the parts in proportion to their costs. The results add up to exactly `bytes`, unless
    /// there is no part.
    pub(crate) fn divide(&self, bytes: u64) -> Vec<u64> {
        let total: f64 = self.costs.iter().sum();
        if total <= 0.0 {
            let mut all = vec![0; self.costs.len()];
            if let Some(first) = all.first_mut() {
                *first = bytes;
            }
            return all;
        }
        let (mut sum, mut given) = (0.0, 0);
        let last = self.costs.iter().rposition(|&cost| cost > 0.0);
        let share = |(part, cost): (usize, &f64)| {
            sum += cost;
            let until =
                if Some(part) == last { bytes } else { ((sum / total * bytes as f64) as u64).clamp(given, bytes) };
            let share = until - given;
            given = until;
            share
        };
        self.costs.iter().enumerate().map(share).collect()
    }
}

/// An encoder of bits that counts the information in them.
pub(crate) struct MeteredEncoder {
    pub(crate) encoder: BitEncoder,
    pub(crate) shares: Shares,
    /// The bits that were coded since the last charge.
    pending: f64,
}

impl MeteredEncoder {
    pub(crate) fn new(ends: Vec<u64>) -> Self {
        Self { encoder: BitEncoder::new(), shares: Shares::new(ends), pending: 0.0 }
    }
}

impl BitCoder for MeteredEncoder {
    #[inline]
    fn bit(&mut self, p1: u32, bit: u32) -> u32 {
        let probability = if bit == 0 { 65_536 - p1 } else { p1 };
        self.pending += 16.0 - f64::from(probability).log2();
        self.encoder.bit(p1, bit)
    }

    #[inline]
    fn charge(&mut self, target_at: u64) {
        let part = self.shares.part_of(target_at);
        self.shares.add(part, std::mem::take(&mut self.pending));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_and_shares_add_up() {
        let mut shares = Shares::new(vec![10, 10, 30, 40]);
        assert_eq!([0, 9, 10, 29, 30, 99, 5].map(|at| shares.part_of(at)), [0, 0, 2, 2, 3, 3, 0]);
        assert_eq!((shares.end_of(12), shares.end_of(35)), (Some(30), None));
        assert_eq!(shares.divide(7), [7, 0, 0, 0]);
        for (part, cost) in [(0, 0.1), (2, 0.3), (3, 0.3)] {
            shares.add(part, cost);
        }
        for bytes in [0, 1, 2, 7, 1000, 1_000_003] {
            assert_eq!(shares.divide(bytes).iter().sum::<u64>(), bytes);
        }
        assert_eq!(shares.divide(7), [1, 0, 3, 3]);
        assert!(Shares::new(Vec::new()).divide(7).is_empty());
    }
}
