//! Finds the parts of the base that hold the same bytes as a unit of the target, whatever their places and names.
//! It compares hashes of 32 bytes each. Only a sample of them is looked at, and both sides choose the same ones.

mod table;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use regrow_local::{LocalError, Ordered, Pool};

use crate::side::Side;
use crate::unit::{Source, Unit, WHOLE_BYTES};
use table::Table;

/// The approximate number of samples of the target. Each takes 12 to 40 bytes of memory.
const SAMPLES: u64 = 1 << 21;
/// The smallest and the largest number of bits of the rate: one place in 2^bits is a sample.
const RATE_BITS: Range<u32> = 4..16;
/// The approximate number of bytes that are searched in one job.
const JOB_BYTES: u64 = 8 << 20;
const JOBS_IN_FLIGHT: usize = 6;
/// The size of the spots into which a part of the base is divided if it is too large to be taken as a whole.
pub(super) const SPOT_BYTES: u64 = 256 << 10;
/// For a unit with more pairs than this, spots are chosen without regard to each other.
const MAX_CHOOSY: usize = 20_000;
/// A spot is of use if it adds more than one in this many of a unit's samples.
const LEAST_GAIN: u64 = 16;
/// A sample that makes more pairs than this is too common to tell anything.
const MAX_PAIRS: usize = 48;

/// A part of the base to which units may be similar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// The range in the base's stored space.
    pub(super) stored: Range<u64>,
    /// The position of the file, if the spot is a whole file.
    pub(super) file: Option<u32>,
}

/// The similarity between units and spots.
pub(super) struct Similar {
    spots: Vec<Spot>,
    /// The number of samples of each unit.
    samples: Vec<u32>,
    /// The pairs, sorted by unit.
    pairs: Vec<Pair>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    unit: u32,
    sample: u32,
    spot: u32,
}

impl Similar {
    /// Searches the units without a known source, and the whole base. Units from `cuts` on are cuts of others, which do
    /// not change what is found for these.
    pub(super) fn find(
        base: &Arc<Side>,
        target: &Arc<Side>,
        (units, cuts): (&[Unit], usize),
        pool: &Pool,
    ) -> Result<Self, LocalError> {
        let wanted =
            |unit: &Unit| matches!(&unit.source, Source::Unknown(unknown) if looks_around(unknown.file, unit, target));
        let wanted = || (0u32..).zip(units).filter(|(_, unit)| wanted(unit));
        let unknown: Vec<(u32, Range<u64>)> = wanted()
            .flat_map(|(number, unit)| matched_ranges(target, unit).into_iter().map(move |range| (number, range)))
            .collect();
        let whole = unknown.iter().filter(|(number, _)| (*number as usize) < cuts);
        let bytes = whole.map(|(_, range)| range.end - range.start).sum::<u64>();
        let bits = (bytes / SAMPLES + 1).ilog2().clamp(RATE_BITS.start, RATE_BITS.end);
        let mut samples = sample(target, &unknown, bits, pool)?;
        samples.sort_unstable();
        samples.dedup();
        let known: Vec<(u32, Range<u64>)> = wanted()
            .flat_map(|(number, unit)| known_ranges(base, unit).into_iter().map(move |range| (number, range)))
            .collect();
        let there = sample(base, &known, bits, pool)?;
        retain_uncovered(&mut samples, there, units.len());
        if samples.is_empty() {
            return Ok(Self { spots: Vec::new(), samples: vec![0; units.len()], pairs: Vec::new() });
        }
        let spots = spots(base);
        let table = Arc::new(Table::new(samples));
        let hits = table.hits(base, &spots, bits, pool)?;
        let pairs = table.pairs(hits, cuts);
        Ok(Self { spots, samples: table.samples_of_units(units.len()), pairs })
    }

