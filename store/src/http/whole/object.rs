//! One object on its way into its file. It is read only as far as somebody wants it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::super::answer;
use super::super::body::Body;
use super::{MAX_FILE_BYTES, most_before_end, too_long};
use crate::folder::blocking;
use crate::{ByteStream, Download, Span, StoreError};

/// The number of bytes that are written at once.
const WRITE_BYTES: usize = 512 << 10;
/// The number of bytes that are read at once.
const READ_BYTES: u64 = 256 << 10;
/// The time for which a body is kept open although nobody wants more of it. Over HTTP/2, an open body holds up
/// others.
const IDLE: Duration = Duration::from_secs(10);

/// The facts about an object in the head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Expected {
    /// The object's name in errors.
    pub(in super::super) object: String,
    pub(in super::super) object_bytes: Option<u64>,
    pub(in super::super) version: Option<String>,
}

/// An object, whole or in part.
pub(in super::super) struct WholeObject {
    expected: Expected,
    /// The most bytes that are read in search of an end that the host does not state: those that the disk has room for.
    most_bytes: u64,
    file: Arc<File>,
    folder: PathBuf,
    /// The offset up to which the object is wanted.
    wanted: watch::Sender<u64>,
    arrived: watch::Receiver<Arrived>,
    filling: AbortHandle,
}

/// The contents of the file.
#[derive(Clone, Default)]
struct Arrived {
    bytes: u64,
    end: Option<End>,
}

/// The way in which the body ended.
#[derive(Clone)]
enum End {
    Complete,
    /// Nobody wanted more.
    Left,
    Failed(Arc<StoreError>),
}

impl WholeObject {
    /// Reads `body` into `file`, as soon as some of it is wanted.
    pub(super) fn begin(file: File, folder: PathBuf, body: Body, (expected, most_bytes): (Expected, u64)) -> Self {
        let file = Arc::new(file);
        let ((wanted, wants), (arrivals, arrived)) = (watch::channel(0), watch::channel(Arrived::default()));
        let filler = Filler { file: Arc::clone(&file), folder: folder.clone(), body, wants, arrivals };
        let filling = tokio::spawn(filler.run()).abort_handle();
        Self { expected, most_bytes, file, folder, wanted, arrived, filling }
    }

    /// Whether the object must be requested again for its further bytes.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.arrived.borrow().end, Some(End::Left | End::Failed(_)))
    }

    /// The number of bytes by which the file will still grow.
    pub(super) fn missing_bytes(&self) -> u64 {
        let arrived = self.arrived.borrow();
        let total = self.expected.object_bytes.unwrap_or(*self.wanted.borrow()).min(MAX_FILE_BYTES);
        if arrived.end.is_some() { 0 } else { total.saturating_sub(arrived.bytes) }
    }

    /// Begins to read a span of the object.
    pub(in super::super) async fn serve(self: Arc<Self>, span: &Span) -> Result<Download, StoreError> {
        let object_bytes = match (self.expected.object_bytes, span) {
            (None, Span::Suffix(bytes)) => Some(self.find_end(most_before_end(*bytes)).await?),
            (None, Span::Whole | Span::Front(_)) => Some(self.find_end(self.most_bytes).await?),
            (known, _) => known,
        };
        let range = match (object_bytes, span) {
            (None, Span::Range(range)) => range.clone(),
            (bytes, span) => {
                let bytes = bytes.unwrap_or_default();
                span.within(bytes).ok_or_else(|| answer::too_short(self.expected.object.clone(), bytes))?
            }
        };
        self.want(range.end);
        let version = self.expected.version.clone();
        let body = Reading { at: range.start, end: range.end, arrived: self.arrived.clone(), object: self };
        Ok(Download { range, object_bytes, version, body: body.into_stream() })
    }

    fn want(&self, end: u64) {
        self.wanted.send_if_modified(|wanted| {
            let is_further = *wanted < end;
            *wanted = end.max(*wanted);
            is_further
        });
    }

    /// Reads an object to its end, to learn the size that its host does not state.
    async fn find_end(&self, max_bytes: u64) -> Result<u64, StoreError> {
        self.want(max_bytes);
        let mut arrived = self.arrived.clone();
        let ended = arrived.wait_for(|arrived| arrived.end.is_some() || arrived.bytes >= max_bytes).await;
        let state = ended.map(|state| state.clone()).unwrap_or_default();
        match state.end {
            Some(End::Complete) => Ok(state.bytes),
            Some(End::Failed(error)) => Err(copy(&error)),
            Some(End::Left) => Err(self.left_off()),
            None => Err(too_long(&self.expected.object, max_bytes)),
        }
    }

    fn left_off(&self) -> StoreError {
        let reason = "the connection was given up before this was wanted".to_owned();
        StoreError::Network { object: self.expected.object.clone(), reason, transient: true }
    }
}

