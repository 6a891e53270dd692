//! Files whose `ETag` follows from their contents.
//!
//! tower-http makes an `ETag` of a file's size and of its modification time in nanoseconds. Both are often equal
//! for two states of a file. Indexes of two releases often have the same size, and `rsync -t`, archives and
//! reproducible builds set times as they like. So the nanoseconds are made to follow from the contents, or for a
//! large file from its inode and the times that nobody chooses. `Last-Modified` has whole seconds and stays right.

use std::fs::Metadata;
use std::io::{self, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs;

/// The largest file that is read for its tag, which takes 5 ms. Indexes of images of a few GB have about 1 MiB.
const MAX_READ_BYTES: u64 = 16 << 20;
/// The number of bytes that are read at once.
const BLOCK_BYTES: usize = 64 << 10;

/// An open file.
#[derive(Debug)]
pub(super) struct TaggedFile {
    file: tokio::fs::File,
    tagged: Tagged,
}

/// The metadata that tower-http asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tagged {
    is_dir: bool,
    bytes: u64,
    modified: SystemTime,
}

impl TaggedFile {
    /// Opens a file or a folder.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = std::fs::File::open(path)?;
        let tagged = Tagged::of(&file, path)?;
        Ok(Self { file: tokio::fs::File::from_std(file), tagged })
    }

    pub(super) fn tagged(&self) -> Tagged {
        self.tagged
    }
}

impl Tagged {
    fn of(file: &std::fs::File, path: &Path) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let seconds = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let is_named_by_contents = super::answer::is_immutable(path);
        let print = match metadata.len() {
            0..=MAX_READ_BYTES if metadata.is_file() && !is_named_by_contents => print_of_contents(file)?,
            _ => print_of_state(&metadata),
        };
        let nanoseconds = u32::from_le_bytes(*print.as_bytes().first_chunk().unwrap_or(&[0; 4])) % 1_000_000_000;
        let modified = UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds)).unwrap_or(UNIX_EPOCH);
        Ok(Self { is_dir: metadata.is_dir(), bytes: metadata.len(), modified })
    }
}

fn print_of_contents(file: &std::fs::File) -> io::Result<blake3::Hash> {
    let (mut hasher, mut block, mut at) = (blake3::Hasher::new(), vec![0; BLOCK_BYTES], 0);
    loop {
        // It is read at an offset, so that the reader of the file still begins at its start.
        let read = file.read_at(&mut block, at)?;
        if read == 0 || at > MAX_READ_BYTES {
            return Ok(hasher.finalize());
        }
        hasher.update(&block[..read]);
        at += read as u64;
    }
}

fn print_of_state(metadata: &Metadata) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for number in [metadata.dev(), metadata.ino()] {
        hasher.update(&number.to_le_bytes());
    }
    for time in [metadata.ctime(), metadata.ctime_nsec(), metadata.mtime(), metadata.mtime_nsec()] {
        hasher.update(&time.to_le_bytes());
    }
    hasher.finalize()
}

impl fs::Metadata for Tagged {
    fn is_dir(&self) -> bool {
        self.is_dir
    }

    fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.modified)
    }

    fn len(&self) -> u64 {
        self.bytes
    }
}

impl fs::File for TaggedFile {
    type Metadata = Tagged;
    type MetadataFuture<'a> = std::future::Ready<io::Result<Tagged>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        std::future::ready(Ok(self.tagged))
    }
}

impl AsyncRead for TaggedFile {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, buffer)
    }
}

impl AsyncSeek for TaggedFile {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.file).poll_complete(cx)
    }
}
