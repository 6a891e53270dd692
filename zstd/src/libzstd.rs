//! The frames of libzstd, which the library itself makes again. Its output changes with its version, so the version is
//! a parameter of the encoder. docs/format/zstd.md, libzstd.

mod near;
mod parameters;
mod recognise;

use std::fmt;

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{CCtx, InBuffer, OutBuffer, compress_bound, version_number};

use crate::FrameHeader;
use crate::number::{put_number, take_number};

pub(crate) use near::Family;
use parameters::set;
pub(crate) use recognise::recognise;

/// The version of libzstd, as `ZSTD_versionNumber` gives it, that all releases of regrow contain: 1.5.7.
pub const LIBZSTD_VERSION: u32 = 10507;
/// The levels.
const LEVELS: std::ops::RangeInclusive<u8> = 1..=22;
/// The last level whose tables have a few MiB.
const MAX_SMALL_LEVEL: u8 = 15;
/// The first level that takes some hundred MiB of memory, unless the frame is small.
const FIRST_LARGE_LEVEL: u8 = 20;
/// The most plain bytes of a frame by such a level.
const MAX_LARGE_LEVEL_BYTES: u64 = 32 << 20;
/// The most plain bytes of a frame that is made in one call.
const MAX_ONE_CALL_BYTES: u64 = 64 << 20;
/// The logarithms of windows.
const WINDOW_LOGS: std::ops::RangeInclusive<u8> = 10..=27;
/// The window of the `zstd` command's long mode unless it is given.
const LONG_WINDOW_LOG: u8 = 27;
/// The logarithms of the levels' windows, from level 1 on, where the number of plain bytes is not known, or large.
const LEVEL_WINDOW_LOGS: [u8; 22] =
    [19, 20, 21, 21, 21, 21, 21, 21, 22, 22, 22, 22, 22, 22, 22, 22, 23, 23, 23, 25, 26, 27];
/// With up to this many plain bytes, a level has other parameters.
const SMALL_BYTES: u64 = 256 << 10;

const HAS_CONTENT_SIZE: u64 = 1;
const HAS_CHECKSUM: u64 = 2;
const IS_LONG: u64 = 4;
const ENDS_APART: u64 = 8;
/// Blocks are not split before matches are looked for, as by versions before 1.5.7.
const IS_UNSPLIT: u64 = 16;
/// Matches are looked for without rows, as by versions before 1.5.0.
const HAS_NO_ROWS: u64 = 32;
/// Levels have the parameters of versions before 1.5.0.
const HAS_OLD_LEVELS: u64 = 64;
const ALL_FLAGS: u64 = 2 * HAS_OLD_LEVELS - 1;

/// The way in which the library is called. The frame's header does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mode {
    /// All plain bytes in one call.
    OneCall = 0,
    /// A stream without workers.
    Stream = 1,
    /// A stream with workers, which cut it into jobs. The number of workers makes no difference.
    Workers = 2,
}

/// A version of libzstd with the parameters that decide its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Libzstd {
    version: u32,
    level: u8,
    mode: Mode,
    has_content_size: bool,
    has_checksum: bool,
    is_long: bool,
    /// Whether the end of a stream comes apart, after its last bytes. If it comes with them, the last blocks are others.
    ends_apart: bool,
    is_unsplit: bool,
    has_no_rows: bool,
    has_old_levels: bool,
    /// The logarithm of the window that was asked for, or 0 for that of the level.
    window_log: u8,
}

