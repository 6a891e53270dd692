//! FastCDC's normalised chunking (Xia et al., "The Design of Fast Content-Defined Chunking for Data
//! Deduplication Based Storage Systems", 2020) with a gear hash over a window that is always full, so that a
//! cut depends on the 64 bytes before it and on the distance to the last cut alone. FORMAT.md, section 3.

use crate::params::{Params, WINDOW_BYTES, gear_table};
use crate::zeros::is_zero;

/// Finds the end of the chunk at the front of a byte slice.
pub struct Cutter {
    gear: Box<[u64; 256]>,
    params: Params,
    limit_small: u64,
    limit_large: u64,
    /// The length of a chunk of zeros before which and behind which there are only zeros.
    zeros_bytes: usize,
}

impl Cutter {
    /// Makes a cutter for these parameters. This computes the gear table, so keep the cutter.
    #[must_use]
    pub fn new(params: Params) -> Self {
        let avg = u64::from(params.avg_bytes());
        let gear = gear_table();
        let limit_small = u64::MAX / (4 * avg);
        let limit_large = (u128::from(u64::MAX) * 4 / u128::from(avg)).min(u128::from(u64::MAX)) as u64;
        // The hash of a window of zeros.
        let hash = (0..WINDOW_BYTES).fold(0u64, |hash, _| (hash << 1).wrapping_add(gear[0]));
        let zeros_bytes = match hash {
            small if small < limit_small && params.min_bytes() < params.avg_bytes() => params.min_bytes(),
            large if large < limit_large => params.avg_bytes(),
            _ => params.max_bytes(),
        };
        Self { gear, params, limit_small, limit_large, zeros_bytes: zeros_bytes as usize }
    }

    /// The parameters that the cutter was made with.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The length in bytes of the first chunk of `data`. `data` must hold at least `max` bytes, or all that is left
    /// of the stream. The length is 0 only if `data` is empty.
    #[must_use]
    pub fn cut(&self, data: &[u8]) -> usize {
        let min = self.params.min_bytes() as usize;
        if data.len() <= min {
            return data.len();
        }
        // Disk images have many of them.
        if data.get(..self.zeros_bytes).is_some_and(is_zero) {
            return self.zeros_bytes;
        }
        let data = &data[..data.len().min(self.params.max_bytes() as usize)];
        let middle = data.len().min(self.params.avg_bytes() as usize);
        let mut hash = 0u64;
        for &byte in &data[min - WINDOW_BYTES as usize..min] {
            hash = (hash << 1).wrapping_add(self.gear[usize::from(byte)]);
        }
        if let Some(end) = self.scan(data, min, middle, &mut hash, self.limit_small) {
            return end;
        }
        self.scan(data, middle, data.len(), &mut hash, self.limit_large).unwrap_or(data.len())
    }

    /// The first position in `from..to` before which the hash is below `limit`. On entry `hash` belongs to `from`;
    /// if nothing is found, it belongs to `to` in the end. The loop takes two bytes a turn, so that the halves of
    /// the dependency chain overlap.
    #[inline]
    fn scan(&self, data: &[u8], from: usize, to: usize, hash: &mut u64, limit: u64) -> Option<usize> {
        let mut h = *hash;
        let mut position = from;
        let mut pairs = data[from..to].chunks_exact(2);
        for pair in &mut pairs {
            let first = self.gear[usize::from(pair[0])];
            let both = (first << 1).wrapping_add(self.gear[usize::from(pair[1])]);
            if h < limit {
                return Some(position);
            }
            if (h << 1).wrapping_add(first) < limit {
                return Some(position + 1);
            }
            h = (h << 2).wrapping_add(both);
            position += 2;
        }
        if let [last] = pairs.remainder() {
            if h < limit {
                return Some(position);
            }
            h = (h << 1).wrapping_add(self.gear[usize::from(*last)]);
        }
        *hash = h;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule as FORMAT.md words it, one byte at a time.
    fn reference_cut(data: &[u8], params: &Params) -> usize {
        let gear = gear_table();
        let (min, avg, max) = (params.min_bytes() as usize, u64::from(params.avg_bytes()), params.max_bytes() as usize);
        for p in min..data.len().min(max) {
            let hash = (0..64).fold(0u64, |sum, i| sum.wrapping_add(gear[usize::from(data[p - 1 - i])] << i));
            let limit =
                if (p as u64) < avg { u64::MAX / (4 * avg) } else { u64::MAX / avg * 4 + u64::MAX % avg * 4 / avg };
            if hash < limit {
                return p;
            }
        }
        data.len().min(max)
    }

    proptest! {
        #[test]
        fn agrees_with_the_reference(data in proptest::collection::vec(any::<u8>(), 0..6000), odd in 0u64..2) {
            let params = Params::new(64 + odd, 255 + odd, 1023 + odd).unwrap();
            let cutter = Cutter::new(params);
            let mut rest = data.as_slice();
            while !rest.is_empty() {
                let len = cutter.cut(rest);
                prop_assert_eq!(len, reference_cut(rest, &params));
                rest = &rest[len..];
            }
        }
    }

    #[test]
    fn zeros_are_cut_as_all_bytes_are() {
        for (min, avg, max) in [(64, 64, 64), (64, 64, 300), (64, 256, 1024), (4096, 16384, 65536), (100, 333, 333)] {
            let params = Params::new(min, avg, max).unwrap();
            let cutter = Cutter::new(params);
            let max = max as usize;
            for len in [max - 1, max, max + 1, 3 * max] {
                let mut data = vec![0; len];
                assert_eq!(cutter.cut(&data), reference_cut(&data, &params));
                for at in [0, 15, 63, 64, avg as usize - 1, max - 2, len - 1].into_iter().filter(|&at| at < len) {
                    data[at] = 1;
                    assert_eq!(cutter.cut(&data), reference_cut(&data, &params), "{len} bytes, {at}");
                    data[at] = 0;
                }
            }
        }
    }

    #[test]
    fn mean_is_near_the_average() {
        let params = Params::default();
        let cutter = Cutter::new(params);
        let mut bytes = vec![0; 32 << 20];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        let (mut rest, mut count) = (bytes.as_slice(), 0);
        while !rest.is_empty() {
            rest = &rest[cutter.cut(rest)..];
            count += 1;
        }
        let mean = bytes.len() / count;
        assert!((14 << 10..20 << 10).contains(&mean), "{mean}");
    }

    #[test]
    fn runs_of_one_byte_are_cut_at_max() {
        let params = Params::default();
        let cutter = Cutter::new(params);
        for byte in 0..=255 {
            let len = cutter.cut(&vec![byte; 200 << 10]);
            assert!(
                len == params.max_bytes() as usize
                    || len == params.min_bytes() as usize
                    || len == params.avg_bytes() as usize
            );
        }
    }
}
