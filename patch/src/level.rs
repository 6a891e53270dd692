//! The level: the effort that goes into making a patch small.

use std::fmt;
use std::str::FromStr;

/// A level from 1 (fast) to 9 (small).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PatchLevel(u8);

impl Default for PatchLevel {
    fn default() -> Self {
        Self(5)
    }
}

impl PatchLevel {
    /// The number of places at which a search for a match looks.
    pub(crate) fn chain_depth(self) -> usize {
        [4, 8, 8, 16, 16, 24, 32, 64, 128][usize::from(self.0) - 1]
    }

    /// The number of similar files of the base that are matched, besides the one of the same name.
    pub(crate) fn similar_files(self) -> usize {
        [1, 2, 2, 3, 3, 4, 4, 6, 8][usize::from(self.0) - 1]
    }

    /// The effort of the coder of large patches in looking for repetitions, as a level of xz.
    pub(crate) fn coder(self) -> u8 {
        self.0.max(6)
    }

    /// Whether compressed streams are matched by their plain bytes.
    pub(crate) fn sees_through_deflate(self) -> bool {
        self.0 >= 3
    }
}

impl FromStr for PatchLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let level = text.parse().ok().filter(|level| (1..=9).contains(level));
        level.map(Self).ok_or("must be 1 to 9")
    }
}

impl fmt::Display for PatchLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
