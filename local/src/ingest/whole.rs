//! Finds out whether an image is complete. A failed producer's output must not be published as the image that
//! devices poll.

mod compressed;
mod watched;

use std::io;

use regrow_image::{BLOCK, Cut, Ending, Splitter};

use super::Ingest;
use crate::{LocalError, Missing};

use compressed::Compressed;
pub use watched::WatchedFile;

/// The answer that an image's bytes give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    /// The image is whole, or nothing says that it is not.
    Yes,
    /// The image is a tar of whole entries, but without the blocks of zeros that end a tar.
    Unmarked,
    /// A part of the image is missing.
    No(Missing),
}

impl Whole {
    pub(super) fn by(ending: Ending) -> Self {
        match ending {
            Ending::NoTar | Ending::Marked => Self::Yes,
            Ending::Unmarked => Self::Unmarked,
            Ending::Cut(Cut { path, missing }) => {
                let path = String::from_utf8_lossy(&path).into_owned();
                Self::No(match missing {
                    Some(bytes) => Missing::Entry { path, bytes },
                    None => Missing::Header { path },
                })
            }
        }
    }
}

/// Collects evidence on whether the image is whole, while it is read.
#[derive(Default)]
pub(super) struct Watch {
    /// The decoder of an image that is a compressed file and stays compressed.
    pub(super) compressed: Option<Compressed>,
    /// The ending of the tar in an image that is a compressed file and is read in uncompressed form.
    pub(super) held: Option<Ending>,
    /// The number of bytes that are missing from the compressed entry within which the image ends.
    pub(super) missing: u64,
}

impl Watch {
    /// Gives the answer at the image's end, after this many bytes.
    pub(super) fn finish(self, bytes: u64, splitter: &Splitter) -> Whole {
        match self {
            _ if bytes == 0 => Whole::No(Missing::Everything),
            Self { missing: bytes @ 1.., .. } => {
                Whole::No(Missing::Entry { path: String::from_utf8_lossy(splitter.path()).into_owned(), bytes })
            }
            Self { held: Some(ending), .. } => Whole::by(ending),
            Self { compressed: Some(compressed), .. } => compressed.finish(),
            _ => Whole::by(splitter.ending()),
        }
    }
}

impl Ingest<'_, '_, '_> {
    /// Looks at bytes that the walker gets unchanged, since the image may be a compressed file.
    pub(super) fn watch(&mut self, piece: &[u8]) {
        // A longer gzip or zstd file is a candidate, at which the walker stops.
        let is_first = self.bytes == piece.len() as u64;
        if is_first && (self.bytes < BLOCK as u64 || compressed::is_xz(piece)) {
            self.begin_compressed(piece);
        }
        self.watch_more(piece);
    }

    /// Looks at bytes behind the image's beginning, if the image is a compressed file.
    pub(super) fn watch_more(&mut self, piece: &[u8]) {
        if let Some(compressed) = &mut self.watch.compressed {
            compressed.push(piece);
        }
    }

    /// Begins to look into an image with this beginning that is read in compressed form.
    pub(super) fn begin_compressed(&mut self, beginning: &[u8]) {
        if self.reading.is_made() {
            self.watch.compressed = Compressed::of(beginning);
        }
    }

    /// The error for a failure of the input.
    pub(super) fn error_of(&self, source: io::Error) -> LocalError {
        if self.reading.is_made() {
            return watched::error_of(source, self.input.name, self.bytes);
        }
        LocalError::io(self.input.name)(source)
    }
}
