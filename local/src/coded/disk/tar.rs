//! Tars that are compressed as a whole are walked by the rules for tars (FORMAT.md, section 2.2).

use std::io;

use regrow_disk::{ReadAt, TarPart};
use regrow_image::{BLOCK, Entry, FileStart, Piece, TarHeader, WalkSink, Walker};

const READ_BYTES: u64 = 1 << 20;

/// Walks a tar, and gives its parts as long as `part` wants more. The result is `false` if it is no tar.
pub(super) fn walk(tar: &dyn ReadAt, part: &mut dyn FnMut(TarPart<'_>) -> bool) -> io::Result<bool> {
    let mut block = [0; BLOCK];
    if tar.bytes() < BLOCK as u64 {
        return Ok(false);
    }
    tar.read_exact_at(&mut block, 0)?;
    if TarHeader::parse(&block).is_none() {
        return Ok(false);
    }
    let mut parts = Parts { part, wants_more: true, skeleton_bytes: 0, entry: None, file: None };
    let (mut walker, mut at, mut buffer) = (Walker::default(), 0, Vec::new());
    while at < tar.bytes() && parts.wants_more {
        buffer.resize(READ_BYTES.min(tar.bytes() - at) as usize, 0);
        tar.read_exact_at(&mut buffer, at)?;
        walker.push(&buffer, &mut parts);
        at += buffer.len() as u64;
    }
    walker.finish(&mut parts);
    parts.end_skeleton();
    Ok(true)
}

/// Gathers what the walker finds.
struct Parts<'p> {
    part: &'p mut dyn FnMut(TarPart<'_>) -> bool,
    wants_more: bool,
    skeleton_bytes: u64,
    /// The path and the size of the last entry.
    entry: Option<(Vec<u8>, u64)>,
    /// The path of the file at hand, unless it is no entry's, and its bytes so far.
    file: Option<(Option<Vec<u8>>, u64)>,
}

impl Parts<'_> {
    fn give(&mut self, part: TarPart<'_>) {
        self.wants_more = self.wants_more && (self.part)(part);
    }

    fn end_skeleton(&mut self) {
        let bytes = std::mem::take(&mut self.skeleton_bytes);
        if bytes > 0 {
            self.give(TarPart::Skeleton(bytes));
        }
    }
}

impl WalkSink for Parts<'_> {
    fn literal(&mut self, bytes: &[u8]) {
        self.skeleton_bytes += bytes.len() as u64;
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        self.entry = Some((entry.path().into_owned(), entry.size));
    }

    fn begin_file(&mut self, start: FileStart) {
        self.end_skeleton();
        // Large extension headers are files too, and so is what is no tar.
        let entry = self.entry.take().filter(|&(_, size)| start.size == Some(size));
        self.file = Some((entry.map(|(path, _)| path), 0));
    }

    fn contents(&mut self, piece: Piece<'_>) {
        if let Some((_, bytes)) = &mut self.file {
            *bytes += match piece {
                Piece::InPushed(range) => range.len() as u64,
                Piece::Held(held) => held.len() as u64,
                Piece::Hole(len) => len,
            };
        }
    }

    fn end_file(&mut self) {
        match self.file.take() {
            Some((Some(path), bytes)) if bytes > 0 => self.give(TarPart::File { bytes, path: &path }),
            Some((None, bytes)) if bytes > 0 => self.give(TarPart::Other(bytes)),
            _ => {}
        }
    }
}
