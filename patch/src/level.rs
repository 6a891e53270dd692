//! How much is done to make a patch small.

use std::fmt;
use std::str::FromStr;

/// 1 (fast) to 9 (small).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PatchLevel(u8);

impl Default for PatchLevel {
    fn default() -> Self {
        Self(5)
    }
}

impl PatchLevel {
    /// How many places a search for a match looks at.
    pub(crate) fn chain_depth(self) -> usize {
        [4, 8, 8, 16, 16, 24, 32, 64, 128][usize::from(self.0) - 1]
    }

    /// How many files of the base, besides the one that has the file's name, are looked at because they are similar.
    pub(crate) fn similar_files(self) -> usize {
        [1, 2, 2, 3, 3, 4, 4, 6, 8][usize::from(self.0) - 1]
    }

    /// How hard the coder of large patches looks for repetitions, in xz's levels.
    pub(crate) fn coder(self) -> u8 {
        self.0.max(6)
    }

    /// Whether compressed streams are matched by what they hold.
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