    /// The spots that together have most of a unit's samples, at most `limit` of them. Each one is the spot that
    /// adds most to those before it and to `known`, the parts of the base that are looked at anyway.
    pub(super) fn best(&self, unit: usize, known: &[Range<u64>], limit: usize) -> Vec<Spot> {
        let first = self.pairs.partition_point(|pair| (pair.unit as usize) < unit);
        let mut pairs: Vec<Pair> =
            self.pairs[first..].iter().take_while(|pair| pair.unit as usize == unit).copied().collect();
        let is_known =
            |spot: &Spot| known.iter().any(|range| range.start <= spot.stored.start && spot.stored.end <= range.end);
        let mut covered: Vec<u32> =
            pairs.iter().filter(|pair| is_known(&self.spots[pair.spot as usize])).map(|pair| pair.sample).collect();
        if pairs.len() > MAX_CHOOSY {
            return self.most_alike(&pairs, limit);
        }
        let mut best = Vec::new();
        while best.len() < limit {
            covered.sort_unstable();
            pairs.retain(|pair| covered.binary_search(&pair.sample).is_err());
            let Some((spot, gain)) = most(&pairs) else { break };
            if u64::from(gain) * LEAST_GAIN <= u64::from(self.samples[unit]) && !(best.is_empty() && known.is_empty()) {
                break;
            }
            covered = pairs.iter().filter(|pair| pair.spot == spot).map(|pair| pair.sample).collect();
            best.push(self.spots[spot as usize].clone());
        }
        best
    }

    fn most_alike(&self, pairs: &[Pair], limit: usize) -> Vec<Spot> {
        let mut counts: Vec<(u32, u32)> = counts(pairs).into_iter().map(|(spot, count)| (count, spot)).collect();
        counts.sort_unstable_by_key(|&(count, spot)| (std::cmp::Reverse(count), spot));
        counts.into_iter().take(limit).map(|(_, spot)| self.spots[spot as usize].clone()).collect()
    }
}

