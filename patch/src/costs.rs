//! Counts the cost of a patch by file. For that the patch is made, and thrown away.

use std::ops::Range;

use regrow_delta::Op;
use regrow_local::LocalError;

use crate::write::{Between, write};

/// The cost of a patch, in total and by file.
pub struct PatchCosts {
    /// The size of the whole patch in bytes.
    pub bytes: u64,
    /// The part of the bytes that makes the skeleton, which is mostly headers.
    pub skeleton: u64,
    /// The ranges of files in the contents stream, with the cost of each.
    pub files: Vec<(Range<u64>, u64)>,
}

impl PatchCosts {
    /// Makes the patch in a temporary file, and counts.
    pub fn of(between: &Between<'_>) -> Result<Self, LocalError> {
        let mut file = tempfile::tempfile_in(between.scratch).map_err(LocalError::io(between.scratch))?;
        let mut spent: Vec<(u64, u64)> = Vec::new();
        let written = write(between, &mut file, &mut |op, at, bytes| spent.extend(shares(op, at, bytes)))?;
        let skeleton_bytes = between.target.skeleton_bytes();
        let mut costs = Self { bytes: written.header.patch_bytes, skeleton: 0, files: Vec::new() };
        let mut files = written.expanded.iter().peekable();
        for (at, bytes) in spent {
            let Some(at) = at.checked_sub(skeleton_bytes) else {
                costs.skeleton += bytes;
                continue;
            };
            while let Some((contents, _)) = files.next_if(|(_, expanded)| expanded.end <= at) {
                costs.ensure(contents);
            }
            if let Some((contents, _)) = files.peek() {
                costs.ensure(contents);
                if let Some((_, sum)) = costs.files.last_mut() {
                    *sum += bytes;
                }
            }
        }
        Ok(costs)
    }

    fn ensure(&mut self, contents: &Range<u64>) {
        if self.files.last().is_none_or(|(known, _)| known != contents) {
            self.files.push((contents.clone(), 0));
        }
    }
}

/// Divides an op's bytes among places in the target: evenly over its literals and changes, or all to its beginning
/// if it has none.
fn shares(op: &Op, at: u64, bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let copy = at + op.literal.len() as u64;
    let places: Vec<u64> = (at..copy).chain(op.changes.iter().map(|change| copy + change.at)).collect();
    let count = places.len().max(1) as u64;
    let places = if places.is_empty() { vec![at] } else { places };
    // The remainder is spread. The n-th place gets the share of the first n places, less the share of those before
    // it.
    (1..).zip(places).map(move |(n, place)| (place, bytes * n / count - bytes * (n - 1) / count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use regrow_delta::Change;

    #[test]
    fn shares_add_up() {
        let change = |at| Change { at, byte: 1 };
        let op = Op { literal: vec![0; 3], base_at: 0, len: 50, changes: vec![change(7), change(40)] };
        let found: Vec<_> = shares(&op, 100, 12).collect();
        assert_eq!(found.iter().map(|(_, bytes)| bytes).sum::<u64>(), 12);
        assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [100, 101, 102, 110, 143]);
        assert_eq!(shares(&Op { len: 9, ..Op::default() }, 5, 2).collect::<Vec<_>>(), [(5, 2)]);
    }
}
