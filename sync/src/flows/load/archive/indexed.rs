//! The archive of an image that an index describes. Its wrapper is put together first, and other parts as they are
//! wanted.

use std::collections::VecDeque;
use std::ops::Range;

use regrow_index::CodedStretch;

use super::handing::{Coming, Handing};
use super::wrapper::{EntryData, Placed, WrapperReader};
use super::{ArchiveEntry, ArchiveFiles, ArchivePart, FileSink, MAX_SMALL_BYTES, Wanted};
use crate::SyncError;
use crate::flows::extract::ExtractReport;
use crate::flows::extract::partial::{SomeParts, Wrapper};
use crate::plan::skeleton_spool::SkeletonSpool;

/// The number of bytes of a small file that are handed on at a time.
const READ_BYTES: u64 = 256 << 10;
/// The folder of an archive in which files are named by their SHA-256.
const BLOBS: &[u8] = b"blobs/sha256/";

/// An archive of which parts are put together.
pub(crate) struct Indexed<'a> {
    image: SomeParts<'a>,
    wrapper: Wrapper,
    entries: Vec<ArchiveEntry>,
    placed: Vec<Placed>,
    parts: Vec<ArchivePart>,
}

/// Where the plain bytes of a wanted file come from.
enum Source {
    Part(usize),
    Wrapper(Range<u64>),
}

/// A wanted file.
struct Item {
    source: Source,
    plain_bytes: u64,
    name: Option<[u8; 32]>,
    coding: Option<CodedStretch>,
    stored_name: Option<[u8; 32]>,
}

impl<'a> Indexed<'a> {
    /// Puts the wrapper's skeleton together, and reads the entries from it.
    pub(crate) fn new(mut image: SomeParts<'a>) -> Result<Self, SyncError> {
        let wrapper = image.wrapper()?;
        let index = image.index();
        let malformed = SyncError::layout(&image.location().to_string());
        let units = index.units.as_ref().ok_or(SyncError::Worker)?;
        let [skeleton, contents] = &wrapper.chunks;
        let mut reader = WrapperReader::new(units, &index.codings, [skeleton.records(), contents.records()]);
        wrapper.skeleton.for_each(|bytes| reader.push(bytes).map_err(&malformed))?;
        let (entries, placed) = reader.finish().map_err(&malformed)?;
        let part =
            |part: &regrow_index::Part| ArchivePart { name: *part.name.as_bytes(), plain_bytes: part.plain_bytes };
        let parts = image.parts().iter().map(part).collect();
        Ok(Self { image, wrapper, entries, placed, parts })
    }

    /// The error for a file that cannot be given.
    fn refused(&self, wanted: Wanted, reason: &str) -> SyncError {
        let what = match wanted {
            Wanted::Stored(entry) => {
                let path = self.entries.get(entry).map(|entry| entry.path.as_slice()).unwrap_or_default();
                String::from_utf8_lossy(path).into_owned()
            }
            Wanted::Plain(part) => format!("part {part}"),
        };
        SyncError::Recipe { location: self.image.location().to_string(), reason: format!("{what}: {reason}") }
    }

    fn item(&self, wanted: Wanted) -> Result<Item, SyncError> {
        let (source, coding, stored_name) = match wanted {
            Wanted::Plain(part) => (Source::Part(part), None, None),
            Wanted::Stored(entry) => {
                let placed = self.placed.get(entry);
                let source = match placed.map(|placed| &placed.data) {
                    Some(EntryData::Part(part)) => Source::Part(*part),
                    Some(EntryData::Wrapper(range)) => Source::Wrapper(range.clone()),
                    _ if self.entries.get(entry).is_some_and(|entry| entry.stored_bytes == 0) => Source::Wrapper(0..0),
                    _ => return Err(self.refused(wanted, "is nothing that can be put together alone")),
                };
                let coding = placed.and_then(|placed| placed.coding);
                let coding = coding.and_then(|coding| self.image.index().codings.get(coding)).cloned();
                (source, coding, self.entries.get(entry).and_then(|entry| blob_name(&entry.path)))
            }
        };
        if coding.is_some() && stored_name.is_none() && self.image.leaves_codings_unchecked() {
            let reason = "its signature does not cover how this file is compressed; take its plain bytes";
            return Err(self.refused(wanted, reason));
        }
        let (plain_bytes, name) = match &source {
            Source::Wrapper(range) => (range.end - range.start, None),
            Source::Part(part) => match self.parts.get(*part) {
                Some(part) => (part.plain_bytes, Some(part.name)),
                None => return Err(self.refused(wanted, "the image has no such part")),
            },
        };
        Ok(Item { source, plain_bytes, name, coding, stored_name })
    }
}

