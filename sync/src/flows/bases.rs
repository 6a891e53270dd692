//! The bases of patches: images whose indexes are named, or that are found among the indexes around the store.

mod around;
mod choose;
mod names;

use std::fmt;

use regrow_index::{Index, MAX_PATCHES};

use crate::{Location, SyncError};

pub(crate) use choose::{Target, find_bases};
pub(crate) use names::{channel_of, unversioned};

/// The images that patches to a new image start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseChoice {
    /// The image of this index.
    Index(Location),
    /// The newest earlier images of the same name, at most this many.
    Newest(usize),
    /// The images around the store from which patches are likely to be the smallest, at most this many by each of two
    /// estimates.
    Similar(usize),
}

impl From<Location> for BaseChoice {
    fn from(location: Location) -> Self {
        Self::Index(location)
    }
}

impl fmt::Display for BaseChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(location) => location.fmt(f),
            Self::Newest(count) => write!(f, "{NEWEST}:{count}"),
            Self::Similar(count) => write!(f, "{SIMILAR}:{count}"),
        }
    }
}

const NEWEST: &str = "last";
const SIMILAR: &str = "auto";

impl BaseChoice {
    /// Parses a choice as users write it: `last:N`, `auto`, `auto:N`, or the location of an index. A file of such a
    /// name is written with its folder, as in `./auto`.
    ///
    /// # Errors
    /// [`SyncError::Usage`] for a number that is not from 1 to [`MAX_PATCHES`], and for a URL of another scheme.
    pub fn parse(text: &str) -> Result<Self, SyncError> {
        let (word, number) = text.split_once(':').map_or((text, None), |(word, number)| (word, Some(number)));
        let choice: fn(usize) -> Self = match word {
            NEWEST => Self::Newest,
            SIMILAR => Self::Similar,
            _ => return Location::parse(text).map(Self::Index),
        };
        let count =
            number.map_or(Some(1), |number| number.parse().ok().filter(|count| (1..=MAX_PATCHES).contains(count)));
        let refused = || SyncError::Usage(format!("{word}: give a number from 1 to {MAX_PATCHES}, as in {word}:2"));
        count.map(choice).ok_or_else(refused)
    }

    /// The number of bases that are found by comparing images, if they are.
    pub(crate) fn similar(&self) -> Option<usize> {
        match self {
            Self::Similar(count) => Some(*count),
            Self::Index(_) | Self::Newest(_) => None,
        }
    }
}

/// A base that was found.
pub(crate) struct FoundBase {
    pub(crate) location: Location,
    pub(crate) index: Index,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_locations() {
        let parsed = |text: &str| BaseChoice::parse(text).map(|choice| choice.to_string());
        for (text, shown) in [
            ("last:3", "last:3"),
            ("last", "last:1"),
            ("auto", "auto:1"),
            ("auto:64", "auto:64"),
            ("./auto", "./auto"),
            ("app-1.rgx", "app-1.rgx"),
            ("https://host/auto:2", "https://host/auto:2"),
        ] {
            assert_eq!(parsed(text).unwrap(), shown);
        }
        for text in ["last:", "last:0", "auto:65", "auto:x", "last:-1"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
