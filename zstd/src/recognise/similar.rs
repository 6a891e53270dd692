//! Which encoders find matches like those of a frame's beginning. Looking at the matches of some KiB costs little, and it
//! leaves few encoders to be tried.

use crate::anatomy::{FrameReader, Token};
use crate::beginning::Beginning;
use crate::encoders::KnownEncoder;
use crate::format::MAX_BLOCK_BYTES;
use crate::klauspost::{FrameEncoder, Klauspost, Level, MIN_WINDOW_LOG, Version};
use crate::libzstd::{Family, Libzstd};

/// A sample has this many matches, and this many plain bytes, if there are as many.
const SAMPLE_MATCHES: usize = 400;
const SAMPLE_BYTES: usize = 16 << 10;
/// Fewer matches tell nothing.
const FEWEST_MATCHES: usize = 16;
/// The plain bytes behind the last match of a sample: encoders look ahead.
const AHEAD_BYTES: usize = 1 << 10;
/// What is shared has this many parts.
pub(super) const WHOLE: u32 = 1000;
/// Smaller windows change what is found in a sample.
const SMALL_WINDOW_LOG: u8 = 19;
/// The levels of libzstd, in the order in which they are tried: first what programs use.
const LIKELY_LEVELS: [u8; 22] = [3, 19, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22];
/// The first level of which what it finds depends on all of a block: for large frames, for small and for smaller ones.
const SLOW_LEVELS: [(u64, u8); 3] = [(256 << 10, 16), (16 << 10, 13), (0, 11)];
/// Of slow levels, these are looked at first, and the others if they share this much.
const FIRST_SLOW_LEVELS: [u8; 2] = [16, 19];
const SLOW_SHARE: u32 = WHOLE / 2;
const SMALL_FRAME_BYTES: u64 = 256 << 10;
/// The levels from here on find what this one does, in a sample.
const LARGE_LEVEL: u8 = 19;

/// Some of libzstd's levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speed {
    /// Those of which a few KiB tell enough.
    Quick,
    Slow,
}

impl Speed {
    /// Its levels for frames of this size.
    pub(super) fn levels(self, plain_bytes: Option<u64>) -> impl Iterator<Item = u8> {
        let bytes = plain_bytes.unwrap_or(u64::MAX);
        let slow = SLOW_LEVELS.iter().find(|(above, _)| bytes > *above).map_or(11, |(_, level)| *level);
        LIKELY_LEVELS.into_iter().filter(move |level| (*level >= slow) == (self == Self::Slow))
    }
}

/// The size that is stated for samples of large frames, so that tables are small.
const STATED_BYTES: u64 = 512 << 10;
/// Frames of this many bytes may be made by klauspost's `EncodeAll`, which finds other matches.
const SMALL_BYTES: u64 = 1 << 20;
/// The versions of klauspost's library whose better levels find quite other matches.
const VERSIONS: [Version; 2] = [Version::V1_17_8, Version::V1_15];

/// The first matches of a frame, and the plain bytes that they stand for.
pub(super) struct Sample<'a> {
    /// The plain bytes of the beginning, and how many of them are the sample's.
    plain: &'a [u8],
    bytes: usize,
    tokens: Vec<Token>,
    end: u64,
    /// The plain bytes of the frame, if they are known.
    plain_bytes: Option<u64>,
    /// The logarithm of the window, if it is so small that it matters.
    window_log: Option<u8>,
}

impl<'a> Sample<'a> {
    /// A small sample of a beginning, or a larger one of at most `most` plain bytes; `None` if there are too few matches.
    pub(super) fn of(beginning: &'a Beginning<'_>, most: Option<usize>) -> Option<Self> {
        let plain = beginning.plain();
        let (wanted, most) = match most {
            None => (SAMPLE_MATCHES, plain.len()),
            Some(most) => (usize::MAX, most.min(plain.len())),
        };
        let mut tokens = tokens_of(beginning.stored, wanted);
        let last = tokens.get(wanted.saturating_sub(1)).map_or(most, |last| last.end() as usize + AHEAD_BYTES);
        let bytes = last.max(SAMPLE_BYTES).min(most);
        let end = bytes.saturating_sub(if bytes == plain.len() { 0 } else { AHEAD_BYTES }) as u64;
        tokens.retain(|token| token.end() <= end);
        let plain_bytes = if beginning.is_whole { Some(plain.len() as u64) } else { beginning.header.plain_bytes };
        let window_log = beginning.header.window.checked_ilog2().map(|log| log as u8);
        let window_log = window_log.filter(|log| *log < SMALL_WINDOW_LOG && !beginning.header.is_single_segment);
        (tokens.len() >= FEWEST_MATCHES).then_some(Self { plain, bytes, tokens, end, plain_bytes, window_log })
    }

