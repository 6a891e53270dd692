//! Frames: their headers, the cut into blocks, and their ends.

use super::best::Best;
use super::best_before::BestBefore;
use super::better::Better;
use super::block::{BlockCoder, BlockStyle, put_raw};
use super::double_fast::DoubleFast;
use super::fast::Fast;
use super::finder::{Found, Input};
use super::pairs;
use super::parameters::{Form, Klauspost, Level, MAX_BLOCK_LOG};
use super::version::Version;
use crate::checksum::Xxh64;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const MIN_WINDOW_BYTES: u64 = 1 << 10;
#[derive(Debug)]
enum Finder {
    Fast(Fast),
    DoubleFast(DoubleFast),
    Better(Better),
    Best(Box<Best>),
    BestBefore(Box<BestBefore>),
}

impl Finder {
    fn new(kind: &Klauspost) -> Self {
        match kind.level {
            Level::Fastest => Self::Fast(Fast::new()),
            Level::Better => Self::Better(Better::new(kind.version)),
            Level::Best if kind.version == Version::V1_15 => Self::BestBefore(Box::new(BestBefore::new())),
            Level::Best => Self::Best(Box::new(Best::new(kind.version))),
            Level::Default => Self::DoubleFast(DoubleFast::new()),
        }
    }

    fn find(&mut self, input: Input<'_>, found: &mut Found) {
        match self {
            Self::Fast(fast) => fast.find(input, found),
            Self::DoubleFast(double) => double.find(input, found),
            Self::Better(better) => better.find(input, found),
            Self::Best(best) => best.find(input, found),
            Self::BestBefore(best) => best.find(input, found),
        }
    }

    /// Places are smaller than this.
    fn limit(&self) -> u32 {
        match self {
            Self::Fast(_) | Self::DoubleFast(_) => u32::MAX,
            Self::Better(_) | Self::Best(_) | Self::BestBefore(_) => pairs::LIMIT,
        }
    }

    /// Takes `less` off all places, and forgets those that are smaller than `least`.
    fn rebase(&mut self, least: u32, less: u32) {
        match self {
            Self::Fast(fast) => fast.rebase(least, less),
            Self::DoubleFast(double) => double.rebase(least, less),
            Self::Better(better) => better.rebase(least, less),
            Self::Best(best) => best.rebase(least, less),
            Self::BestBefore(best) => best.rebase(least, less),
        }
    }
}

/// Makes one frame of plain bytes that arrive in pieces. How they are cut makes no difference.
#[derive(Debug)]
pub(crate) struct FrameEncoder {
    kind: Klauspost,
    /// The plain bytes of the frame, as was said beforehand; the most there may be, if that is not known.
    plain_bytes: u64,
    taken: u64,
    has_header: bool,
    finder: Finder,
    found: Found,
    blocks: BlockCoder,
    /// The window's bytes, then those of the open block.
    bytes: Vec<u8>,
    block_start: usize,
    /// What is added to places in `bytes` where they are noted.
    base: u32,
    reach: u32,
    checksum: Xxh64,
}

impl FrameEncoder {
    pub(crate) fn new(kind: Klauspost, plain_bytes: u64) -> Self {
        let style = BlockStyle {
            version: kind.version,
            plain_literals: kind.plain_literals,
            codes_all_literals: kind.codes_all_literals,
            block_bytes: 1 << kind.block_log,
        };
        Self {
            kind,
            plain_bytes,
            taken: 0,
            has_header: false,
            finder: Finder::new(&kind),
            found: Found { offsets: [1, 4, 8], ..Found::default() },
            blocks: BlockCoder::new(style),
            bytes: Vec::new(),
            block_start: 0,
            base: 1 << kind.window_log,
            reach: reach(&kind, plain_bytes),
            checksum: Xxh64::new(),
        }
    }

    /// Makes places large, as if much had come before.
    #[cfg(test)]
    pub(super) fn age(&mut self) {
        self.base = (self.max_base() - 300_000) as u32;
    }

