//! A store in a folder of this computer, or of a mounted share.

mod arrive;
mod links;
mod list;
mod open;
mod reader;
mod tidy;
mod write;

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::name::check_name;
use crate::{ByteStream, Download, ReadStore, Span, StoreError};

pub use open::open_regular;
pub use reader::FolderReader;

/// The most bytes of a file that a download keeps in memory at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// A store whose objects are the files below a folder. It counts nothing in a [`Meter`](crate::Meter), since
/// nothing goes over a wire.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
    staging: PathBuf,
    shown: String,
}

impl FolderStore {
    /// Makes the store in `root`. It does not look at the folder before the first object is asked for.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        let shown = root.display().to_string();
        Self { staging: root.join(tidy::STAGING_FOLDER), root, shown }
    }

    /// Makes a store of a folder with files other than a store's, such as indexes. Files that are being written
    /// wait in the same folder.
    #[must_use]
    pub fn plain(root: PathBuf) -> Self {
        Self { staging: root.clone(), ..Self::new(root) }
    }

    /// The folder of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    async fn open(&self, name: &str, span: Span) -> Result<Download, StoreError> {
        check_name(&self.shown, name)?;
        let path = self.root.join(name);
        span.check(&path.display().to_string())?;
        // All of this is one piece of work for another thread, since most objects are read with one piece, and a
        // change of threads takes longer than such a read.
        blocking(move || {
            let (mut file, metadata) = open_file(&path)?;
            let object_bytes = metadata.len();
            let Some(range) = span.within(object_bytes) else {
                return Err(StoreError::Damaged {
                    object: path.display().to_string(),
                    reason: format!("it has {object_bytes} bytes, fewer than were asked for"),
                });
            };
            if range.start > 0 {
                file.seek(SeekFrom::Start(range.start)).map_err(StoreError::io(&path))?;
            }
            let mut left = range.end - range.start;
            let first = read_piece(&mut file, &path, &mut left)?;
            let body = FileBody { file: File::from_std(file), path, left, first }.into_stream();
            Ok(Download { range, object_bytes: Some(object_bytes), version: Some(write::version_of(&metadata)), body })
        })
        .await
    }
}

impl ReadStore for FolderStore {
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        Box::pin(self.open(name, span))
    }

    fn is_local(&self) -> bool {
        true
    }

    fn location(&self) -> &str {
        &self.shown
    }
}

/// Opens a regular file and returns its metadata. Anything else there counts as absent.
fn open_file(path: &Path) -> Result<(std::fs::File, std::fs::Metadata), StoreError> {
    open_regular(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput => absent(path),
        _ => StoreError::io(path)(source),
    })
}

/// Reads the first piece of a body of `left` bytes, which are counted down. There is none if nothing is left.
fn read_piece(file: &mut std::fs::File, path: &Path, left: &mut u64) -> Result<Option<Bytes>, StoreError> {
    let wanted = piece_bytes(*left);
    let mut piece = Vec::with_capacity(wanted);
    file.take(wanted as u64).read_to_end(&mut piece).map_err(StoreError::io(path))?;
    *left -= piece.len() as u64;
    Ok((!piece.is_empty()).then(|| piece.into()))
}

/// The size of the next piece of a body of which this many bytes are left.
fn piece_bytes(left: u64) -> usize {
    usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES))
}

/// Runs work that waits for the disk on another thread than the network's.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Only a panic, or a runtime that is ending, leads here.
        Err(error) => Err(StoreError::Io { path: PathBuf::new(), source: std::io::Error::other(error) }),
    }
}

fn absent(path: &Path) -> StoreError {
    StoreError::NotFound { object: path.display().to_string(), status: None }
}

/// The rest of a file that is being read.
struct FileBody {
    file: File,
    path: PathBuf,
    /// The bytes that were not read yet.
    left: u64,
    /// The first piece, which was read when the file was opened.
    first: Option<Bytes>,
}

impl FileBody {
    fn into_stream(self) -> ByteStream {
        Box::pin(stream::try_unfold(
            self,
            |mut body| async move { Ok(body.next_piece().await?.map(|piece| (piece, body))) },
        ))
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = piece_bytes(self.left);
        let mut piece = BytesMut::with_capacity(wanted);
        let mut source = (&mut self.file).take(wanted as u64);
        let read = source.read_buf(&mut piece).await.map_err(StoreError::io(&self.path))?;
        if read == 0 {
            return Err(StoreError::Damaged {
                object: self.path.display().to_string(),
                reason: format!("it ended {} bytes early; it was cut while it was read", self.left),
            });
        }
        self.left -= read as u64;
        Ok(Some(piece.freeze()))
    }
}
