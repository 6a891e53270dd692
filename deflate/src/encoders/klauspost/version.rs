//! Versions of klauspost/compress whose streams differ.

use std::fmt;

/// A range of versions of klauspost/compress; the names are those of versions that are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// 1.15.12 and versions around it.
    V1_15,
    /// The versions up to 1.18.0, which differ from those before at levels 4, 7, 8 and 9 only.
    V1_18,
    /// The versions up to 1.20.3.
    V1_20,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_15 => "up to 1.15",
            Self::V1_18 => "1.16 to 1.18.0",
            Self::V1_20 => "from 1.18.2",
        })
    }
}

impl Version {
    pub(super) const ALL: [Self; 3] = [Self::V1_15, Self::V1_18, Self::V1_20];

    /// Stands for it in files.
    pub(super) fn number(self) -> u16 {
        match self {
            Self::V1_15 => 0,
            Self::V1_18 => 1,
            Self::V1_20 => 2,
        }
    }

    /// Whether no earlier range writes the same at this level.
    pub(super) fn is_first_at(self, level: i8) -> bool {
        match self {
            Self::V1_15 => true,
            Self::V1_18 => matches!(level, 4 | 7..=9),
            Self::V1_20 => level > 0,
        }
    }

    /// Headers end at the last symbol that is used also where the block may be gone on with.
    pub(super) fn trims_headers(self) -> bool {
        self >= Self::V1_20
    }

    /// Level 4 measures some matches at a wrong place.
    pub(super) fn measures_elsewhere(self) -> bool {
        self >= Self::V1_18
    }

    /// Levels 7 to 9 put out literals for the sake of a longer match after them.
    pub(super) fn gives_up_literals(self) -> bool {
        self >= Self::V1_18
    }

    /// Level 9: bits that a match must save.
    pub(super) fn least_gain(self) -> i64 {
        if self >= Self::V1_18 { 4 } else { 0 }
    }

    /// Level 9: bits that a match is taken to cost, besides those after its symbols.
    pub(super) fn match_cost(self) -> i64 {
        if self >= Self::V1_18 { 3 } else { 6 }
    }

    /// Level 9 looks at no more bytes than a block has tokens to tell what literals cost.
    pub(super) fn weighs_half(self) -> bool {
        self >= Self::V1_20
    }

    /// Levels 7 to 9: the first block's plain bytes are taken to be without the dictionary.
    pub(super) fn knows_where_dictionary_ends(self) -> bool {
        self >= Self::V1_20
    }
}
