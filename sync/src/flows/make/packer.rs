//! New chunks into frames, frames through the compressors, and into packs in order.
//!
//! Frames and segments are *items*, numbered from 0 on. Which pack an item goes into is known when it is written: the open pack
//! ends before an item that it has no room for. So no pack has more bytes than it should, whatever the chunks are, and where
//! packs end depends on the items alone, never on how fast the workers are: the same image makes the same packs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::BufWriter;

use regrow_chunker::{ChunkId, Record};
use regrow_image::StreamKind;
use regrow_local::{Pending, Pool};
use regrow_store::{
    Compressor, FRAME_TARGET_BYTES, PackSummary, PackWriter, Part, PlainFrame, StoredFrame, frame_cost, segment_cost,
};
use tempfile::NamedTempFile;

use super::upload::Uploads;
use crate::SyncError;

/// Frames that may wait to be compressed or written, at most.
const FRAMES_IN_FLIGHT: usize = 12;
/// Segments that wait for the frame of their last chunks, at most. In the same pack they need no ids.
const SEGMENTS_WAITING: usize = 64;

/// Where packs wait, for errors: no path, since the file has no name worth telling.
const STAGING: &str = "the folder where packs wait (tmp/ of the store, or TMPDIR)";

thread_local! {
    /// A worker's compressor and its level: making one costs more than a frame.
    static COMPRESSOR: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
}

/// A pack that is being written.
type OpenPack = PackWriter<BufWriter<NamedTempFile>>;

/// The number of a frame or a segment in the order in which they began.
pub(crate) type ItemNumber = u32;

/// A frame that takes in chunks.
#[derive(Default)]
struct OpenFrame {
    /// Its number, once it has a chunk.
    number: Option<ItemNumber>,
    frame: PlainFrame,
    /// Segments that are written after it.
    segments: Vec<Item>,
}

/// What is written next.
enum Item {
    Frame(ItemNumber, Part, Pending<std::io::Result<StoredFrame>>),
    Segment(ItemNumber, ChunkId, Vec<Record>),
}

/// What was made.
pub(crate) struct Packed {
    pub(crate) packs: Vec<PackSummary>,
    /// The packs of the items.
    items: Vec<u32>,
    /// How many packs the store did not have, and their bytes.
    pub(crate) sent: (u64, u64),
}

impl Packed {
    /// The number of the pack that an item went into.
    pub(crate) fn pack_of(&self, item: ItemNumber) -> u32 {
        self.items[item as usize]
    }
}

/// See the module's documentation.
pub(crate) struct Packer<'a> {
    uploads: Uploads<'a>,
    pool: &'a Pool,
    level: i32,
    pack_bytes: u64,
    frame_bytes: usize,
    frames_in_flight: usize,
    open: Option<OpenPack>,
    skeleton: OpenFrame,
    contents: OpenFrame,
    waiting: VecDeque<Item>,
    /// Frames among what is waiting.
    compressing: usize,
    /// The packs of the items that were written, by number.
    items: Vec<u32>,
    written: Vec<PackSummary>,
}

impl<'a> Packer<'a> {
    pub(crate) fn new(uploads: Uploads<'a>, pool: &'a Pool, level: i32, pack_bytes: u64) -> Result<Self, SyncError> {
        if !(1..=22).contains(&level) {
            return Err(SyncError::Usage(format!("level {level}: zstd has levels 1 to 22")));
        }
        Ok(Self {
            uploads,
            pool,
            level,
            pack_bytes,
            // Smaller for small packs, so that these come out near their size.
            frame_bytes: FRAME_TARGET_BYTES.min(usize::try_from(pack_bytes / 4).unwrap_or(usize::MAX)),
            frames_in_flight: usize::try_from(pack_bytes / FRAME_TARGET_BYTES as u64)
                .unwrap_or(usize::MAX)
                .clamp(1, FRAMES_IN_FLIGHT),
            open: None,
            skeleton: OpenFrame::default(),
            contents: OpenFrame::default(),
            waiting: VecDeque::new(),
            compressing: 0,
            items: Vec::new(),
            written: Vec::new(),
        })
    }

    fn next_number(&mut self) -> ItemNumber {
        self.items.push(0);
        self.items.len() as ItemNumber - 1
    }

    fn frame_of(&mut self, stream: StreamKind) -> &mut OpenFrame {
        match stream {
            StreamKind::Skeleton => &mut self.skeleton,
            StreamKind::Contents => &mut self.contents,
        }
    }

