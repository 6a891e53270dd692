//! The chunks of a piece that come next, and the holes between them.

use std::collections::VecDeque;

use super::{Hole, PieceChunks, PiecePlace};
use crate::is_zero;

/// Where the chunks that come next are.
#[derive(Clone)]
pub(super) struct Coming {
    /// Where the next one begins.
    pub(super) at: u64,
    /// Where the holes are that were left out since, and their sizes.
    pub(super) holes: VecDeque<(u64, u64)>,
}

impl Coming {
    /// Adds the next chunk, unless it is one of the whole file, or nothing but zeros. The result is whether the next one
    /// begins where one of the whole file does, and no hole is to come.
    pub(super) fn add(&mut self, bytes: &[u8], ends: &VecDeque<u64>, chunks: &mut PieceChunks) -> bool {
        while let Some(&(hole, skipped)) = self.holes.front()
            && hole == self.at
        {
            self.holes.pop_front();
            self.at += skipped;
        }
        let (start, mut left, mut holes) = (self.at, bytes.len() as u64, Vec::new());
        while let Some(&(hole, skipped)) = self.holes.front()
            && hole - self.at < left
        {
            self.holes.pop_front();
            left -= hole - self.at;
            holes.push(Hole { after: (bytes.len() as u64 - left) as u32, bytes: skipped });
            self.at = hole + skipped;
        }
        self.at += left;
        let number = ends.iter().position(|&known| known == start);
        let ends_next = number.is_some_and(|number| ends.get(number + 1) == Some(&self.at));
        if !(ends_next && holes.is_empty() || is_zero(bytes)) {
            chunks.push((bytes.to_vec(), PiecePlace { at: start, holes: holes.into() }));
        }
        self.holes.is_empty() && ends.contains(&self.at)
    }
}
