//! What a stream of klauspost's depends on, besides its plain bytes.

use std::fmt;

use super::version::Version;
use crate::number::{put_number, take_number};

/// The levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// `SpeedFastest`: levels 1 and 2 of zstd, as container tools count.
    Fastest,
    /// `SpeedDefault`: levels 3 to 5.
    Default,
    /// `SpeedBetterCompression`: levels 6 to 9.
    Better,
    /// `SpeedBestCompression`: levels 10 and more.
    Best,
}

impl Level {
    /// All of them, the likeliest first.
    pub(crate) const ALL: [Self; 4] = [Self::Default, Self::Fastest, Self::Better, Self::Best];

    fn number(self) -> u64 {
        match self {
            Self::Fastest => 0,
            Self::Default => 1,
            Self::Better => 2,
            Self::Best => 3,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fastest => "fastest",
            Self::Default => "default",
            Self::Better => "better",
            Self::Best => "best",
        })
    }
}

/// By which function a frame was made. They differ in the header and in how a frame ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `Write` or `ReadFrom`, and `Close`. A frame that is shorter than a block is made as by `EncodeAll`.
    Stream,
    /// The same after `ResetContentSize`: the header tells the size.
    SizedStream,
    /// `EncodeAll`.
    All,
}

impl Form {
    pub(super) const ALL: [Self; 3] = [Self::Stream, Self::SizedStream, Self::All];
}

/// An encoder of klauspost/compress/zstd and its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Klauspost {
    /// The library's version.
    pub version: Version,
    /// The level.
    pub level: Level,
    /// The function.
    pub form: Form,
    /// The window's size as a power of two, [`MIN_WINDOW_LOG`] to [`MAX_WINDOW_LOG`].
    pub window_log: u8,
    /// The plain bytes of a block but the last as a power of two: 17 at most, and `window_log`.
    pub block_log: u8,
    /// The plain bytes after which the stream was flushed first; 0 if never. As a call of `Write` before `ReadFrom`
    /// does.
    pub flushed_at: u64,
    /// Frames end with a checksum.
    pub checksum: bool,
    /// `WithSingleSegment`, if it was given.
    pub single_segment: Option<bool>,
    /// `WithNoEntropyCompression`.
    pub plain_literals: bool,
    /// `WithAllLitEntropyCompression`.
    pub codes_all_literals: bool,
}

/// The smallest window.
pub const MIN_WINDOW_LOG: u8 = 10;
/// The largest window that is made again: as much as decoders take without being asked to.
pub const MAX_WINDOW_LOG: u8 = 27;
/// The largest block.
pub const MAX_BLOCK_LOG: u8 = 17;

impl Klauspost {
    /// What a writer with these options alone has.
    #[must_use]
    pub fn new(version: Version, level: Level) -> Self {
        let window_log = match level {
            Level::Fastest => 22,
            Level::Better if version.has_large_windows() => 24,
            Level::Best if version.has_large_windows() => 25,
            _ => 23,
        };
        let most_plain = if version == Version::V1_15 { Level::Fastest } else { Level::Default };
        Self {
            version,
            level,
            form: Form::Stream,
            window_log,
            block_log: if level == Level::Fastest { 16 } else { MAX_BLOCK_LOG },
            flushed_at: 0,
            checksum: true,
            single_segment: None,
            plain_literals: false,
            codes_all_literals: level > most_plain,
        }
    }

    /// About how many bytes of memory the tables and the bytes within reach take.
    pub(crate) fn memory_bytes(self, plain_bytes: u64) -> u64 {
        let tables = match self.level {
            Level::Fastest | Level::Default => 2 << 20,
            Level::Better => 5 << 20,
            Level::Best => 34 << 20,
        };
        tables + 4 * (1 << self.window_log).min(plain_bytes)
    }

    /// Appends what stands for it in files, of seven bits a byte, the lowest first.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        let form = Form::ALL.iter().position(|form| *form == self.form).unwrap_or_default() as u64;
        let single = match self.single_segment {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        let flags = [self.checksum, self.plain_literals, self.codes_all_literals];
        let flags = flags.iter().rev().fold(0, |bits, flag| bits << 1 | u64::from(*flag));
        put_number(out, self.version.number() | self.level.number() << 4);
        put_number(out, form | single << 2 | flags << 4);
        put_number(out, u64::from(self.window_log));
        put_number(out, u64::from(self.block_log));
        put_number(out, self.flushed_at);
    }

    /// Takes it off the front of `bytes`; `None` for what [`Klauspost::put`] does not write.
    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (kind, options) = (take_number(bytes)?, take_number(bytes)?);
        let version = Version::ALL.into_iter().find(|version| version.number() == kind & 15)?;
        let level = Level::ALL.into_iter().find(|level| level.number() == kind >> 4)?;
        let single_segment = [None, Some(false), Some(true)].get((options >> 2) as usize & 3).copied()?;
        let flag = |number: u32| options >> (4 + number) & 1 == 1;
        let known = Self {
            version,
            level,
            form: Form::ALL.get(options as usize & 3).copied()?,
            window_log: u8::try_from(take_number(bytes)?).ok()?,
            block_log: u8::try_from(take_number(bytes)?).ok()?,
            flushed_at: take_number(bytes)?,
            checksum: flag(0),
            single_segment,
            plain_literals: flag(1),
            codes_all_literals: flag(2),
        };
        (options >> 7 == 0 && known.is_possible()).then_some(known)
    }

    /// Whether an encoder may be made of it.
    pub(super) fn is_possible(&self) -> bool {
        (MIN_WINDOW_LOG..=MAX_WINDOW_LOG).contains(&self.window_log)
            && (MIN_WINDOW_LOG..=MAX_BLOCK_LOG).contains(&self.block_log)
            && self.block_log <= self.window_log
    }
}

impl fmt::Display for Klauspost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "klauspost/compress zstd {}, level {}", self.version, self.level)
    }
}
