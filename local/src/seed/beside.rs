//! Places beside the chunks that a file has.
//!
//! A file system may break a file off anywhere and go on with it elsewhere. Chunks at such a place are cut otherwise than in
//! an image where the file is whole, though their bytes are there: directly behind those of the chunk before them, or before
//! those of the chunk behind them, with nothing but holes between. So they are read from there.

use std::io;
use std::ops::Range;

use regrow_chunker::{PieceRule, is_zero};
use regrow_image::{SkeletonPart, StreamKind};

use super::file::FileSeed;
use super::gather::gather;
use super::places::{ALONE, FOUND, IN_FILE, IN_FILES, OVER_HOLES};
use super::{Seed, Side};

/// The most bytes of holes that are passed over in one chunk.
const MAX_HOLES_BYTES: u64 = 1 << 20;
/// About how many bytes are looked at together for blocks of zeros.
const WINDOW_BYTES: u64 = 64 << 10;

impl FileSeed {
    /// The places where `wanted` bytes may lie beside a chunk of `known` bytes at `place`, the likeliest first.
    pub(super) fn places_beside(&self, place: u64, known: u32, side: Side, wanted: u32) -> Vec<u64> {
        let Some(border) = self.border(place, known, side) else { return Vec::new() };
        let plain = match side {
            Side::Behind => Some(border),
            Side::Before => border.checked_sub(wanted.into()),
        };
        let over = self.data_beside(border, side, wanted).map(|at| (at, OVER_HOLES));
        let marked = over.into_iter().chain(plain.map(|at| (at, IN_FILES)));
        marked.filter(|(at, _)| *at < OVER_HOLES).map(|(at, mark)| mark | at).collect()
    }

    /// What makes up `len` bytes at a place beside a chunk. The outer result is `None` if the place is another one.
    pub(super) fn parts_beside(&self, place: u64, len: usize) -> Option<io::Result<Vec<SkeletonPart>>> {
        let parts = match place & (IN_FILES | OVER_HOLES) {
            IN_FILES => {
                let at = place & !IN_FILES;
                self.file_parts(at..at + len as u64)
            }
            OVER_HOLES => self.over_holes(place & !OVER_HOLES, len as u64).and_then(|ranges| {
                let parts = ranges.into_iter().map(|range| self.file_parts(range)).collect::<Option<Vec<_>>>()?;
                Some(parts.concat())
            }),
            _ => return None,
        };
        Some(parts.ok_or_else(|| io::ErrorKind::NotFound.into()))
    }

    /// The offset in the files at which a chunk of this many bytes begins or ends.
    fn border(&self, place: u64, bytes: u32, side: Side) -> Option<u64> {
        let border_of = |range: Range<u64>| match side {
            Side::Before => range.start,
            Side::Behind => range.end,
        };
        let of = |ranges: Vec<Range<u64>>| Some(border_of(ranges.first()?.start..ranges.last()?.end));
        if place & (IN_FILE | FOUND) != 0 || bytes == 0 {
            return None;
        }
        if place & ALONE != 0 {
            return of(self.scan().alone().get((place & !ALONE) as usize)?.1.ranges(bytes)?);
        }
        match place & (IN_FILES | OVER_HOLES) {
            IN_FILES => {
                let at = place & !IN_FILES;
                return Some(border_of(at..at + u64::from(bytes)));
            }
            OVER_HOLES => return of(self.over_holes(place & !OVER_HOLES, bytes.into())?),
            _ => {}
        }
        let (is_contents, at) = (place & 1 == 1, place >> 1);
        let end = at.checked_add(bytes.into()).filter(|_| is_contents)?;
        if self.scan().division.is_none() {
            return Some(border_of(at..end));
        }
        let byte = match side {
            Side::Before => at,
            Side::Behind => end - 1,
        };
        let plain = self.scan().layout.contents_in_image(byte..byte + 1).next()?.start;
        let found = self.disk_files()?.at_plain(plain)?;
        Some(found + u64::from(side == Side::Behind))
    }

