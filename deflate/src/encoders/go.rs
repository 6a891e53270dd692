//! Go's `compress/flate`, in its two generations.
//!
//! The algorithms are those of Go's standard library (The Go Authors, BSD 3-clause licence), read from Go 1.19.8,
//! 1.26.6 (which differs from it in nothing that matters) and 1.27.3; the code here was written for regrow, and is
//! tested against 1.19.8 and 1.27.3. Level 1 goes back to Snappy's encoder (Google, BSD 3-clause), all levels from Go
//! 1.27 on to Klaus Post's `compress` (BSD 3-clause), and the choice of code lengths to Larmore and Hirschberg's
//! package-merge in Katajainen, Moffat and Turpin's boundary form.

mod before127;
mod block;
mod from127;
mod places;
mod tokens;

use std::fmt;

use from127::Rounding;

/// An implementation of Go's `compress/flate`. Releases of a generation are taken to write the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GoGeneration {
    /// Up to Go 1.26.
    Before127,
    /// The rewritten one of Go 1.27, built for 64-bit x86 (below `GOAMD64=v3`).
    From127,
    /// The same, built for processors on which Go's compiler rounds the sum of a product only once: 64-bit ARM, which
    /// is tested; the others that Go fuses on should be alike. A stream that differs has not been seen yet.
    From127Fused,
}

impl fmt::Display for GoGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before127 => "up to 1.26",
            Self::From127 => "from 1.27",
            Self::From127Fused => "from 1.27 (arm64)",
        })
    }
}

const LIKELY: [GoGeneration; 2] = [GoGeneration::Before127, GoGeneration::From127];
const HUFFMAN_ONLY: i8 = -2;
const DEFAULT_LEVEL: i8 = 6;
/// The default, then levels by how often they are asked for.
const LEVELS: [i8; 11] = [DEFAULT_LEVEL, 9, 1, 5, 4, 3, 2, 7, 8, 0, HUFFMAN_ONLY];
/// The numbers that are reserved for a generation.
const NUMBERS: u16 = 16;

pub(super) fn all() -> impl Iterator<Item = (GoGeneration, i8)> {
    // Fused ones hardly ever write anything else.
    let likely = LEVELS.into_iter().flat_map(|level| LIKELY.map(|generation| (generation, level)));
    likely.chain(LEVELS.map(|level| (GoGeneration::From127Fused, level)))
}

pub(super) fn number(generation: GoGeneration, level: i8) -> u16 {
    let generation = match generation {
        GoGeneration::Before127 => 0,
        GoGeneration::From127 => 1,
        GoGeneration::From127Fused => 2,
    };
    generation * NUMBERS + (supported(level) - HUFFMAN_ONLY).unsigned_abs() as u16
}

fn supported(level: i8) -> i8 {
    if LEVELS.contains(&level) { level } else { DEFAULT_LEVEL }
}

/// Either generation's encoder, of any level.
pub(super) enum GoEncoder {
    Before127(Box<before127::Before127Encoder>),
    From127(Box<from127::From127Encoder>),
}

impl GoEncoder {
    pub(super) fn new(generation: GoGeneration, level: i8) -> Self {
        match generation {
            GoGeneration::Before127 => Self::Before127(Box::new(before127::Before127Encoder::new(supported(level)))),
            GoGeneration::From127 => Self::from127(level, Rounding::Each),
            GoGeneration::From127Fused => Self::from127(level, Rounding::Once),
        }
    }

    fn from127(level: i8, rounding: Rounding) -> Self {
        Self::From127(Box::new(from127::From127Encoder::new(supported(level), rounding)))
    }

    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Before127(encoder) => encoder.write(plain, out),
            Self::From127(encoder) => encoder.write(plain, out),
        }
    }

    pub(super) fn finish(self, out: &mut Vec<u8>) {
        match self {
            Self::Before127(encoder) => encoder.finish(out),
            Self::From127(encoder) => encoder.finish(out),
        }
    }
}