impl ArchiveFiles for Indexed<'_> {
    fn report(&self) -> ExtractReport {
        self.image.report()
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    fn parts(&self) -> &[ArchivePart] {
        &self.parts
    }

    fn small(&mut self, entry: usize) -> Result<Vec<u8>, SyncError> {
        let bytes = self.entries.get(entry).map_or(0, |entry| entry.stored_bytes);
        if bytes > MAX_SMALL_BYTES {
            return Err(self.refused(Wanted::Stored(entry), "is too large for a small file"));
        }
        let mut small = Small(Vec::new());
        self.put_together(&[Wanted::Stored(entry)], &mut small)?;
        Ok(small.0)
    }

    fn put_together(&mut self, wanted: &[Wanted], sink: &mut dyn FileSink) -> Result<(), SyncError> {
        let items = wanted.iter().map(|&wanted| self.item(wanted)).collect::<Result<Vec<Item>, SyncError>>()?;
        let (mut parts, mut coming, mut order) = (Vec::new(), VecDeque::new(), VecDeque::new());
        let mut around: Option<Range<u64>> = None;
        for (item, &wanted) in items.iter().zip(wanted) {
            match &item.source {
                Source::Part(part) => {
                    parts.push(*part);
                    order.push_back(Next::Part(item.plain_bytes));
                }
                Source::Wrapper(range) => {
                    let found = around.get_or_insert_with(|| range.clone());
                    *found = found.start.min(range.start)..found.end.max(range.end);
                    order.push_back(Next::Wrapper(range.clone()));
                }
            }
            let Item { plain_bytes, name, coding, stored_name, .. } = item;
            coming.push_back(Coming {
                wanted,
                plain_bytes: *plain_bytes,
                name: *name,
                coding: coding.as_ref(),
                stored_name: *stored_name,
            });
        }
        if self.image.is_dry_run() && !parts.is_empty() {
            return self.image.hand_on(&parts, &mut |_| Ok(()));
        }
        let around = around.unwrap_or_default();
        let small = self.image.wrapper_contents(&self.wrapper, around)?;
        let (pool, location) = (self.image.pool(), self.image.location().to_string());
        let unfit = {
            let location = location.clone();
            move || SyncError::Recipe {
                location: location.clone(),
                reason: "a compressed file is not as long as the index says".to_owned(),
            }
        };
        let mut feed = Feed { order, small, handing: Handing::new(&pool, location, &unfit, coming, sink) };
        if !parts.is_empty() {
            self.image.hand_on(&parts, &mut |bytes| feed.take(bytes.bytes()))?;
        }
        feed.finish()
    }
}

/// What comes next.
enum Next {
    /// A part that lacks this many bytes.
    Part(u64),
    /// A range of the wrapper's contents.
    Wrapper(Range<u64>),
}

/// Puts small files between the parts.
struct Feed<'a, 's> {
    order: VecDeque<Next>,
    small: SkeletonSpool,
    handing: Handing<'a, 's>,
}

impl Feed<'_, '_> {
    /// Takes the next bytes of the parts.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), SyncError> {
        while !bytes.is_empty() {
            self.small_files()?;
            let Some(Next::Part(left)) = self.order.front_mut() else { return self.handing.push(bytes) };
            let now = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= now as u64;
            self.handing.push(&bytes[..now])?;
            bytes = &bytes[now..];
        }
        Ok(())
    }

    /// Hands on the small files that come next.
    fn small_files(&mut self) -> Result<(), SyncError> {
        loop {
            match self.order.front() {
                Some(Next::Part(0)) => drop(self.order.pop_front()),
                Some(Next::Wrapper(range)) => {
                    let range = range.clone();
                    self.order.pop_front();
                    self.small_file(range)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn small_file(&mut self, range: Range<u64>) -> Result<(), SyncError> {
        let (mut at, mut buffer) = (range.start, vec![0; READ_BYTES.min(range.end - range.start) as usize]);
        while at < range.end {
            let piece = &mut buffer[..READ_BYTES.min(range.end - at) as usize];
            self.small.read(at, piece).map_err(SyncError::io("temporary file"))?;
            self.handing.push(piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), SyncError> {
        self.small_files()?;
        self.handing.finish()
    }
}

/// A small file that is kept in memory.
struct Small(Vec<u8>);

impl FileSink for Small {
    fn begin(&mut self, _: Wanted, _: u64) -> Result<(), SyncError> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SyncError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyncError> {
        Ok(())
    }
}

/// The SHA-256 by which an archive names a file, if it does.
fn blob_name(path: &[u8]) -> Option<[u8; 32]> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let digits: &[u8; 64] = path.strip_prefix(BLOBS)?.try_into().ok()?;
    let mut name = [0; 32];
    for (byte, pair) in name.iter_mut().zip(digits.chunks(2)) {
        let digit = |at: usize| (pair[at] as char).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(name)
}