impl Libzstd {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        let flag = |is_set: bool, flag| u64::from(is_set) * flag;
        let flags = flag(self.has_content_size, HAS_CONTENT_SIZE)
            | flag(self.has_checksum, HAS_CHECKSUM)
            | flag(self.is_long, IS_LONG)
            | flag(self.ends_apart, ENDS_APART)
            | flag(self.is_unsplit, IS_UNSPLIT)
            | flag(self.has_no_rows, HAS_NO_ROWS)
            | flag(self.has_old_levels, HAS_OLD_LEVELS);
        let (level, window_log) = (self.level.into(), self.window_log.into());
        for number in [self.version.into(), level, self.mode as u64, flags, window_log] {
            put_number(out, number);
        }
    }

    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let version = take_number(bytes).and_then(|version| u32::try_from(version).ok())?;
        let level = take_number(bytes).and_then(|level| u8::try_from(level).ok())?;
        let mode = match take_number(bytes)? {
            0 => Mode::OneCall,
            1 => Mode::Stream,
            2 => Mode::Workers,
            _ => return None,
        };
        let flags = take_number(bytes).filter(|&flags| flags <= ALL_FLAGS)?;
        let window_log = take_number(bytes).and_then(|log| u8::try_from(log).ok())?;
        let is_known = LEVELS.contains(&level) && (window_log == 0 || WINDOW_LOGS.contains(&window_log));
        let has = |flag| flags & flag != 0;
        is_known.then_some(Self {
            version,
            level,
            mode,
            has_content_size: has(HAS_CONTENT_SIZE),
            has_checksum: has(HAS_CHECKSUM),
            is_long: has(IS_LONG),
            ends_apart: has(ENDS_APART),
            is_unsplit: has(IS_UNSPLIT),
            has_no_rows: has(HAS_NO_ROWS),
            has_old_levels: has(HAS_OLD_LEVELS),
            window_log,
        })
    }

    pub(crate) fn memory_bytes(self, plain_bytes: u64) -> u64 {
        let own = LEVEL_WINDOW_LOGS[usize::from(self.level) - 1];
        let window = 1u64 << self.window_log.max(own);
        let window = if self.has_content_size { window.min(plain_bytes.max(SMALL_BYTES)) } else { window };
        // The tables of the last levels have several entries for each byte of the window, and jobs have four windows.
        let tables = if self.level > MAX_SMALL_LEVEL { 16 * window.min(1 << own) } else { 0 };
        let jobs = if self.mode == Mode::Workers { 8 * window.min(32 << 20) } else { 0 };
        match self.mode {
            Mode::OneCall => 2 * plain_bytes + tables,
            Mode::Stream | Mode::Workers => 2 * window + tables + jobs,
        }
    }

    pub(crate) fn unavailable(self, plain_bytes: u64) -> Option<String> {
        if self.version != LIBZSTD_VERSION || version_number() != LIBZSTD_VERSION {
            let (wanted, linked) = (Version(self.version), Version(version_number()));
            return Some(format!("it was made by libzstd {wanted}, and this regrow has libzstd {linked}"));
        }
        let is_large = self.level >= FIRST_LARGE_LEVEL
            && (plain_bytes > MAX_LARGE_LEVEL_BYTES || !self.has_content_size || self.window_log > 0);
        if is_large || self.mode == Mode::OneCall && plain_bytes > MAX_ONE_CALL_BYTES {
            return Some("making it takes more memory than regrow allows".to_owned());
        }
        None
    }

    /// A level without options, of the version that is linked.
    fn usual(level: u8, mode: Mode) -> Self {
        Self {
            version: LIBZSTD_VERSION,
            level,
            mode,
            has_content_size: false,
            has_checksum: false,
            is_long: false,
            ends_apart: false,
            is_unsplit: false,
            has_no_rows: false,
            has_old_levels: false,
            window_log: 0,
        }
    }

    /// Of a group of encoders, those whose beginning is that of all others. Workers give nothing until a job is full, so
    /// a stream without them stands for them too, unless long matches are found in other places.
    fn representatives(group: &[Self]) -> impl Iterator<Item = Self> {
        let of = |mode| group.iter().copied().find(|known| known.mode == mode);
        let workers = of(Mode::Workers).filter(|known| known.is_long);
        of(Mode::Stream).into_iter().chain(workers)
    }

    /// The encoders that may have written a frame with this header, of `plain_bytes` if that is known, in groups. The
    /// encoders of a group make the same beginning.
    fn candidates(header: FrameHeader, plain_bytes: Option<u64>, levels: Vec<u8>) -> impl Iterator<Item = Vec<Self>> {
        let plain_bytes = header.plain_bytes.or(plain_bytes);
        let of_window = move |is_long: bool, window_log: u8| {
            let levels = levels.clone().into_iter();
            levels.filter(move |&level| may_have(header, level, window_log)).map(move |level| {
                let has_content_size = header.plain_bytes.is_some();
                let has_checksum = header.has_checksum;
                let of = |mode, ends_apart| Self {
                    has_content_size,
                    has_checksum,
                    is_long,
                    ends_apart,
                    window_log,
                    ..Self::usual(level, mode)
                };
                // A program that knows how much it reads ends with the last bytes, as a rule.
                let ends = [!has_content_size, has_content_size];
                let streams = ends.into_iter().flat_map(|end| [of(Mode::Workers, end), of(Mode::Stream, end)]);
                streams.chain(has_content_size.then(|| of(Mode::OneCall, false))).collect()
            })
        };
        let asked = if header.is_single_segment { LONG_WINDOW_LOG } else { header.window.ilog2() as u8 };
        let asked = Some(asked).filter(|asked| WINDOW_LOGS.contains(asked));
        // A frame of one segment does not tell its window, which hardly matters without long distances.
        let is_single = header.is_single_segment;
        let asked = asked.into_iter().flat_map(move |log| [(true, log), (false, log)]);
        let asked = asked.filter(move |(is_long, _)| *is_long || !is_single);
        let windows = [(false, 0)].into_iter().chain(asked);
        windows.flat_map(move |(is_long, window_log)| of_window(is_long, window_log)).map(
            move |mut group: Vec<Self>| {
                group.retain(|known| known.unavailable(plain_bytes.unwrap_or(u64::MAX)).is_none());
                group
            },
        )
    }
}

/// Whether a level, with this window or its own one if that is 0, may write a frame with this header.
fn may_have(header: FrameHeader, level: u8, window_log: u8) -> bool {
    let own = LEVEL_WINDOW_LOGS[usize::from(level) - 1];
    let wanted = 1 << if window_log == 0 { own } else { window_log };
    if window_log == own {
        return false;
    }
    match header.plain_bytes {
        Some(bytes) if header.is_single_segment => bytes <= wanted || bytes <= SMALL_BYTES,
        Some(bytes) if bytes <= SMALL_BYTES => true,
        _ => header.window == wanted,
    }
}

