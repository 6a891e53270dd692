//! Samples of contents, by which images are compared whose chunks differ. Two versions of a program may have hardly a
//! chunk in common, and still be alike nearly everywhere.
//!
//! A sample is the hash of a window of bytes, and of its beginning alone. A window is taken if its first bytes hash to a small number, so the same
//! bytes give the same samples, wherever they lie.

use regrow_chunker::Record;

/// The bytes of a window, and of the part of it that stands for the window in small changes' midst.
const WINDOW_BYTES: usize = 32;
const SHORT_BYTES: usize = 12;
/// Without need, one window in 2^6 is taken.
const LEAST_BITS: u32 = 6;
/// About the most samples of an image.
const MOST_SAMPLES: u64 = 1 << 19;

/// The hashes of a window and of its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) long: u64,
    pub(crate) short: u64,
}

/// Takes samples at a certain density.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampler {
    bits: u32,
}

impl Sampler {
    /// A sampler for about this many bytes.
    pub(crate) fn for_bytes(bytes: u64) -> Self {
        let bits = LEAST_BITS..u64::BITS - 1;
        Self { bits: bits.into_iter().find(|bits| bytes >> bits <= MOST_SAMPLES).unwrap_or(LEAST_BITS) }
    }

    /// Takes the samples of a chunk. Chunks that were made to have too many samples get the first ones.
    pub(crate) fn sample(self, chunk: &[u8]) -> Vec<Sample> {
        let most = (chunk.len() >> self.bits) * 4 + 4;
        let mut last = 0;
        let taken = chunk.windows(WINDOW_BYTES).filter(|window| {
            let first = first_word(window);
            // Long runs of one byte, above all of zeros, tell nothing.
            let is_taken = first != last && spread(first) >> (u64::BITS - self.bits) == 0;
            last = first;
            is_taken
        });
        let sample = |window: &[u8]| Sample { long: hash(window), short: hash(&window[..SHORT_BYTES]) };
        taken.take(most).map(sample).collect()
    }
}

fn first_word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

/// Multiplies by a number without pattern, so that all bits decide about the upper ones.
fn spread(word: u64) -> u64 {
    word.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn hash(window: &[u8]) -> u64 {
    window.chunks(8).fold(0, |hash, word| {
        let word = word.first_chunk().map_or_else(
            || word.iter().fold(1, |number, byte| number << 8 | u64::from(*byte)),
            |word| u64::from_le_bytes(*word),
        );
        let mixed = spread(hash ^ spread(word));
        mixed ^ (mixed >> 29)
    })
}

/// The bytes of records.
pub(crate) fn bytes_of<'r>(records: impl IntoIterator<Item = &'r Record>) -> u64 {
    records.into_iter().map(|record| u64::from(record.len)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without pattern.
    fn noise(seed: u8, bytes: usize) -> Vec<u8> {
        let mut out = vec![0; bytes];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut out);
        out
    }

    #[test]
    fn samples_follow_the_bytes() {
        let sampler = Sampler::for_bytes(1 << 20);
        assert_eq!(sampler.bits, 6);
        let (first, second) = (noise(1, 100_000), noise(2, 50_000));
        let samples = sampler.sample(&first);
        assert!((1200..1900).contains(&samples.len()), "{}", samples.len());
        let moved = sampler.sample(&[&second[..999], &first].concat());
        assert_eq!(moved[moved.len() - samples.len()..], samples);
        let mut changed = first.clone();
        changed.iter_mut().step_by(500).for_each(|byte| *byte ^= 1);
        let kept = sampler.sample(&changed).iter().filter(|sample| samples.contains(sample)).count();
        assert!(kept > samples.len() * 8 / 10, "{kept} of {}", samples.len());
        // Where bytes change often, only the beginnings of windows stay.
        first.clone_into(&mut changed);
        changed.iter_mut().step_by(25).for_each(|byte| *byte ^= 1);
        let changed = sampler.sample(&changed);
        let kept = |is_same: fn(&Sample, &Sample) -> bool| {
            changed.iter().filter(|sample| samples.iter().any(|other| is_same(sample, other))).count()
        };
        assert_eq!(kept(|a, b| a.long == b.long), 0);
        assert!(kept(|a, b| a.short == b.short) > samples.len() * 4 / 10);
        let found = sampler.sample(&second).iter().filter(|sample| samples.contains(sample)).count();
        assert_eq!(found, 0);
    }

    #[test]
    fn samples_are_bounded() {
        assert_eq!(Sampler::for_bytes(0).bits, 6);
        assert!(1_u64 << 40 >> Sampler::for_bytes(1 << 40).bits <= MOST_SAMPLES);
        assert!(Sampler::for_bytes(u64::MAX).bits > 40);
        let sampler = Sampler::for_bytes(1);
        assert!(sampler.sample(&[]).is_empty() && sampler.sample(&[7; 31]).is_empty());
        // Zeros hash to zero, the smallest number.
        assert!(sampler.sample(&vec![0; 1 << 20]).is_empty());
        let hostile: Vec<u8> = [0; 8].into_iter().chain([1; 1]).cycle().take(1 << 20).collect();
        assert!(sampler.sample(&hostile).len() <= (1 << 20 >> 6) * 4 + 4);
    }
}
