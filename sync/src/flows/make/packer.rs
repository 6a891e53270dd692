//! Writes new chunks into frames, has workers compress the frames, and writes them into packs in order.
//!
//! Frames and segments are *items*, numbered from 0. The pack of an item is known only when the item is written: the
//! open pack ends before an item for which it has no room. So no pack exceeds its size, whatever the chunks are, unless
//! a single item does. The ends of packs depend only on the items, and never on the speed of the workers, so the same
//! image always makes the same packs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::BufWriter;

use regrow_chunker::{MAX_CHUNK_BYTES, Record, SegmentId};
use regrow_image::StreamKind;
use regrow_local::{Pending, Pool};
use regrow_store::{
    Compressor, FRAME_TARGET_BYTES, MAX_FRAME_BYTES, PackSummary, PackWriter, Part, PlainFrame, StoredFrame,
    frame_cost, segment_cost,
};
use tempfile::NamedTempFile;

use super::upload::Uploads;
use crate::SyncError;

/// The most frames that may wait to be compressed or written.
const FRAMES_IN_FLIGHT: usize = 12;
/// The most segments that wait for the frame of their last chunks. In the same pack as these chunks, a segment needs no
/// ids.
const SEGMENTS_WAITING: usize = 64;

/// The number of plain bytes at which a frame of an update is closed. docs/measurements.md has the figures.
const UPDATE_FRAME_BYTES: usize = 4 * FRAME_TARGET_BYTES;
const _: () = assert!(UPDATE_FRAME_BYTES as u64 + (MAX_CHUNK_BYTES as u64) <= MAX_FRAME_BYTES);

/// The name of the place where packs are staged, for errors. The staged file has no path that would help a reader.
const STAGING: &str = "the folder where packs wait (tmp/ of the store, or TMPDIR)";

thread_local! {
    /// A worker's compressor and its level. It is kept, because making one costs more than compressing a frame.
    static COMPRESSOR: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
}

/// A pack that is being written.
type OpenPack = PackWriter<BufWriter<NamedTempFile>>;

/// The number of a frame or a segment. Items are numbered in the order in which they were begun.
pub(crate) type ItemNumber = u32;

/// A frame to which chunks are still added.
#[derive(Default)]
struct OpenFrame {
    /// The frame's number, once it has a chunk.
    number: Option<ItemNumber>,
    frame: PlainFrame,
    /// The segments that are written right after the frame.
    segments: Vec<Item>,
}

/// An item that waits to be written.
enum Item {
    Frame(ItemNumber, Part, Pending<std::io::Result<StoredFrame>>),
    Segment(ItemNumber, SegmentId, Vec<Record>),
}

/// The result of a packer.
pub(crate) struct Packed {
    pub(crate) packs: Vec<PackSummary>,
    /// The pack of each item.
    items: Vec<u32>,
    /// The number and the bytes of the packs that the store did not have.
    pub(crate) sent: (u64, u64),
}

impl Packed {
    /// The number of the pack that holds an item.
    pub(crate) fn pack_of(&self, item: ItemNumber) -> u32 {
        self.items[item as usize]
    }
}

/// Packs chunks and segments.
pub(crate) struct Packer<'a> {
    uploads: Uploads<'a>,
    pool: &'a Pool,
    level: i32,
    pack_bytes: u64,
    frame_bytes: usize,
    update_frame_bytes: usize,
    /// Whether what is added is what a release changes, so that an update takes all of it.
    is_update: bool,
    frames_in_flight: usize,
    open: Option<OpenPack>,
    skeleton: OpenFrame,
    contents: OpenFrame,
    waiting: VecDeque<Item>,
    /// The number of frames in `waiting`.
    compressing: usize,
    /// The pack of each item. It is final once the item is written.
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
            // Small packs get smaller frames, so that they come out near the size that was asked for.
            frame_bytes: FRAME_TARGET_BYTES.min(usize::try_from(pack_bytes / 4).unwrap_or(usize::MAX)),
            update_frame_bytes: UPDATE_FRAME_BYTES.min(usize::try_from(pack_bytes / 2).unwrap_or(usize::MAX)),
            is_update: false,
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

    /// Says whether the chunks that follow are what a release changes of an image that the store has. Their frames are
    /// longer, since most machines want all of them.
    pub(crate) fn pack_as_update(&mut self, is_update: bool) {
        self.is_update = is_update;
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

    /// Adds a chunk, and returns the number of its frame.
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
        // Longer frames wait in smaller numbers, since they take memory.
        let (frame_bytes, in_flight) = match self.is_update {
            true => (self.update_frame_bytes, self.frames_in_flight.div_ceil(2)),
            false => (self.frame_bytes, self.frames_in_flight),
        };
        let open = self.frame_of(stream);
        open.number = Some(number);
        open.frame.push(record, bytes);
        if open.frame.plain_bytes() >= frame_bytes {
            self.compress(stream);
            self.write_waiting(in_flight)?;
        }
        Ok(number)
    }

    /// Adds a segment, which is stored near the chunks of its stream.
    pub(crate) fn add_segment(
        &mut self,
        stream: StreamKind,
        id: SegmentId,
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

    /// Ends the open pack, so that later items go into other packs. Returns the packs so far.
    pub(crate) fn end_pack(&mut self) -> Result<&[PackSummary], SyncError> {
        self.compress(StreamKind::Contents);
        self.compress(StreamKind::Skeleton);
        self.write_waiting(0)?;
        self.close()?;
        Ok(&self.written)
    }

    /// Completes the last pack, and waits until all packs are in the store.
    pub(crate) fn finish(mut self) -> Result<Packed, SyncError> {
        self.end_pack()?;
        self.uploads.finish()?;
        Ok(Packed { packs: self.written, items: self.items, sent: self.uploads.sent })
    }

    /// Ends the open frame of a stream, and has a worker compress it.
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

    /// Writes waiting items until at most `frames_left` frames wait.
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

    /// The pack for an item of at most `bytes`.
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
        // Invariant: `open` was set above.
        Ok(self.open.as_mut().expect("a pack is open"))
    }

    /// Completes the open pack, and sends it to the store.
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