/// The name of a version by its number.
struct Version(u32);

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

impl fmt::Display for Libzstd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "libzstd {}, level {}", Version(self.version), self.level)?;
        formatter.write_str(match self.mode {
            Mode::OneCall => ", in one call",
            Mode::Stream => ", without workers",
            Mode::Workers => "",
        })?;
        if self.has_old_levels {
            formatter.write_str(", as before 1.5.0")?;
        } else if self.is_unsplit {
            formatter.write_str(", as before 1.5.7")?;
        }
        if self.is_long {
            formatter.write_str(", long distance matching")?;
        }
        if self.window_log > 0 {
            write!(formatter, ", window of {} KiB", (1u64 << self.window_log) >> 10)?;
        }
        Ok(())
    }
}

/// Makes one frame. If the library fails, nothing more is made.
pub(crate) struct LibzstdEncoder {
    known: Libzstd,
    /// `None` after a failure.
    context: Option<CCtx<'static>>,
    /// Plain bytes that wait: all of them for one call, else at most as many as programs read at a time. The library
    /// writes another end of the frame if the last bytes come together with the end.
    waiting: Vec<u8>,
    /// The number of plain bytes that are still to come.
    left: u64,
    buffer: Vec<u8>,
}

impl LibzstdEncoder {
    pub(crate) fn new(known: Libzstd, plain_bytes: u64) -> Self {
        let is_available = known.unavailable(plain_bytes).is_none();
        let context = is_available.then(CCtx::try_create).flatten();
        let context = context.and_then(|mut context| set(&mut context, known, plain_bytes).map(|()| context));
        Self { known, context, waiting: Vec::new(), left: plain_bytes, buffer: vec![0; CCtx::out_size()] }
    }

    pub(crate) fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        let Some(left) = self.left.checked_sub(plain.len() as u64) else {
            self.context = None;
            return;
        };
        self.left = left;
        if self.known.mode == Mode::OneCall {
            self.waiting.extend_from_slice(plain);
            return;
        }
        while !plain.is_empty() {
            if self.waiting.len() == CCtx::in_size() {
                self.run(self.go_on(), out);
            }
            let (now, rest) = plain.split_at(plain.len().min(CCtx::in_size() - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            plain = rest;
        }
        // A reader of the beginning alone wants all that is settled.
        if self.waiting.len() == CCtx::in_size() && (self.left > 0 || self.known.ends_apart) {
            self.run(self.go_on(), out);
        }
    }

    /// How full pieces are passed on. Without workers, blocks that are not split end with them.
    fn go_on(&self) -> ZSTD_EndDirective {
        match self.known.mode {
            Mode::Stream if self.known.is_unsplit => ZSTD_EndDirective::ZSTD_e_flush,
            _ => ZSTD_EndDirective::ZSTD_e_continue,
        }
    }

    /// Appends all that can be made of the bytes that are there. The last blocks may be others than those of the frame,
    /// and the encoder is of no further use.
    fn flush(&mut self, out: &mut Vec<u8>) {
        self.run(ZSTD_EndDirective::ZSTD_e_flush, out);
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.known.mode == Mode::OneCall {
            if self.left > 0 {
                return;
            }
            let mut frame = Vec::with_capacity(compress_bound(self.waiting.len()));
            let made = self.context.as_mut().and_then(|context| context.compress2(&mut frame, &self.waiting).ok());
            out.extend_from_slice(made.and_then(|made| frame.get(..made)).unwrap_or_default());
            self.waiting.clear();
            return;
        }
        if self.known.ends_apart && !self.waiting.is_empty() {
            self.run(self.go_on(), out);
        }
        self.run(ZSTD_EndDirective::ZSTD_e_end, out);
    }

    /// Begins another frame, of this many plain bytes.
    pub(crate) fn restart(&mut self, plain_bytes: u64) {
        *self = Self::new(self.known, plain_bytes);
    }

    /// Passes the bytes that wait to the library.
    fn run(&mut self, directive: ZSTD_EndDirective, out: &mut Vec<u8>) {
        let Self { context, waiting, buffer, .. } = self;
        let mut input = InBuffer::around(waiting);
        while let Some(running) = context {
            let mut output = OutBuffer::around(buffer.as_mut_slice());
            let Ok(left) = running.compress_stream2(&mut output, &mut input, directive) else {
                *context = None;
                break;
            };
            out.extend_from_slice(output.as_slice());
            let is_done = match directive {
                ZSTD_EndDirective::ZSTD_e_continue => input.pos() == waiting.len(),
                _ => left == 0,
            };
            if is_done {
                break;
            }
        }
        waiting.clear();
    }
}

impl fmt::Debug for LibzstdEncoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("LibzstdEncoder").field(&self.known).finish()
    }
}

#[cfg(test)]
mod tests;
