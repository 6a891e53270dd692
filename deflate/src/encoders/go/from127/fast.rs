//! Levels 1 to 6: blocks whose matches are found with small tables.

use super::history::{History, Pass, Rebase};
use super::pairs::Pairs;
use super::short_long::ShortLong;
use super::short_pair::ShortPair;
use super::single::{Dense, Sparse};
use super::writer::BlockWriter;
use crate::encoders::go::tokens::Tokens;
use crate::format::tables::MAX_STORED_BYTES;

/// A last block of up to this many bytes is stored, and one below the second number becomes literals.
const STORED_LAST_BYTES: usize = 32;
const LITERALS_LAST_BYTES: usize = 128;

/// A level's tables, and how matches are found with them.
pub(super) trait Tables {
    fn rebase(&mut self, rebase: Rebase);
    /// Makes tokens of a block.
    fn run(&mut self, pass: Pass);
}

pub(super) struct Fast {
    history: History,
    tokens: Tokens,
    tables: Level,
}

enum Level {
    One(Sparse),
    Two(Dense),
    Three(Pairs),
    Four(ShortLong),
    Five(ShortPair<false>),
    Six(ShortPair<true>),
}

impl Level {
    fn new(level: i8) -> Self {
        match level {
            1 => Self::One(Sparse::new()),
            2 => Self::Two(Dense::new()),
            3 => Self::Three(Pairs::new()),
            4 => Self::Four(ShortLong::new()),
            5 => Self::Five(ShortPair::new()),
            _ => Self::Six(ShortPair::new()),
        }
    }

    fn tables(&mut self) -> &mut dyn Tables {
        match self {
            Self::One(tables) => tables,
            Self::Two(tables) => tables,
            Self::Three(tables) => tables,
            Self::Four(tables) => tables,
            Self::Five(tables) => tables,
            Self::Six(tables) => tables,
        }
    }
}

impl Fast {
    pub(super) fn new(level: i8) -> Self {
        Self { history: History::new(), tokens: Tokens::with_capacity(MAX_STORED_BYTES), tables: Level::new(level) }
    }

    /// The last block, which is not empty.
    pub(super) fn write_last(&mut self, content: &[u8], writer: &mut BlockWriter) {
        if content.len() <= STORED_LAST_BYTES {
            writer.write_stored(content);
        } else if content.len() < LITERALS_LAST_BYTES {
            writer.write_literals(content, true);
        } else {
            self.write(content, true, writer);
        }
    }

    pub(super) fn write(&mut self, content: &[u8], last: bool, writer: &mut BlockWriter) {
        self.tokens.clear();
        let tables = self.tables.tables();
        if let Some(rebase) = self.history.rebase() {
            tables.rebase(rebase);
        }
        tables.run(self.history.append(content, &mut self.tokens));
        let tokens = self.tokens.list.len();
        if tokens == 0 {
            writer.write_stored(content);
        } else if tokens > content.len() - (content.len() >> 4) {
            writer.write_literals(content, last);
        } else {
            writer.write(&self.tokens, Some(content), last);
        }
    }
}