/// The ranges of a unit that are matched.
fn matched_ranges(target: &Side, unit: &Unit) -> Vec<Range<u64>> {
    let (mut ranges, mut at) = (Vec::new(), unit.target.start);
    for literal in target.literals_in(&unit.target) {
        ranges.push(at..literal.start);
        at = literal.end;
    }
    ranges.push(at..unit.target.end);
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// The ranges of the base that a unit is matched against whatever else is found.
fn known_ranges(base: &Side, unit: &Unit) -> Vec<Range<u64>> {
    let Source::Unknown(unknown) = &unit.source else { return Vec::new() };
    let partner = unknown.partner.filter(|partner| partner.is_likely);
    let partner = partner.map(|partner| base.stored(&base.file(partner.file)));
    let partner = partner.filter(|stored| stored.end - stored.start <= WHOLE_BYTES);
    unknown.near.iter().cloned().chain(partner).collect()
}

/// Drops the samples of units of which nearly all samples are in what is known: nothing could add enough. Often all are
/// dropped, and then the base need not be read. Large units stay, for which spots are chosen without regard to what is
/// known. Both lists are samples with their units, `samples` sorted.
fn retain_uncovered(samples: &mut Vec<(u64, u32)>, mut known: Vec<(u64, u32)>, units: usize) {
    known.sort_unstable();
    let (mut all, mut uncovered) = (vec![0u64; units], vec![0u64; units]);
    for sample in samples.iter() {
        let unit = sample.1 as usize;
        all[unit] += 1;
        uncovered[unit] += u64::from(known.binary_search(sample).is_err());
    }
    let has_known: std::collections::HashSet<u32> = known.iter().map(|(_, unit)| *unit).collect();
    let is_covered = |unit: u32| {
        let (all, uncovered) = (all[unit as usize], uncovered[unit as usize]);
        has_known.contains(&unit) && all * 2 <= MAX_CHOOSY as u64 && uncovered * LEAST_GAIN <= all
    };
    samples.retain(|(_, unit)| !is_covered(*unit));
}

/// Whether a unit needs guesses. The skeleton as a whole does not, since it is matched against all of the base's.
fn looks_around(file: Option<u32>, unit: &Unit, target: &Side) -> bool {
    file.is_some() || unit.target != (0..target.skeleton_bytes())
}

/// The spot with the most pairs. Among equal spots, it is the first.
fn most(pairs: &[Pair]) -> Option<(u32, u32)> {
    counts(pairs).into_iter().max_by_key(|&(spot, count)| (count, std::cmp::Reverse(spot)))
}

/// The number of pairs of each spot.
fn counts(pairs: &[Pair]) -> HashMap<u32, u32> {
    let mut counts = HashMap::new();
    for pair in pairs {
        *counts.entry(pair.spot).or_default() += 1;
    }
    counts
}

/// The parts of the base that may be similar to something.
fn spots(base: &Side) -> Vec<Spot> {
    let mut spots = Vec::new();
    let mut push = |stored: Range<u64>, file: Option<u32>| {
        if stored.end - stored.start <= WHOLE_BYTES {
            spots.push(Spot { stored, file });
            return;
        }
        let mut at = stored.start;
        while at < stored.end {
            let end = stored.end.min(at + SPOT_BYTES);
            spots.push(Spot { stored: at..end, file: None });
            at = end;
        }
    };
    if base.skeleton_bytes() > WHOLE_BYTES {
        push(0..base.skeleton_bytes(), None);
    }
    for (number, file) in (0..).zip(base.files()) {
        push(base.stored(&file), Some(number));
    }
    spots
}

/// The samples of stretches of an image, each with its stretch's number.
fn sample(
    image: &Arc<Side>,
    stretches: &[(u32, Range<u64>)],
    bits: u32,
    pool: &Pool,
) -> Result<Vec<(u64, u32)>, LocalError> {
    let mut found = Vec::new();
    let mut jobs = Ordered::new(JOBS_IN_FLIGHT);
    for batch in batches(stretches.iter().cloned()) {
        let image = Arc::clone(image);
        let job = move || {
            let mut found = Vec::new();
            each_sample(&image, &batch, bits, |sample, number| found.push((sample, number)))?;
            Ok::<_, LocalError>(found)
        };
        jobs.push(pool.submit(job));
        while let Some(done) = jobs.next_over_limit()? {
            found.extend(done?);
        }
    }
    while let Some(done) = jobs.next()? {
        found.extend(done?);
    }
    Ok(found)
}

/// Gathers stretches into runs of about [`JOB_BYTES`].
fn batches(mut stretches: impl Iterator<Item = (u32, Range<u64>)>) -> impl Iterator<Item = Vec<(u32, Range<u64>)>> {
    std::iter::from_fn(move || {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < JOB_BYTES
            && let Some((number, range)) = stretches.next()
        {
            bytes += range.end - range.start;
            batch.push((number, range));
        }
        (!batch.is_empty()).then_some(batch)
    })
}

fn each_sample(
    image: &Side,
    stretches: &[(u32, Range<u64>)],
    bits: u32,
    mut each: impl FnMut(u64, u32),
) -> Result<(), LocalError> {
    // Adjacent stretches are read together.
    let mut rest = stretches;
    while let Some((_, first)) = rest.first() {
        let mut end = first.start;
        let mut is_next = |(_, range): &(u32, Range<u64>)| {
            let is_next = range.start == end && end - first.start < JOB_BYTES;
            end = if is_next { range.end } else { end };
            is_next
        };
        let len = rest.iter().take_while(|stretch| is_next(stretch)).count();
        let bytes = image.read(first.start..end).map_err(LocalError::io("image"))?;
        for (number, range) in &rest[..len] {
            let part = &bytes[(range.start - first.start) as usize..(range.end - first.start) as usize];
            samples(part, bits, |sample| each(sample, *number));
        }
        rest = &rest[len..];
    }
    Ok(())
}

/// The number of bytes that a sample depends on.
const SAMPLE_BYTES: usize = 32;

/// Passes on samples: at one in 2^`bits` places, the hash of the bytes before it. A run of equal samples counts
/// once.
fn samples(bytes: &[u8], bits: u32, mut each: impl FnMut(u64)) {
    let (mut hash, mut last) = (0u32, None);
    for (at, &byte) in bytes.iter().enumerate() {
        // The hash has 32 bits, so a byte that is 32 places back has been shifted out.
        hash = (hash << 1).wrapping_add(GEAR[usize::from(byte)]);
        if hash >> (32 - bits) == 0 && at + 1 >= SAMPLE_BYTES && last != Some(hash) {
            last = Some(hash);
            let window = bytes[at + 1 - SAMPLE_BYTES..].first_chunk::<SAMPLE_BYTES>();
            // Invariant: at + 1 is at least SAMPLE_BYTES, and at within the bytes.
            each(strong(window.expect("the window is within the bytes")));
        }
    }
}

/// A hash of 64 bits. The rolling hash cannot be used itself, since many of its bits are equal in all samples.
fn strong(window: &[u8; SAMPLE_BYTES]) -> u64 {
    let words = window.chunks_exact(8).map(|word| word.iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte)));
    words.fold(0, |hash, word| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
}

/// A random number for each byte.
static GEAR: [u32; 256] = gear();

const fn gear() -> [u32; 256] {
    let mut table = [0; 256];
    let (mut state, mut at) = (0x2545_f491_4f6c_dd1du64, 0);
    while at < table.len() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        table[at] = (state >> 32) as u32;
        at += 1;
    }
    table
}
