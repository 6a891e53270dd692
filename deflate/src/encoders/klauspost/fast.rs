//! Levels 1 to 6: greedy, a block at a time, with tables of where a hash was last seen.

mod history;
mod level1;
mod level3;
mod level4;
mod level5;
mod table;

pub(super) use table::hash4;

use history::History;

use super::Version;
use super::tokens::Tokens;

/// Finds the matches of a block, in what came before and in itself.
#[derive(Debug)]
pub(super) enum Fast {
    One(level1::Level1<{ 1 << 15 }>),
    Two(level1::Level1<{ 1 << 17 }>),
    Three(level3::Level3),
    Four(level4::Level4),
    Five(level5::Level5<false>),
    Six(level5::Level5<true>),
}

impl Fast {
    /// Level 5 for any that is not 1 to 6.
    pub(super) fn new(level: i8, version: Version) -> Self {
        match level {
            1 => Self::One(level1::Level1::new()),
            2 => Self::Two(level1::Level1::new()),
            3 => Self::Three(level3::Level3::new()),
            4 => Self::Four(level4::Level4::new(version)),
            6 => Self::Six(level5::Level5::new()),
            _ => Self::Five(level5::Level5::new()),
        }
    }

    /// Adds the tokens of a block, or none if there is no match in it.
    pub(super) fn encode(&mut self, tokens: &mut Tokens, block: &[u8]) {
        match self {
            Self::One(level) => level.encode(tokens, block),
            Self::Two(level) => level.encode(tokens, block),
            Self::Three(level) => level.encode(tokens, block),
            Self::Four(level) => level.encode(tokens, block),
            Self::Five(level) => level.encode(tokens, block),
            Self::Six(level) => level.encode(tokens, block),
        }
    }

    /// Forgets all that came before.
    pub(super) fn reset(&mut self) {
        self.history().reset();
    }

    /// Makes positions large, as if much had come before.
    #[cfg(test)]
    pub(super) fn age(&mut self) {
        self.history().age();
    }

    fn history(&mut self) -> &mut History {
        match self {
            Self::One(level) => &mut level.history,
            Self::Two(level) => &mut level.history,
            Self::Three(level) => &mut level.history,
            Self::Four(level) => &mut level.history,
            Self::Five(level) => &mut level.history,
            Self::Six(level) => &mut level.history,
        }
    }
}
