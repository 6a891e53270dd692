//! The walker splits the bytes of an image into skeleton and contents. It takes pieces of any size. For each level,
//! it keeps at most a block and an extension header of 1 MiB. FORMAT.md, section 2.2.

mod coded;
mod ending;
mod lost;
mod parts;
mod sink;

use crate::header::{BLOCK, TarHeader, is_zero};
use crate::level::{Level, Next, UNBOUNDED};

use coded::Waiting;
pub use coded::{Candidate, is_xz, is_zstd, opaque_format};
pub use ending::{Cut, Ending};
use lost::Lost;
use parts::PartFinder;
pub use parts::{MAX_PARTS, PartEvent};
pub use sink::{Entry, FileStart, Piece, WalkSink};

/// The largest number of levels that may be open at once.
const MAX_LEVELS: usize = 8;

/// Splits the bytes of an image into skeleton and contents.
pub struct Walker {
    levels: Vec<Level>,
    /// An incomplete block of the innermost level, or the first block of a candidate.
    held: Vec<u8>,
    in_file: bool,
    /// Whether the walk stops at compressed files that may be coded.
    finds_candidates: bool,
    /// The candidate at which the walk has stopped.
    waiting: Option<Waiting>,
    /// The position of the coded file's level, while one is walked.
    coded: Option<usize>,
    /// The path of the last entry of the image itself, or of the coded file that is being walked.
    path: Vec<u8>,
    /// The treatment of the rest of a level in which the walk is lost.
    lost: Lost,
    /// The candidates for parts, if the image is to have parts.
    parts: Option<PartFinder>,
}

impl Default for Walker {
    /// Makes a walker that treats compressed files as contents.
    fn default() -> Self {
        Self {
            levels: vec![Level::new(UNBOUNDED)],
            held: Vec::with_capacity(BLOCK),
            in_file: false,
            finds_candidates: false,
            waiting: None,
            coded: None,
            path: Vec::new(),
            lost: Lost::default(),
            parts: None,
        }
    }
}

/// The innermost level. There always is one, since the outermost level is never popped.
macro_rules! top {
    ($self:ident) => {
        // Invariant: `levels` is made with one level and `close_levels` keeps the first.
        $self.levels.last_mut().expect("the outermost level stays open")
    };
}
use top;

impl Walker {
    /// Makes a walker that stops at compressed files that may be coded.
    #[must_use]
    pub fn finding_candidates() -> Self {
        Self { finds_candidates: true, ..Self::default() }
    }