impl Drop for WholeObject {
    fn drop(&mut self) {
        self.filling.abort();
    }
}

/// Copies the body into the file.
struct Filler {
    file: Arc<File>,
    folder: PathBuf,
    body: Body,
    wants: watch::Receiver<u64>,
    arrivals: watch::Sender<Arrived>,
}

impl Filler {
    async fn run(mut self) {
        let end = match self.fill().await {
            Ok(end) => end,
            Err(error) => End::Failed(Arc::new(error)),
        };
        self.arrivals.send_modify(|arrived| arrived.end = Some(end));
    }

    async fn fill(&mut self) -> Result<End, StoreError> {
        let (mut buffer, mut bytes) = (BytesMut::new(), 0_u64);
        loop {
            let wanted = *self.wants.borrow_and_update();
            if bytes >= wanted {
                self.flush(&mut buffer).await?;
                match tokio::time::timeout(IDLE, self.wants.changed()).await {
                    Ok(Ok(())) => continue,
                    _ => return Ok(End::Left),
                }
            }
            let Some(piece) = self.body.read().await? else {
                self.flush(&mut buffer).await?;
                return Ok(End::Complete);
            };
            bytes += piece.len() as u64;
            buffer.extend_from_slice(&piece);
            if buffer.len() >= WRITE_BYTES {
                self.flush(&mut buffer).await?;
            }
        }
    }

    async fn flush(&mut self, buffer: &mut BytesMut) -> Result<(), StoreError> {
        if buffer.is_empty() {
            return Ok(());
        }
        let (file, at, piece) = (Arc::clone(&self.file), self.arrivals.borrow().bytes, buffer.split().freeze());
        let (length, folder) = (piece.len() as u64, self.folder.clone());
        blocking(move || file.write_all_at(&piece, at).map_err(StoreError::io(folder))).await?;
        self.arrivals.send_modify(|arrived| arrived.bytes += length);
        Ok(())
    }
}

/// A span that is read as it arrives.
struct Reading {
    object: Arc<WholeObject>,
    arrived: watch::Receiver<Arrived>,
    at: u64,
    end: u64,
}

impl Reading {
    fn into_stream(self) -> ByteStream {
        Box::pin(stream::try_unfold(self, |mut reading| async move {
            Ok(reading.next_piece().await?.map(|piece| (piece, reading)))
        }))
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let at = self.at;
        let state = self.arrived.wait_for(|arrived| arrived.bytes > at || arrived.end.is_some()).await;
        let state = state.map(|state| state.clone()).unwrap_or_default();
        if state.bytes <= at {
            return Err(match state.end {
                Some(End::Failed(error)) => copy(&error),
                Some(End::Complete) => answer::too_short(self.object.expected.object.clone(), state.bytes),
                Some(End::Left) | None => self.object.left_off(),
            });
        }
        // The length is at most the constant, so it fits a usize.
        let length = READ_BYTES.min(state.bytes - at).min(self.end - at) as usize;
        let (file, folder) = (Arc::clone(&self.object.file), self.object.folder.clone());
        let piece = blocking(move || {
            let mut piece = BytesMut::zeroed(length);
            file.read_exact_at(&mut piece, at).map_err(StoreError::io(folder))?;
            Ok(piece.freeze())
        });
        let piece = piece.await?;
        self.at += piece.len() as u64;
        Ok(Some(piece))
    }
}

/// A copy of the error, for each reader that waits.
fn copy(error: &StoreError) -> StoreError {
    match error {
        StoreError::Network { object, reason, transient } => {
            StoreError::Network { object: object.clone(), reason: reason.clone(), transient: *transient }
        }
        StoreError::Slow { object, bytes, within } => {
            StoreError::Slow { object: object.clone(), bytes: *bytes, within: *within }
        }
        StoreError::Io { path, source } => {
            let source = std::io::Error::new(source.kind(), source.to_string());
            StoreError::Io { path: path.clone(), source }
        }
        other => StoreError::Protocol { object: String::new(), reason: other.to_string() },
    }
}
