//! Compressed files that may be coded: the walker stops there, and goes on as it is told. FORMAT.md, section 2.3;
//! docs/format/index-2.md, section 1.

use super::{WalkSink, Walker, top};
use crate::header::BLOCK;
use crate::level::{Level, Next, UNBOUNDED};

/// A gzip or zstd file that may be coded, or a compressed file of another format. FORMAT.md, section 2.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The size that its header declares, in bytes. `None` means all the rest of the image.
    pub size: Option<u64>,
    /// The first bytes, as far as the walker had taken them.
    pub held: Vec<u8>,
}

/// A candidate at which the walker waits. The size is used if it is not coded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    size: Option<u64>,
}

/// The bytes ID1 and ID2, and the only compression method that exists (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// The magic number of a zstd frame (RFC 8878). Only version 4 of the walking rules codes such files, but the reader of
/// an image is told of them in any case.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The last three bytes of the magic number of a skippable frame, which may come first. The first byte is 0x50 to
/// 0x5F.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
/// The magic number of an xz file. Xz files are never coded, but the reader of an image is told of them.
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];

/// The beginning of a bzip2 file. A digit from 1 to 9 follows, and then the mark of the first block, or that of an
/// empty file's end.
const BZIP2: &[u8] = b"BZh";
const BZIP2_BLOCK: [&[u8]; 2] = [&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];
/// The magic numbers of LZ4 frames: today's, and the one that is used for compressed kernels.
const LZ4: [&[u8]; 2] = [&[0x04, 0x22, 0x4d, 0x18], &[0x02, 0x21, 0x4c, 0x18]];
/// The magic number and version of an lzip file.
const LZIP: &[u8] = b"LZIP\x01";

/// The name of a compressed file's format, if its beginning shows another format than gzip.
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

/// Whether a file begins like a zstd file.
#[must_use]
pub fn is_zstd(file: &[u8]) -> bool {
    let is_skippable = || file.first().is_some_and(|byte| byte >> 4 == 5) && file[1..].starts_with(ZSTD_SKIPPABLE);
    file.starts_with(ZSTD) || is_skippable()
}

/// Whether a file begins like an xz file.
#[must_use]
pub fn is_xz(file: &[u8]) -> bool {
    file.starts_with(XZ)
}

impl Walker {
    /// The candidate at which the walker has stopped. The caller must then call [`Walker::decline`] or
    /// [`Walker::begin_coded`].
    pub fn candidate(&mut self) -> Option<Candidate> {
        let Waiting { size } = self.waiting?;
        Some(Candidate { size, held: std::mem::take(&mut self.held) })
    }

    /// Declares the candidate a file like any other. Its bytes are pushed next, including those that were held.
    pub fn decline(&mut self, sink: &mut impl WalkSink) {
        if let Some(Waiting { size }) = self.waiting.take() {
            let start = match size {
                Some(size) => self.start_file(size),
                None => self.start_opaque(),
            };
            self.begin_file(start, sink);
        }
    }

    /// Declares the candidate coded. Its plain bytes are pushed next, and then [`Walker::end_coded`] is called.
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

    /// Ends the plain bytes of the coded file.
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
        self.end_tar(depth, sink);
        self.close_levels(sink);
    }

    /// Whether the walk stops here, at the first block of a file of this size.
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
