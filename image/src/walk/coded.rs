//! Gzip files that may be coded: where the walker stops, and how it goes on. FORMAT.md, section 2.3.

use super::{WalkSink, Walker, top};
use crate::header::BLOCK;
use crate::level::{Level, Next, UNBOUNDED};

/// A gzip file that may be coded, or a compressed file of another format. FORMAT.md, section 2.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its bytes as its header declares them; `None`: all the rest of the image.
    pub size: Option<u64>,
    /// Its first bytes, as far as the walker had taken them.
    pub held: Vec<u8>,
}

/// What a candidate is if it is not coded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    size: Option<u64>,
}

/// ID1, ID2, and the one compression method there is (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// A zstd frame's magic number (RFC 8878). Such files are never coded; who reads an image is told of them all the same.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The last three bytes of a skippable frame's, which may come first; the first byte is 0x50 to 0x5F.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
/// An xz file's magic number. The same holds for it.
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];

/// What bzip2 files begin with, a digit from 1 to 9 behind it, then this of their first block, or that of an empty file's end.
const BZIP2: &[u8] = b"BZh";
const BZIP2_BLOCK: [&[u8]; 2] = [&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];
/// Magic numbers of LZ4 frames: today's, and the one that kernels are compressed by.
const LZ4: [&[u8]; 2] = [&[0x04, 0x22, 0x4d, 0x18], &[0x02, 0x21, 0x4c, 0x18]];
/// Magic number and version of lzip files.
const LZIP: &[u8] = b"LZIP\x01";

/// The name of a compressed file's format, by its beginning, if it is one that is never coded.
#[must_use]
pub fn opaque_format(file: &[u8]) -> Option<&'static str> {
    match file {
        zstd if is_zstd(zstd) => Some("zstd"),
        xz if is_xz(xz) => Some("xz"),
        bzip2 if is_bzip2(bzip2) => Some("bzip2"),
        lz4 if LZ4.iter().any(|magic| lz4.starts_with(magic)) => Some("lz4"),
        lzip if lzip.starts_with(LZIP) => Some("lzip"),
        _ => None,
    }
}

fn is_bzip2(file: &[u8]) -> bool {
    let level = file.strip_prefix(BZIP2).and_then(<[u8]>::split_first);
    level.is_some_and(|(level, rest)| {
        matches!(level, b'1'..=b'9') && BZIP2_BLOCK.iter().any(|magic| rest.starts_with(magic))
    })
}

/// Whether a file begins as zstd files do.
#[must_use]
pub fn is_zstd(file: &[u8]) -> bool {
    let is_skippable = || file.first().is_some_and(|byte| byte >> 4 == 5) && file[1..].starts_with(ZSTD_SKIPPABLE);
    file.starts_with(ZSTD) || is_skippable()
}

/// Whether a file begins as xz files do.
#[must_use]
pub fn is_xz(file: &[u8]) -> bool {
    file.starts_with(XZ)
}

impl Walker {
    /// The candidate that it stands at. After this [`Walker::decline`] or [`Walker::begin_coded`] is to be called.
    pub fn candidate(&mut self) -> Option<Candidate> {
        let Waiting { size } = self.waiting?;
        Some(Candidate { size, held: std::mem::take(&mut self.held) })
    }

    /// The candidate is a file like others: its bytes, those that were held too, are pushed next.
    pub fn decline(&mut self, sink: &mut impl WalkSink) {
        if let Some(Waiting { size }) = self.waiting.take() {
            let start = match size {
                Some(size) => self.start_file(size),
                None => self.start_opaque(),
            };
            self.begin_file(start, sink);
        }
    }

    /// The candidate is coded: its plain bytes are pushed next, and then [`Walker::end_coded`] is called.
    pub fn begin_coded(&mut self, sink: &mut impl WalkSink) {
        self.waiting = None;
        self.end_coded(sink);
        self.flush(sink);
        let level = top!(self);
        if let Next::Block { data_after_link: size } = level.next
            && size > 0
        {
            level.next = Next::Data { size };
        }
        self.coded = Some(self.levels.len());
        self.levels.push(Level::new(UNBOUNDED));
        sink.begin_level();
    }

    /// The plain bytes of the coded file end here.
    pub fn end_coded(&mut self, sink: &mut impl WalkSink) {
        let Some(depth) = self.coded.take() else { return };
        while self.levels.len() > depth + 1 {
            self.end_level(sink);
        }
        self.flush(sink);
        self.levels.truncate(depth);
        let outer = top!(self);
        if let Next::Data { size } = outer.next {
            outer.take(size);
            outer.pad_after(size);
        }
        sink.end_level();
        self.close_levels(sink);
    }

    /// Whether it is to stop here, at the first block of a file of this size.
    pub(super) fn stops_at(&mut self, block: &[u8], size: Option<u64>) -> bool {
        let is_large = size.is_none_or(|size| size >= BLOCK as u64);
        let stops = self.finds_candidates
            && self.levels.len() == 1
            && is_large
            && (block.starts_with(GZIP) || opaque_format(block).is_some());
        if stops {
            self.waiting = Some(Waiting { size });
        }
        stops
    }
}