    fn sampled(&self) -> &'a [u8] {
        self.plain.get(..self.bytes).unwrap_or(self.plain)
    }

    /// The part of the matches that an encoder finds too, in thousandths.
    pub(super) fn share(&self, known: KnownEncoder) -> u32 {
        let mut made = Vec::new();
        match known {
            KnownEncoder::Libzstd(libzstd) => {
                libzstd.put_beginning(self.sampled(), self.plain_bytes.unwrap_or(u64::MAX), &mut made);
            }
            KnownEncoder::Chunked(_) => {}
            KnownEncoder::Klauspost(kind) => {
                FrameEncoder::new(kind, self.plain_bytes.unwrap_or(u64::MAX)).write(self.sampled(), &mut made);
            }
        }
        self.share_of(&made, self.end)
    }

    /// The same for the beginning of a frame, of which the matches before `end` count.
    fn share_of(&self, made: &[u8], end: u64) -> u32 {
        let found = tokens_of(made, usize::MAX);
        let within = |tokens: &[Token]| tokens.partition_point(|token| token.end() <= end);
        let (stored, found) = (&self.tokens[..within(&self.tokens)], &found[..within(&found)]);
        let mut rest = found.iter().peekable();
        let mut same = 0;
        for token in stored {
            while rest.next_if(|near| near.place < token.place).is_some() {}
            let is_same = |near: &&Token| {
                near.place == token.place && near.length == token.length && near.distance == token.distance
            };
            same += u32::from(rest.next_if(|near| is_same(near)).is_some());
        }
        same * WHOLE / (stored.len().max(found.len()).max(1) as u32)
    }

    /// The part of the matches that some levels of libzstd find.
    pub(super) fn levels(&self, speed: Speed, family: Family) -> Vec<(u32, u8)> {
        let levels: Vec<u8> =
            speed.levels(self.plain_bytes).filter(|level| family.has(*level, self.plain_bytes)).collect();
        let share = |level: u8| self.share_of_level(level, family, speed);
        if speed == Speed::Quick {
            return levels.into_iter().map(|level| (share(level), level)).collect();
        }
        let first = FIRST_SLOW_LEVELS.map(|level| if levels.contains(&level) { share(level) } else { 0 });
        let [_, large] = first;
        // Of small frames all levels are looked at, as they cost little.
        let is_small = self.plain_bytes.is_some_and(|bytes| bytes <= SMALL_FRAME_BYTES);
        let of = |level: u8| match FIRST_SLOW_LEVELS.iter().position(|first| *first == level) {
            Some(number) => first[number],
            None if level > LARGE_LEVEL => large,
            None if !is_small && first.iter().all(|share| *share < SLOW_SHARE) => 0,
            None => share(level),
        };
        levels.iter().map(|level| (of(*level), *level)).collect()
    }

    fn share_of_level(&self, level: u8, family: Family, speed: Speed) -> u32 {
        let bytes = if speed == Speed::Quick { self.bytes } else { self.bytes.max(MAX_BLOCK_BYTES) };
        let plain = self.plain.get(..bytes).unwrap_or(self.plain);
        let stated = self.plain_bytes.unwrap_or(u64::MAX).min(STATED_BYTES).max(plain.len() as u64);
        let mut made = Vec::new();
        Libzstd::sample(level, family, self.window_log).put_beginning(plain, stated, &mut made);
        self.share_of(&made, self.end)
    }

    /// The part of the matches that klauspost's levels find.
    pub(super) fn klauspost_levels(&self) -> Vec<(u32, Level)> {
        let plain = self.plain.get(..self.bytes.max(MAX_BLOCK_BYTES)).unwrap_or(self.plain);
        let of = |version, level| {
            let usual = Klauspost::new(version, level);
            let window_log = self.window_log.map_or(usual.window_log, |log| log.max(MIN_WINDOW_LOG));
            let kind = Klauspost { block_log: usual.block_log.min(window_log), window_log, ..usual };
            let (mut encoder, mut made) = (FrameEncoder::new(kind, u64::MAX), Vec::new());
            encoder.write(plain, &mut made);
            // Less than a block says nothing, and small frames are made in another way.
            let is_small = self.plain_bytes.is_some_and(|bytes| bytes <= SMALL_BYTES);
            if made.is_empty() || is_small { WHOLE } else { self.share_of(&made, self.end.min(encoder.settled())) }
        };
        let versions = |level| if level >= Level::Better { &VERSIONS[..] } else { &VERSIONS[..1] };
        let share = |level| (versions(level).iter().map(|version| of(*version, level)).max().unwrap_or(0), level);
        Level::ALL.into_iter().map(share).collect()
    }
}

/// The matches of a frame's whole blocks; not many more than are wanted.
fn tokens_of(frame: &[u8], wanted: usize) -> Vec<Token> {
    let (mut reader, mut tokens) = (FrameReader::default(), Vec::new());
    reader.push(frame);
    while tokens.len() < wanted
        && let Ok(Some(block)) = reader.next_block()
    {
        tokens.extend(block.tokens);
    }
    tokens
}
