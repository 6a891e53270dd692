//! The maps of sparse files: which runs of a file are stored. GNU tar's manual, "Storing Sparse Files".

use super::BLOCK;
use super::header::number;
use super::pax::decimal;
use crate::meta::DataRun;

/// The largest number of runs of one file. Engines read a map of at most 1 MiB.
pub(super) const MAX_RUNS: usize = 1 << 15;
/// The size of a run in an old GNU sparse header: an offset and a length.
const OLD_RUN_BYTES: usize = 24;

/// The runs of a map of offsets and lengths, if they lie in order within a file of `bytes` bytes.
pub(super) fn runs_of(map: &[i64], bytes: u64) -> Option<Box<[DataRun]>> {
    if !map.len().is_multiple_of(2) {
        return None;
    }
    let mut free = 0;
    let mut runs = Vec::new();
    for pair in map.chunks_exact(2) {
        let run = DataRun { at: u64::try_from(pair[0]).ok()?, bytes: u64::try_from(pair[1]).ok()? };
        let end = run.at.checked_add(run.bytes)?;
        if run.at < free || end > bytes {
            return None;
        }
        free = end;
        // A run of no bytes marks the end of a file that ends with a hole.
        if run.bytes > 0 {
            runs.push(run);
        }
    }
    (runs.len() <= MAX_RUNS).then(|| runs.into())
}

/// Appends the numbers of an old GNU sparse header or of a block that continues it. An entry without an offset's
/// digits ends the map.
pub(super) fn push_old(map: &mut Vec<i64>, fields: &[u8]) -> Option<()> {
    for run in fields.chunks_exact(OLD_RUN_BYTES) {
        if run[0] == 0 {
            break;
        }
        map.extend([number(&run[..12])?, number(&run[12..])?]);
    }
    (map.len() / 2 <= MAX_RUNS + 1).then_some(())
}

/// Takes the map at the front of a file's data, in the form of version 1.0, block by block.
#[derive(Default)]
pub(super) struct MapInData {
    line: Vec<u8>,
    /// The number of numbers that the map has, once that is known.
    wanted: Option<usize>,
    map: Vec<i64>,
}

impl MapInData {
    /// Takes a block. The result says whether the map is complete; the rest of its last block is padding.
    pub(super) fn take(&mut self, block: &[u8; BLOCK]) -> Option<bool> {
        for &byte in block {
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() > 20 {
                    return None;
                }
                continue;
            }
            let value = decimal(&self.line)?;
            self.line.clear();
            match self.wanted {
                None => self.wanted = Some(usize::try_from(value).ok().filter(|&runs| runs <= MAX_RUNS + 1)? * 2),
                Some(_) => self.map.push(value),
            }
            if self.wanted == Some(self.map.len()) {
                return Some(true);
            }
        }
        Some(false)
    }

    pub(super) fn into_map(self) -> Vec<i64> {
        self.map
    }
}

/// The map at the front of a file's data: version 1.0, padded to whole blocks.
pub(super) fn map_in_data(runs: &[DataRun]) -> Vec<u8> {
    let mut text = format!("{}\n", runs.len());
    for run in runs {
        text.push_str(&format!("{}\n{}\n", run.at, run.bytes));
    }
    let mut map = text.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_lie_in_order_within_the_file() {
        let run = |at, bytes| DataRun { at, bytes };
        assert_eq!(runs_of(&[0, 5, 10, 5, 20, 0], 20).unwrap().as_ref(), [run(0, 5), run(10, 5)]);
        for map in [&[0, 5, 4, 5][..], &[0, 21], &[-1, 2], &[0, -2], &[i64::MAX, i64::MAX], &[3]] {
            assert!(runs_of(map, 20).is_none(), "{map:?}");
        }
    }

    #[test]
    fn a_map_in_the_data_comes_back() {
        let runs: Vec<_> = (0..100u64).map(|number| DataRun { at: number * 4096, bytes: 512 }).collect();
        let data = map_in_data(&runs);
        assert_eq!(data.len() % BLOCK, 0);
        let mut map = MapInData::default();
        let ends: Vec<_> = data.as_chunks().0.iter().map(|block| map.take(block)).collect();
        assert_eq!((ends.last(), ends.iter().filter(|end| **end == Some(true)).count()), (Some(&Some(true)), 1));
        assert_eq!(runs_of(&map.into_map(), 1 << 20).unwrap().as_ref(), runs);
        assert_eq!(MapInData::default().take(&[b'9'; BLOCK]), None);
        assert_eq!(MapInData::default().take(&[b'\n'; BLOCK]), None);
    }
}