    /// Takes in the next bytes of the image, and returns how many it took. If it stops at a [`Candidate`], it does
    /// not take all. The caller must decide about the candidate before it pushes more bytes.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl WalkSink) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.waiting.is_none() {
            at += self.step(&bytes[at..], at, sink);
            self.close_levels(sink);
        }
        at
    }

    /// Takes in `len` bytes of contents of which only the length is known, as when a skeleton is walked again. They
    /// must be bytes that [`Walker::push`] would call contents.
    pub fn skip(&mut self, len: u64, sink: &mut impl WalkSink) {
        if !self.in_file {
            let start = match top!(self).next {
                Next::Data { size } | Next::Block { data_after_link: size } if size > 0 => self.start_file(size),
                _ => self.start_opaque(),
            };
            self.begin_file(start, sink);
        }
        sink.contents(Piece::Hole(len));
        self.take_file_bytes(len, sink);
        self.close_levels(sink);
    }

    /// Ends the image.
    pub fn finish(&mut self, sink: &mut impl WalkSink) {
        self.end_coded(sink);
        while self.levels.len() > 1 {
            self.end_level(sink);
        }
        self.flush(sink);
    }

    /// Takes bytes from the front of `bytes`, and returns how many. `at` is their offset in the pushed bytes.
    fn step(&mut self, bytes: &[u8], at: usize, sink: &mut impl WalkSink) -> usize {
        let level = top!(self);
        let bytes = &bytes[..clip(bytes.len(), level.left)];
        match level.next {
            Next::Block { .. } | Next::Sparse { .. } => self.hold(bytes, at, sink),
            Next::Data { size } => self.probe(size, bytes, at, sink),
            Next::File { left, .. } => {
                let taken = clip(bytes.len(), left);
                self.watch(&bytes[..taken]);
                sink.contents(Piece::InPushed(at..at + taken));
                self.take_file_bytes(taken as u64, sink);
                taken
            }
            Next::Search => self.search(bytes, at, sink),
            Next::Extension { left, size } => {
                let taken = clip(bytes.len(), left);
                level.take_extension(&bytes[..taken]);
                level.take(taken as u64);
                level.next = Next::Extension { left: left - taken as u64, size };
                if left == taken as u64 {
                    level.finish_extension();
                    level.pad_after(size);
                }
                sink.literal(&bytes[..taken]);
                taken
            }
            Next::Padding { left } => {
                let taken = clip(bytes.len(), left);
                level.take(taken as u64);
                level.next = match left - taken as u64 {
                    0 => Next::Block { data_after_link: 0 },
                    left => Next::Padding { left },
                };
                sink.literal(&bytes[..taken]);
                taken
            }
        }
    }

    /// Collects a block, and acts on it when it is complete.
    fn hold(&mut self, bytes: &[u8], at: usize, sink: &mut impl WalkSink) -> usize {
        if self.held.is_empty()
            && let Some(block) = bytes.first_chunk::<BLOCK>()
        {
            if self.block(block, sink) {
                top!(self).take(BLOCK as u64);
                return BLOCK;
            }
            if self.waiting.is_some() {
                return 0;
            }
            // Contents begin here. They are taken where they lie, without a copy.
            return if self.in_file { self.step(bytes, at, sink) } else { self.probe_now(bytes, at, sink) };
        }
        let taken = bytes.len().min(BLOCK - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        top!(self).take(taken as u64);
        if let Some(&block) = self.held.first_chunk::<BLOCK>() {
            self.held.clear();
            if !self.block(&block, sink) {
                top!(self).give_back(BLOCK as u64);
                self.replay(&block, sink);
            }
        }
        taken
    }

    /// Acts on a block of a level. The result is `false` if the block is not part of the skeleton but begins
    /// contents. `next` then says so.
    fn block(&mut self, block: &[u8; BLOCK], sink: &mut impl WalkSink) -> bool {
        let level = top!(self);
        let first = std::mem::take(&mut level.is_fresh);
        if let Next::Sparse { data } = level.next {
            if block[504] == 0 {
                level.next = if data == 0 { Next::Block { data_after_link: 0 } } else { Next::Data { size: data } };
            }
            sink.literal(block);
            return true;
        }
        let Next::Block { data_after_link } = level.next else { return false };
        if let Some(header) = TarHeader::parse(block) {
            if first && self.coded == Some(self.levels.len() - 1) {
                self.begin_tar(sink);
            }
            if let Some((size, long_path)) = top!(self).take_header(&header) {
                let entry = Entry { header, long_path, size };
                sink.entry(&entry);
                self.note_path(&entry);
            }
        } else if data_after_link > 0 && !is_zero(block) {
            level.next = Next::Data { size: data_after_link };
            return false;
        } else if first || !is_zero(block) {
            if first && self.stops_at(block, None) {
                return false;
            }
            let start = self.start_opaque();
            self.begin_file(start, sink);
            return false;
        } else {
            level.zero_blocks = level.zero_blocks.saturating_add(1);
            level.next = Next::Block { data_after_link: 0 };
        }
        sink.literal(block);
        true
    }

    /// Finds out at an entry's data whether that is a tar or a file.
    fn probe(&mut self, size: u64, bytes: &[u8], at: usize, sink: &mut impl WalkSink) -> usize {
        let size_here = size.min(top!(self).left.saturating_add(self.held.len() as u64));
        if size_here < BLOCK as u64 || self.open_levels() >= MAX_LEVELS {
            return self.data_is_file(size, bytes, at, sink);
        }
        if self.held.is_empty()
            && let Some(block) = bytes.first_chunk::<BLOCK>()
        {
            if TarHeader::parse(block).is_none() {
                let stops = self.stops_at(block, Some(size));
                return if stops { 0 } else { self.data_is_file(size, bytes, at, sink) };
            }
            self.open_level(size_here, sink);
            return self.step(bytes, at, sink);
        }
        let taken = bytes.len().min(BLOCK - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        top!(self).take(taken as u64);
        if let Some(&block) = self.held.first_chunk::<BLOCK>() {
            self.held.clear();
            top!(self).give_back(BLOCK as u64);
            if TarHeader::parse(&block).is_some() {
                self.open_level(size_here, sink);
            }
            self.replay(&block, sink);
        }
        taken
    }

    fn probe_now(&mut self, bytes: &[u8], at: usize, sink: &mut impl WalkSink) -> usize {
        match top!(self).next {
            Next::Data { size } => self.probe(size, bytes, at, sink),
            _ => self.step(bytes, at, sink),
        }
    }

    fn data_is_file(&mut self, size: u64, bytes: &[u8], at: usize, sink: &mut impl WalkSink) -> usize {
        let start = self.start_file(size);
        self.begin_file(start, sink);
        self.step(bytes, at, sink)
    }

    fn open_level(&mut self, size: u64, sink: &mut impl WalkSink) {
        self.levels.push(Level::new(size));
        sink.begin_level();
        self.begin_tar(sink);
    }

    /// Walks bytes that were held back, now that their meaning is known.
    fn replay(&mut self, block: &[u8], sink: &mut impl WalkSink) {
        let mut rest = block;
        if self.waiting.is_some() {
            self.held.extend_from_slice(rest);
            return;
        }
        while !rest.is_empty() {
            let level = top!(self);
            let taken = match level.next {
                Next::File { left, .. } => {
                    let taken = clip(rest.len(), left.min(level.left));
                    sink.contents(Piece::Held(&rest[..taken]));
                    self.take_file_bytes(taken as u64, sink);
                    taken
                }
                Next::Search => {
                    sink.contents(Piece::Held(rest));
                    self.take_file_bytes(rest.len() as u64, sink);
                    rest.len()
                }
                // The block was looked at already, and it is no header.
                Next::Data { size } => {
                    if self.stops_at(rest, Some(size)) {
                        self.held.extend_from_slice(rest);
                        return;
                    }
                    let start = self.start_file(size);
                    self.begin_file(start, sink);
                    0
                }
                // In all other states, the offset of the bytes is not used.
                _ => self.step(rest, 0, sink),
            };
            rest = &rest[taken..];
            self.close_levels(sink);
        }
    }

    /// Continues the innermost level with a file of this declared size.
    fn start_file(&mut self, size: u64) -> FileStart {
        let held = self.held.len() as u64;
        let level = top!(self);
        let size = if level.is_unbounded() { size } else { size.min(level.left + held) };
        level.next = Next::File { left: size, size };
        FileStart { size: Some(size) }
    }

    /// Makes the rest of the innermost level one file.
    fn start_opaque(&mut self) -> FileStart {
        top!(self).next = self.lost.begin();
        FileStart { size: None }
    }

    fn begin_file(&mut self, start: FileStart, sink: &mut impl WalkSink) {
        self.in_file = true;
        top!(self).is_fresh = false;
        sink.begin_file(start);
        self.begin_part_file(start, sink);
    }

    fn take_file_bytes(&mut self, bytes: u64, sink: &mut impl WalkSink) {
        self.take_part_file(bytes);
        let level = top!(self);
        level.take(bytes);
        if let Next::File { left, size } = level.next {
            level.next = Next::File { left: left.saturating_sub(bytes), size };
            if left <= bytes {
                level.pad_after(size);
                self.end_file(sink);
            }
        }
    }

    fn end_file(&mut self, sink: &mut impl WalkSink) {
        if std::mem::take(&mut self.in_file) {
            sink.end_file();
            self.end_part_file(sink);
        }
    }

    /// Ends the levels that have no bytes left.
    fn close_levels(&mut self, sink: &mut impl WalkSink) {
        while self.levels.len() > 1 && top!(self).left == 0 {
            self.end_level(sink);
        }
    }

    fn end_level(&mut self, sink: &mut impl WalkSink) {
        self.flush(sink);
        if let Some(done) = self.levels.pop() {
            let outer = top!(self);
            outer.take(done.size);
            outer.pad_after(done.size);
            sink.end_level();
            self.end_tar(self.levels.len(), sink);
        }
    }

    /// Ends the innermost level. The bytes that are held back are an incomplete block, or data too short for a tar.
    fn flush(&mut self, sink: &mut impl WalkSink) {
        let held = std::mem::take(&mut self.held);
        let is_fresh = top!(self).is_fresh;
        if !held.is_empty() {
            match top!(self).next {
                Next::Data { size } => {
                    top!(self).give_back(held.len() as u64);
                    let start = self.start_file(size);
                    self.begin_file(start, sink);
                    sink.contents(Piece::Held(&held));
                }
                Next::Search => sink.contents(Piece::Held(&held)),
                _ if is_fresh => {
                    let start = self.start_opaque();
                    self.begin_file(start, sink);
                    sink.contents(Piece::Held(&held));
                }
                _ => sink.literal(&held),
            }
        }
        self.end_file(sink);
    }
}

fn clip(len: usize, bound: u64) -> usize {
    usize::try_from(bound).map_or(len, |bound| len.min(bound))
}