    /// Stores a chunk; returns its frame.
    pub(crate) fn add_chunk(
        &mut self,
        stream: StreamKind,
        record: Record,
        bytes: &[u8],
    ) -> Result<ItemNumber, SyncError> {
        let number = match self.frame_of(stream).number {
            Some(number) => number,
            None => self.next_number(),
        };
        let frame_bytes = self.frame_bytes;
        let open = self.frame_of(stream);
        open.number = Some(number);
        open.frame.push(record, bytes);
        if open.frame.plain_bytes() >= frame_bytes {
            self.compress(stream);
            self.write_waiting(self.frames_in_flight)?;
        }
        Ok(number)
    }

    /// Stores a segment beside the chunks of its stream.
    pub(crate) fn add_segment(
        &mut self,
        stream: StreamKind,
        id: ChunkId,
        records: Vec<Record>,
    ) -> Result<ItemNumber, SyncError> {
        let number = self.next_number();
        let segment = Item::Segment(number, id, records);
        let open = self.frame_of(stream);
        if open.number.is_some() && open.segments.len() < SEGMENTS_WAITING {
            open.segments.push(segment);
        } else {
            self.waiting.push_back(segment);
            self.write_waiting(self.frames_in_flight)?;
        }
        Ok(number)
    }

    /// Ends the open pack, so that what comes goes into others. Returns how many packs there are, and their bytes.
    pub(crate) fn end_pack(&mut self) -> Result<(usize, u64), SyncError> {
        self.compress(StreamKind::Contents);
        self.compress(StreamKind::Skeleton);
        self.write_waiting(0)?;
        self.close()?;
        Ok((self.written.len(), self.written.iter().map(|pack| pack.bytes).sum()))
    }

    /// Completes the last pack and waits until all are in the store.
    pub(crate) fn finish(mut self) -> Result<Packed, SyncError> {
        self.end_pack()?;
        self.uploads.finish()?;
        Ok(Packed { packs: self.written, items: self.items, sent: self.uploads.sent })
    }

    /// Ends the open frame of a stream.
    fn compress(&mut self, stream: StreamKind) {
        let (level, part) = match stream {
            StreamKind::Skeleton => (self.level, Part::Skeleton),
            StreamKind::Contents => (self.level, Part::Contents),
        };
        let OpenFrame { number, frame, segments } = std::mem::take(self.frame_of(stream));
        let Some(number) = number else { return };
        self.waiting.push_back(Item::Frame(number, part, self.pool.submit(move || compress(frame, level))));
        self.compressing += 1;
        self.waiting.extend(segments);
    }

    /// Writes what is waiting until at most this many frames are left.
    fn write_waiting(&mut self, frames_left: usize) -> Result<(), SyncError> {
        while self.compressing > frames_left
            || matches!(self.waiting.front(), Some(Item::Segment(..)))
            || (frames_left == 0 && !self.waiting.is_empty())
        {
            let Some(item) = self.waiting.pop_front() else { break };
            self.write(item)?;
        }
        Ok(())
    }

    fn write(&mut self, item: Item) -> Result<(), SyncError> {
        match item {
            Item::Frame(number, part, frame) => {
                self.compressing -= 1;
                let frame = frame.wait()?.map_err(SyncError::io("compression"))?;
                self.make_room(number, frame_cost(&frame))?.add_frame(part, frame).map_err(SyncError::io(STAGING))
            }
            Item::Segment(number, id, records) => {
                self.make_room(number, segment_cost(&records))?.add_segment(id, records);
                Ok(())
            }
        }
    }

    /// The pack for an item of at most this many bytes.
    fn make_room(&mut self, number: ItemNumber, bytes: u64) -> Result<&mut OpenPack, SyncError> {
        let is_full = |pack: &OpenPack| !pack.is_empty() && pack.most_bytes() + bytes > self.pack_bytes;
        if self.open.as_ref().is_some_and(is_full) {
            self.close()?;
        }
        self.items[number as usize] = self.written.len() as u32;
        if self.open.is_none() {
            let file = BufWriter::with_capacity(1 << 20, self.uploads.begin()?);
            self.open = Some(PackWriter::new(file).map_err(SyncError::io(STAGING))?);
        }
        // Invariant: set above.
        Ok(self.open.as_mut().expect("a pack is open"))
    }

    /// Ends the pack that is open.
    fn close(&mut self) -> Result<(), SyncError> {
        if let Some(pack) = self.open.take() {
            let (file, summary) = pack.finish().map_err(SyncError::io(STAGING))?;
            let file = file.into_inner().map_err(|error| SyncError::io(STAGING)(error.into_error()))?;
            self.written.push(self.uploads.send(file, summary)?);
        }
        Ok(())
    }
}

fn compress(frame: PlainFrame, level: i32) -> std::io::Result<StoredFrame> {
    COMPRESSOR.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|&(kept, _)| kept != level) {
            *kept = Some((level, Compressor::new(level)?));
        }
        match kept {
            Some((_, compressor)) => frame.compress(compressor),
            None => Err(std::io::ErrorKind::OutOfMemory.into()),
        }
    })
}
