//! The files of an image, as patches need them. An image may have millions, so each takes 32 bytes.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use regrow_image::{StreamKind, TreeEntry, TreeWalker};
use regrow_local::FileSeed;

use crate::divided::DividedFiles;
use crate::names::FileName;

/// The number of bytes of a skeleton that are read at a time.
const READ_BYTES: u64 = 1 << 20;

/// The contents operations of an image's layout, in order. They cover the contents stream without gaps. Here each of
/// them is a file, whose number is its position.
pub(crate) struct Files {
    files: Vec<File>,
    /// The hash of each archive's name. The first one also stands for files of no archive.
    archives: Vec<u64>,
    contents_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    /// The offset of its first byte in the contents stream. It ends where the next file begins.
    start: u64,
    name: FileName,
    /// The position of its archive in [`Files::archives`].
    archive: u32,
}

impl Files {
    /// The files of a disk image that is divided. Pieces of a file are told from each other by their archive, which
    /// guides the pairing; no file lies in one. Without names of files, none has a name.
    pub(crate) fn of_divided(seed: &FileSeed, divided: Option<&DividedFiles>) -> Self {
        let layout = &seed.scan().layout;
        let named = divided.and_then(|divided| divided.named(layout.files().map(|range| range.end - range.start)));
        let mut named = named.into_iter().flatten();
        let file = |range: Range<u64>| {
            let (name, archive) = named.next().map_or_else(Default::default, |file| (file.name, file.piece));
            File { start: range.start, name, archive }
        };
        Self {
            files: layout.files().map(file).collect(),
            archives: Vec::new(),
            contents_bytes: layout.contents_bytes(),
        }
    }

    /// Finds the files of an image by reading its skeleton.
    pub(crate) fn of(seed: &FileSeed) -> io::Result<Self> {
        let layout = &seed.scan().layout;
        let mut named = NamedFiles { ranges: layout.files(), next: None, files: Vec::new() };
        let (mut archives, mut numbers) = (Vec::new(), HashMap::new());
        let mut sink = |entry: TreeEntry| {
            if entry.contents.is_empty() {
                return;
            }
            let archive = entry.archive.as_ref().map_or(0, |archive| archive.id.prefix());
            let number = *numbers.entry(archive).or_insert_with(|| {
                archives.push(archive);
                archives.len() as u32 - 1
            });
            named.push_entry(&entry.contents, FileName::of(&entry), number);
        };
        let mut walker = TreeWalker::default();
        let damaged = |error: regrow_image::OpError| io::Error::new(io::ErrorKind::InvalidData, error);
        let (mut at, end, mut buffer) = (0, layout.skeleton_bytes(), vec![0; READ_BYTES as usize]);
        while at < end {
            let piece = &mut buffer[..READ_BYTES.min(end - at) as usize];
            seed.read_stream(StreamKind::Skeleton, at, piece)?;
            at += piece.len() as u64;
            walker.push(piece, &mut sink).map_err(damaged)?;
        }
        walker.finish(&mut sink).map_err(damaged)?;
        Ok(Self { files: named.finish(), archives, contents_bytes: layout.contents_bytes() })
    }

    /// The range of a file's bytes in the contents stream.
    pub(crate) fn contents(&self, number: u32) -> Range<u64> {
        let end = self.files.get(number as usize + 1).map_or(self.contents_bytes, |next| next.start);
        self.files[number as usize].start..end
    }

    /// The numbers of the files that a range of the contents stream consists of, if it consists of whole ones.
    pub(crate) fn whole(&self, range: &Range<u64>) -> Option<Range<u32>> {
        let first = self.files.binary_search_by_key(&range.start, |file| file.start).ok()?;
        let end = match self.files.binary_search_by_key(&range.end, |file| file.start) {
            Ok(end) => end,
            Err(end) if range.end == self.contents_bytes => end,
            Err(_) => return None,
        };
        Some(first as u32..end as u32)
    }

    /// The numbers of the files that lie wholly within a range of the contents stream.
    pub(crate) fn within(&self, range: &Range<u64>) -> Range<u32> {
        let first = self.files.partition_point(|file| file.start < range.start) as u32;
        // The first file that ends behind the range is the one before the first that begins behind its end.
        let behind = self.files.partition_point(|file| file.start <= range.end) as u32;
        let is_last_within = range.end >= self.contents_bytes;
        first..(if is_last_within { behind } else { behind.saturating_sub(1) }).max(first)
    }

    /// The name of a file.
    pub(crate) fn name(&self, number: u32) -> &FileName {
        &self.files[number as usize].name
    }

    /// The number of the archive in which a file lies, in the image's order.
    pub(crate) fn archive(&self, number: u32) -> u32 {
        self.files[number as usize].archive
    }

    /// The hash of the name of the archive in which a file lies.
    pub(crate) fn archive_name(&self, number: u32) -> u64 {
        self.archives.get(self.archive(number) as usize).copied().unwrap_or(0)
    }
}

/// Gives files the names of the entries to which they belong.
struct NamedFiles<I> {
    /// The ranges of the files that are still to come.
    ranges: I,
    /// The range of the first one of those, once it is known.
    next: Option<Range<u64>>,
    files: Vec<File>,
}

impl<I: Iterator<Item = Range<u64>>> NamedFiles<I> {
    /// Adds the files that begin before the end of an entry's contents. Those before its beginning have no name.
    fn push_entry(&mut self, contents: &Range<u64>, name: FileName, archive: u32) {
        while let Some(range) = self.next.take().or_else(|| self.ranges.next()) {
            if range.start >= contents.end {
                self.next = Some(range);
                return;
            }
            let (name, archive) =
                if range.start >= contents.start { (name, archive) } else { (FileName::default(), 0) };
            self.files.push(File { start: range.start, name, archive });
        }
    }

    fn finish(mut self) -> Vec<File> {
        self.push_entry(&(u64::MAX..u64::MAX), FileName::default(), 0);
        self.files.shrink_to_fit();
        self.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_32_bytes() {
        assert_eq!(size_of::<File>(), 32);
    }

    #[test]
    fn files_lie_within_a_range_as_a_whole() {
        let file = |start| File { start, name: FileName::default(), archive: 0 };
        let files = Files { files: [0, 10, 20].map(file).to_vec(), archives: Vec::new(), contents_bytes: 30 };
        assert_eq!((files.contents(1), files.contents(2)), (10..20, 20..30));
        let ends =
            [(0..30, 0..3), (0..29, 0..2), (1..30, 1..3), (0..20, 0..2), (10..20, 1..2), (11..19, 2..2), (0..0, 0..0)];
        for (range, numbers) in ends {
            assert_eq!(files.within(&range).collect::<Vec<_>>(), numbers.collect::<Vec<_>>(), "{range:?}");
        }
    }

    #[test]
    fn files_get_the_name_of_their_entry() {
        let name = |byte: u32| FileName { loose_path: byte, ..FileName::default() };
        let ranges = [0..5, 5..15, 15..25, 25..26].into_iter();
        let mut named = NamedFiles { ranges, next: None, files: Vec::new() };
        named.push_entry(&(0..0), name(9), 9);
        named.push_entry(&(5..25), name(1), 7);
        let found = named.finish();
        let shown: Vec<_> = found.iter().map(|file| (file.start, file.name.loose_path, file.archive)).collect();
        assert_eq!(shown, [(0, 0, 0), (5, 1, 7), (15, 1, 7), (25, 0, 0)]);
    }
}