    /// Takes the next plain bytes, and appends to `out` what of the frame is settled.
    pub(crate) fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            let free = (1 << self.kind.block_log) - (self.bytes.len() - self.block_start);
            let to_flush = self.kind.flushed_at.checked_sub(self.taken).filter(|left| *left > 0);
            let room = to_flush.map_or(free, |left| free.min(usize::try_from(left).unwrap_or(free)));
            let (piece, rest) = plain.split_at(plain.len().min(room));
            self.bytes.extend_from_slice(piece);
            if self.kind.checksum {
                self.checksum.update(piece);
            }
            self.taken += piece.len() as u64;
            plain = rest;
            if piece.len() == room {
                let is_last = self.kind.form == Form::All && self.taken >= self.plain_bytes;
                self.put_block(is_last, out);
            }
        }
    }

    /// The plain bytes of the blocks that were written.
    pub(crate) fn settled(&self) -> u64 {
        self.taken - (self.bytes.len() - self.block_start) as u64
    }

    /// Begins another frame, whatever became of the one before.
    pub(crate) fn restart(&mut self, plain_bytes: u64) {
        self.reach = reach(&self.kind, plain_bytes);
        // What is noted in tables falls out of reach.
        let next = u64::from(self.base) + u64::from(self.reach) + self.bytes.len() as u64;
        if next < self.max_base() {
            self.base = next as u32;
        } else {
            self.finder.rebase(u32::MAX, 0);
            self.base = 1 << self.kind.window_log;
        }
        self.bytes.clear();
        (self.plain_bytes, self.taken, self.has_header, self.block_start) = (plain_bytes, 0, false, 0);
        self.found.offsets = [1, 4, 8];
        self.blocks.restart();
        self.checksum = Xxh64::new();
    }

    /// Ends the open block, as a flush does.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) {
        if self.bytes.len() > self.block_start {
            self.put_block(false, out);
        }
    }

    /// Appends the rest of the frame. The next one begins with [`FrameEncoder::restart`].
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let open = self.bytes.len() - self.block_start;
        if self.taken == 0 {
            self.put_empty(out);
            return;
        }
        if open > 0 {
            self.put_block(true, out);
        } else if self.kind.form != Form::All {
            put_raw(&[], true, out);
        }
        if self.kind.checksum {
            out.extend_from_slice(&self.checksum.checksum().to_le_bytes());
        }
    }

    /// A frame of nothing.
    fn put_empty(&mut self, out: &mut Vec<u8>) {
        let is_all = self.kind.form == Form::All;
        let has_checksum = self.kind.checksum && !is_all;
        self.put_header(is_all, has_checksum, 0, out);
        put_raw(&[], true, out);
        if has_checksum {
            out.extend_from_slice(&self.checksum.checksum().to_le_bytes());
        }
    }

    /// Writes the open block, and makes room for the next one.
    fn put_block(&mut self, is_last: bool, out: &mut Vec<u8>) {
        let is_alone = self.open_frame(is_last, out);
        let input =
            Input { bytes: &self.bytes, start: self.block_start, base: self.base, window: self.reach, is_alone };
        self.found.clear();
        self.finder.find(input, &mut self.found);
        self.blocks.put(&mut self.found, &self.bytes[self.block_start..], is_last, out);
        self.block_start = self.bytes.len();
        self.make_room();
    }

    /// Writes the header, if none is written yet, and tells whether the open block is all of the frame.
    fn open_frame(&mut self, is_last: bool, out: &mut Vec<u8>) -> bool {
        if self.has_header {
            return false;
        }
        self.has_header = true;
        if is_last || self.kind.form == Form::All {
            let bytes = if is_last { self.taken } else { self.plain_bytes };
            let fits = bytes <= 1 << self.kind.window_log && bytes > MIN_WINDOW_BYTES;
            self.put_header(self.kind.single_segment.unwrap_or(fits), self.kind.checksum, bytes, out);
            return is_last;
        }
        let bytes = if self.kind.form == Form::SizedStream { self.plain_bytes } else { 0 };
        self.put_header(false, self.kind.checksum, bytes, out);
        false
    }

    /// Writes a header. A size of 0 is not told, unless the frame is a single segment.
    fn put_header(&self, is_single: bool, has_checksum: bool, size: u64, out: &mut Vec<u8>) {
        let (code, bytes) = match size {
            0..0x100 => (0, usize::from(is_single)),
            0x100..0x1_0100 => (1, 2),
            0x1_0100..0xffff_ffff => (2, 4),
            _ => (3, 8),
        };
        out.extend_from_slice(&MAGIC);
        out.push(code << 6 | u8::from(is_single) << 5 | u8::from(has_checksum) << 2);
        if !is_single {
            let log = match 64 - size.leading_zeros() as u8 {
                bits if size > 0 && size < 1 << self.kind.window_log => bits.max(10),
                _ => self.kind.window_log,
            };
            out.push((log - 10) << 3);
        }
        let stored = if code == 1 { size - 0x100 } else { size };
        out.extend_from_slice(&stored.to_le_bytes()[..bytes]);
    }

    /// Drops the bytes that are out of reach, when another block would make too many.
    fn make_room(&mut self) {
        let window = 1usize << self.kind.window_log;
        if self.bytes.len() + (1 << self.kind.block_log) <= most_bytes(window) || self.bytes.len() <= window {
            return;
        }
        let dropped = self.bytes.len() - window;
        self.bytes.copy_within(dropped.., 0);
        self.bytes.truncate(window);
        self.block_start = window;
        self.base += dropped as u32;
        if u64::from(self.base) >= self.max_base() {
            // Places nearer than the window to the end stay; the first of them becomes the window.
            let window = window as u32;
            self.finder.rebase(self.base, self.base - window);
            self.base = window;
        }
    }

    /// What is added to places must be smaller than this, so that all of them can be noted.
    fn max_base(&self) -> u64 {
        u64::from(self.finder.limit()) - (most_bytes(1 << self.kind.window_log) + (1 << MAX_BLOCK_LOG)) as u64
    }
}

/// The bytes that are kept at most: moving the window costs time, and keeping more than it memory.
fn most_bytes(window: usize) -> usize {
    window + (window / 2).max(1 << 18)
}

/// Matches are nearer than this: than the window, and than all of the frame.
fn reach(kind: &Klauspost, plain_bytes: u64) -> u32 {
    plain_bytes.saturating_add(1).checked_next_power_of_two().unwrap_or(u64::MAX).min(1 << kind.window_log) as u32
}
