//! The samples of the target, as a table in which those of the base are looked up.

use std::ops::Range;
use std::sync::Arc;

use regrow_local::{LocalError, Ordered, Pool};

use super::{JOBS_IN_FLIGHT, MAX_PAIRS, Pair, Spot, batches, each_sample};
use crate::side::Side;

/// The samples of the target, for look-ups.
pub(super) struct Table {
    /// Samples with their units, sorted.
    samples: Vec<(u64, u32)>,
    /// For each value of a sample's first bits, the position in `samples` of the first one that has it or a higher one.
    firsts: Vec<u32>,
    /// The number of bits of a sample behind those.
    shift: u32,
    /// A filter of the hashes that may be among the samples. Most are not, and the filter tells so fast.
    filter: Vec<u64>,
}

const FILTER_BITS: u32 = 25;
/// The bounds of the number of first bits by which samples are found.
const FIRST_BITS: Range<u32> = 1..22;

impl Table {
    /// Takes samples, sorted.
    pub(super) fn new(samples: Vec<(u64, u32)>) -> Self {
        let bits = (samples.len() as u64 + 1).ilog2().clamp(FIRST_BITS.start, FIRST_BITS.end);
        let shift = 64 - bits;
        let (mut firsts, mut filter) = (Vec::with_capacity((1 << bits) + 1), vec![0; 1 << (FILTER_BITS - 6)]);
        for (place, (sample, _)) in (0u32..).zip(&samples) {
            firsts.resize((sample >> shift) as usize + 1, place);
            let bit = sample >> (64 - FILTER_BITS);
            filter[(bit >> 6) as usize] |= 1 << (bit & 63);
        }
        firsts.resize((1 << bits) + 1, samples.len() as u32);
        Self { samples, firsts, shift, filter }
    }

    /// The first position of a sample.
    fn get(&self, sample: u64) -> Option<u32> {
        let bit = sample >> (64 - FILTER_BITS);
        if self.filter[(bit >> 6) as usize] >> (bit & 63) & 1 == 0 {
            return None;
        }
        let number = (sample >> self.shift) as usize;
        let (start, end) = (self.firsts[number], self.firsts[number + 1]);
        let same_bits = &self.samples[start as usize..end as usize];
        let found = same_bits.partition_point(|(other, _)| *other < sample);
        same_bits.get(found).filter(|(other, _)| *other == sample).map(|_| start + found as u32)
    }

    /// The samples that occur in the base, each with the position of its spot, in order.
    pub(super) fn hits(
        self: &Arc<Self>,
        base: &Arc<Side>,
        spots: &[Spot],
        bits: u32,
        pool: &Pool,
    ) -> Result<Vec<(u32, u32)>, LocalError> {
        let mut hits: Vec<(u32, u32)> = Vec::new();
        if self.samples.is_empty() {
            return Ok(hits);
        }
        let stretches = (0u32..).zip(spots).map(|(number, spot)| (number, spot.stored.clone()));
        let mut jobs = Ordered::new(JOBS_IN_FLIGHT);
        for batch in batches(stretches) {
            let (base, table) = (Arc::clone(base), Arc::clone(self));
            let job = move || {
                let mut found = Vec::new();
                each_sample(&base, &batch, bits, |sample, spot| found.push((sample, spot)))?;
                // Apart from the hashing, since each look-up waits for memory, and several can wait together.
                let hit = |(sample, spot)| table.get(sample).map(|at| (at, spot));
                let mut hits: Vec<_> = found.into_iter().filter_map(hit).collect();
                hits.sort_unstable();
                hits.dedup();
                Ok::<_, LocalError>(hits)
            };
            jobs.push(pool.submit(job));
            while let Some(done) = jobs.next_over_limit()? {
                hits.extend(done?);
            }
        }
        while let Some(done) = jobs.next()? {
            hits.extend(done?);
        }
        hits.sort_unstable();
        Ok(hits)
    }

    /// The pairs of units and spots that share samples. A sample that is nearly everywhere is left out. Units from `cuts`
    /// on are cuts of others, which do not count for these.
    pub(super) fn pairs(&self, hits: Vec<(u32, u32)>, cuts: usize) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for same in hits.chunk_by(|a, b| a.0 == b.0) {
            let first = same[0].0 as usize;
            let units = self.samples[first..].iter().take_while(|(sample, _)| *sample == self.samples[first].0);
            let units = &self.samples[first..first + units.count()];
            let (units, of_cuts) = units.split_at(units.partition_point(|(_, unit)| (*unit as usize) < cuts));
            for units in [units, of_cuts] {
                if same.len() * units.len() <= MAX_PAIRS {
                    let of_unit = |unit| same.iter().map(move |&(sample, spot)| Pair { unit, sample, spot });
                    pairs.extend(units.iter().flat_map(|&(_, unit)| of_unit(unit)));
                }
            }
        }
        pairs.sort_unstable();
        pairs
    }

    /// The number of samples of each unit.
    pub(super) fn samples_of_units(&self, units: usize) -> Vec<u32> {
        let mut counts = vec![0; units];
        for (_, unit) in &self.samples {
            counts[*unit as usize] += 1;
        }
        counts
    }
}