    /// Where `wanted` bytes begin before or behind this place, if some blocks of zeros lie in the way.
    fn data_beside(&self, border: u64, side: Side, wanted: u32) -> Option<u64> {
        let rule = self.pieces.filter(|rule| rule.has_holes())?;
        match side {
            Side::Behind => {
                let ranges = self.over_holes(border, wanted.into())?;
                let start = ranges.first()?.start;
                (ranges.len() > 1 || start != border).then_some(start)
            }
            Side::Before => {
                let start = self.data_before(rule, border, wanted.into())?;
                (border - start != u64::from(wanted)).then_some(start)
            }
        }
    }

    /// The ranges of a file that make up `bytes` bytes from this place on, without blocks of zeros.
    fn over_holes(&self, at: u64, bytes: u64) -> Option<Vec<Range<u64>>> {
        let block = self.pieces.filter(|rule| rule.has_holes())?.block_bytes();
        let file = self.file_around(at)?;
        let mut next = at - (at - file.start) % block;
        let (mut ranges, mut left, mut buffer) = (Vec::<Range<u64>>::new(), bytes, Vec::new());
        while left > 0 {
            let end = file.end.min(next + WINDOW_BYTES.max(block));
            if next >= end || next > at + bytes + MAX_HOLES_BYTES {
                return None;
            }
            self.read_files(next..end, &mut buffer)?;
            for (start, data) in (next..).step_by(block as usize).zip(buffer.chunks(block as usize)) {
                let from = start.max(at);
                let to = (start + data.len() as u64).min(from + left);
                if left == 0 || is_zero(data) || to <= from {
                    continue;
                }
                left -= to - from;
                match ranges.last_mut() {
                    Some(last) if last.end == from => last.end = to,
                    _ => ranges.push(from..to),
                }
            }
            next = end;
        }
        Some(ranges)
    }

    /// Where `bytes` bytes begin that end before this place, without blocks of zeros.
    fn data_before(&self, rule: PieceRule, border: u64, bytes: u64) -> Option<u64> {
        let (block, file) = (rule.block_bytes(), self.file_around(border.checked_sub(1)?)?);
        let (mut next, mut left, mut buffer) = (border, bytes, Vec::new());
        loop {
            let first = (next - 1 - file.start) / block;
            let blocks = (WINDOW_BYTES / block).max(1);
            let start = file.start + (first + 1).saturating_sub(blocks) * block;
            let end = file.end.min(file.start + (first + 1) * block);
            self.read_files(start..end, &mut buffer)?;
            let mut in_window: Vec<_> = (start..).step_by(block as usize).zip(buffer.chunks(block as usize)).collect();
            while let Some((at, data)) = in_window.pop() {
                if is_zero(data) {
                    continue;
                }
                let taken = ((at + data.len() as u64).min(border) - at).min(left);
                left -= taken;
                if left == 0 {
                    return Some((at + data.len() as u64).min(border) - taken);
                }
            }
            next = start;
            if next == file.start || border - next > bytes + MAX_HOLES_BYTES {
                return None;
            }
        }
    }

    /// The file that has a place in the files.
    fn file_around(&self, at: u64) -> Option<Range<u64>> {
        match self.scan().division {
            None => self.scan().layout.file_at(at),
            Some(_) => self.disk_files()?.file_at(at),
        }
    }

    /// What makes up a range of the files.
    fn file_parts(&self, range: Range<u64>) -> Option<Vec<SkeletonPart>> {
        match self.scan().division {
            None if range.end > self.scan().layout.contents_bytes() => None,
            None => Some(self.parts(StreamKind::Contents, range).collect()),
            Some(_) => self.disk_files()?.parts(range),
        }
    }

    fn read_files(&self, range: Range<u64>, out: &mut Vec<u8>) -> Option<()> {
        let bytes = range.end - range.start;
        let parts = self.file_parts(range)?;
        out.clear();
        gather(|buffer, at| self.read_plain(at, buffer), parts.into_iter(), out).ok()?;
        (out.len() as u64 == bytes).then_some(())
    }
}

#[cfg(test)]
mod tests;
