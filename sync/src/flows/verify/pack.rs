//! Checks every byte of a pack.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::StreamExt;
use regrow_chunker::{ChunkId, PackId, Record};
use regrow_index::Segment;
use regrow_local::{Ordered, Pool};
use regrow_store::{Decompressor, FrameEntry, PackTail, ReadStore, Span, StoreError, pack_name, read_tail_of};

use crate::SyncError;
use crate::transfer::slicer::Slicer;

/// The number of frames that may wait in the pool.
const FRAMES_IN_FLIGHT: usize = 8;

/// The findings about a pack.
#[derive(Default)]
pub(super) struct PackReport {
    pub(super) bytes: u64,
    pub(super) chunks: u64,
    pub(super) problems: Vec<String>,
    /// Whether there is no such pack.
    pub(super) is_absent: bool,
    /// The pack's table, if it could be read.
    pub(super) tail: Option<PackTail>,
}

/// Reads a pack of this many bytes, and checks its name, its table, its segments, and each chunk. Wrong bytes are a
/// problem in the report. It is an error if the host cannot be reached, or if its answer does not fit the request.
pub(super) async fn verify(
    store: &dyn ReadStore,
    (id, bytes): (&PackId, u64),
    pool: &Pool,
    progress: impl Fn(u64),
) -> Result<PackReport, SyncError> {
    let mut report = PackReport::default();
    let name = pack_name(id);
    let object = format!("{}/{name}", store.location());
    let tail = match read_tail_of(store, id, bytes).await {
        Ok((_, tail)) => tail,
        Err(error) if is_about_the_pack(&error) => {
            report.is_absent = error.is_not_found();
            report.problems.push(error.to_string());
            return Ok(report);
        }
        Err(error) => return Err(error.into()),
    };
    for number in 0..tail.segments() {
        let found = tail.segment(number).ok().and_then(|(id, records)| Some((id, Segment::new(records).ok()?)));
        if found.is_none_or(|(id, segment)| segment.id() != id) {
            report.problems.push(format!("{object}: recipe segment {number} is not what its name says"));
        }
    }
    let mut reading =
        Reading { tail: &tail, pool, object: &object, queue: Ordered::new(FRAMES_IN_FLIGHT), report: &mut report };
    let hash = reading.read_all(store, &name, progress).await;
    match hash {
        Ok(hash) if hash == *id => {}
        Ok(_) => report.problems.push(format!("{object}: its bytes are not what its name says")),
        Err(SyncError::Store(error)) if is_about_the_pack(&error) => report.problems.push(error.to_string()),
        Err(error) => return Err(error),
    }
    report.tail = Some(tail);
    Ok(report)
}

fn is_about_the_pack(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NotFound { .. } | StoreError::Damaged { .. } | StoreError::Short { .. } | StoreError::Io { .. }
    )
}

struct Reading<'a> {
    tail: &'a PackTail,
    pool: &'a Pool,
    object: &'a str,
    queue: Ordered<Result<u64, String>>,
    report: &'a mut PackReport,
}

impl Reading<'_> {
    /// Reads the whole pack once. It is hashed, and each frame is checked on its way.
    async fn read_all(
        &mut self,
        store: &dyn ReadStore,
        name: &str,
        progress: impl Fn(u64),
    ) -> Result<PackId, SyncError> {
        let mut body = store.get(name, Span::Whole).await?.body;
        let mut hasher = blake3::Hasher::new();
        let mut frames: VecDeque<&FrameEntry> = self.tail.frames.iter().collect();
        let mut slicer = Slicer::new(0);
        while let Some(piece) = body.next().await {
            let piece = piece?;
            hasher.update(&piece);
            self.report.bytes += piece.len() as u64;
            progress(piece.len() as u64);
            if !frames.is_empty() {
                slicer.push(&piece);
            }
            while let Some((frame, stored)) =
                frames.front().and_then(|frame| Some((*frame, slicer.take(&frame.stored)?)))
            {
                self.submit(frame, stored);
                frames.pop_front();
            }
            while let Some(result) = self.queue.next_due()? {
                self.take(result);
            }
        }
        while let Some(result) = self.queue.next()? {
            self.take(result);
        }
        Ok(PackId::of_hashed(&hasher))
    }

    fn submit(&mut self, frame: &FrameEntry, stored: Bytes) {
        let records = self.tail.records[frame.chunks.clone()].to_vec();
        let (plain_bytes, at, object) = (frame.plain_bytes, frame.stored.start, self.object.to_owned());
        self.queue.push(self.pool.submit(move || {
            check_frame(&stored, plain_bytes, &records).map_err(|reason| format!("{object}: frame at {at}: {reason}"))
        }));
    }

    fn take(&mut self, result: Result<u64, String>) {
        match result {
            Ok(chunks) => self.report.chunks += chunks,
            Err(problem) => self.report.problems.push(problem),
        }
    }
}

/// The number of chunks in a frame, if all of them match their ids.
fn check_frame(stored: &[u8], plain_bytes: u64, records: &[Record]) -> Result<u64, String> {
    let mut decompressor = Decompressor::new().map_err(|error| error.to_string())?;
    let plain = decompressor.decompress(stored, plain_bytes).ok_or("cannot be decompressed")?;
    let mut rest = &plain[..];
    for record in records {
        let (chunk, after) = rest.split_at(rest.len().min(record.len as usize));
        if ChunkId::of(chunk) != record.id {
            return Err(format!("chunk {} is damaged", record.id));
        }
        rest = after;
    }
    Ok(records.len() as u64)
}
