//! New chunks into frames, frames through the compressors, and into packs in order.

use std::cell::RefCell;
use std::io::BufWriter;

use regrow_chunker::{ChunkId, Record};
use regrow_image::StreamKind;
use regrow_local::{Ordered, Pool};
use regrow_store::{Compressor, FRAME_TARGET_BYTES, PackSummary, PackWriter, Part, PlainFrame, StoredFrame};
use tempfile::NamedTempFile;

use super::upload::Uploads;
use crate::SyncError;

/// Frames that may wait to be compressed or written, at most.
const FRAMES_IN_FLIGHT: u64 = 12;

/// Where packs wait, for errors: no path, since the file has no name worth telling.
const STAGING: &str = "the folder where packs wait (tmp/ of the store, or TMPDIR)";

thread_local! {
    /// A worker's compressor and its level: making one costs more than a frame.
    static COMPRESSOR: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
}

/// A pack that is being written.
type OpenPack = PackWriter<BufWriter<NamedTempFile>>;

/// See the module's documentation.
pub(crate) struct Packer<'a> {
    uploads: Uploads<'a>,
    pool: &'a Pool,
    level: i32,
    pack_bytes: u64,
    frame_bytes: usize,
    open: Option<OpenPack>,
    skeleton: PlainFrame,
    contents: PlainFrame,
    compressing: Ordered<(Part, std::io::Result<StoredFrame>)>,
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
            frame_bytes: FRAME_TARGET_BYTES.min(usize::try_from(pack_bytes / 2).unwrap_or(usize::MAX)),
            open: None,
            skeleton: PlainFrame::default(),
            contents: PlainFrame::default(),
            compressing: Ordered::new((pack_bytes / FRAME_TARGET_BYTES as u64).clamp(1, FRAMES_IN_FLIGHT) as usize),
            written: Vec::new(),
        })
    }

    /// The number of the pack that the next chunk or segment goes into.
    pub(crate) fn pack_number(&self) -> u32 {
        self.written.len() as u32
    }

    /// Stores a chunk.
    pub(crate) fn add_chunk(&mut self, stream: StreamKind, record: Record, bytes: &[u8]) -> Result<(), SyncError> {
        let (part, frame) = match stream {
            StreamKind::Skeleton => (Part::Skeleton, &mut self.skeleton),
            StreamKind::Contents => (Part::Contents, &mut self.contents),
        };
        frame.push(record, bytes);
        if frame.plain_bytes() >= self.frame_bytes {
            let frame = std::mem::take(frame);
            self.compress(part, frame);
        }
        // Not as soon as they are ready: where a pack ends must not depend on how fast the workers are, so that the same
        // image makes the same packs.
        while let Some(frame) = self.compressing.next_over_limit()? {
            self.write(frame)?;
        }
        if self.open.as_ref().is_some_and(|pack| pack.frame_bytes() >= self.pack_bytes) {
            self.close()?;
        }
        Ok(())
    }

    /// Stores a segment beside the chunks.
    pub(crate) fn add_segment(&mut self, id: ChunkId, records: Vec<Record>) -> Result<(), SyncError> {
        self.open()?.add_segment(id, records);
        Ok(())
    }

    /// Ends the open pack, so that what comes goes into others. Returns how many packs there are, and their bytes.
    pub(crate) fn end_pack(&mut self) -> Result<(usize, u64), SyncError> {
        self.close()?;
        Ok((self.written.len(), self.written.iter().map(|pack| pack.bytes).sum()))
    }

    /// Completes the last pack and waits until all are in the store; returns all that were made, and how many of them and of
    /// their bytes the store did not have.
    pub(crate) fn finish(mut self) -> Result<(Vec<PackSummary>, (u64, u64)), SyncError> {
        self.close()?;
        self.uploads.finish()?;
        Ok((self.written, self.uploads.sent))
    }

    fn compress(&mut self, part: Part, frame: PlainFrame) {
        let level = self.level;
        self.compressing.push(self.pool.submit(move || (part, compress(frame, level))));
    }

    fn write(&mut self, (part, frame): (Part, std::io::Result<StoredFrame>)) -> Result<(), SyncError> {
        let frame = frame.map_err(SyncError::io("compression"))?;
        self.open()?.add_frame(part, frame).map_err(SyncError::io(STAGING))
    }

    fn open(&mut self) -> Result<&mut OpenPack, SyncError> {
        if self.open.is_none() {
            let file = BufWriter::with_capacity(1 << 20, self.uploads.begin()?);
            self.open = Some(PackWriter::new(file).map_err(SyncError::io(STAGING))?);
        }
        // Invariant: set above.
        Ok(self.open.as_mut().expect("a pack is open"))
    }

    /// Ends the frames and the pack that are open.
    fn close(&mut self) -> Result<(), SyncError> {
        for part in [Part::Contents, Part::Skeleton] {
            let frame = match part {
                Part::Contents => std::mem::take(&mut self.contents),
                Part::Skeleton => std::mem::take(&mut self.skeleton),
            };
            if !frame.is_empty() {
                self.compress(part, frame);
            }
        }
        while let Some(frame) = self.compressing.next()? {
            self.write(frame)?;
        }
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
