//! Whether all of an image is there. What a failed producer leaves must not be published as the image that devices poll.

mod compressed;
mod watched;

use std::io;

use regrow_image::{BLOCK, Cut, Ending, Splitter};

use super::{GzipFiles, Ingest};
use crate::{LocalError, Missing};

use compressed::Compressed;
pub use watched::WatchedFile;

/// What an image's bytes say of whether they are all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    /// They are, or nothing says that they are not.
    Yes,
    /// A tar of whole entries, without the blocks of zeros that end one.
    Unmarked,
    /// They are not.
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

/// Collects, while an image is read, what tells whether it is whole.
#[derive(Default)]
pub(super) struct Watch {
    /// The image is a compressed file that stays as it is.
    pub(super) compressed: Option<Compressed>,
    /// The image is a compressed file that is read as what it holds, which ends so.
    pub(super) held: Option<Ending>,
    /// It ends within a compressed entry, of which this many bytes are missing.
    pub(super) missing: u64,
}

impl Watch {
    /// The image ends here, after this many bytes.
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
    /// The image must be whole, because it is made.
    fn is_made(&self) -> bool {
        matches!(self.reading.gzip_files, GzipFiles::Prove(_))
    }

    /// Looks at bytes that the walker gets as they are, since the image may be a compressed file.
    pub(super) fn watch(&mut self, piece: &[u8]) {
        // At longer ones of gzip and zstd the walker stops.
        let is_first = self.bytes == piece.len() as u64;
        if is_first && (self.bytes < BLOCK as u64 || compressed::is_xz(piece)) {
            self.begin_compressed(piece);
        }
        self.watch_more(piece);
    }

    /// The same, behind the image's beginning.
    pub(super) fn watch_more(&mut self, piece: &[u8]) {
        if let Some(compressed) = &mut self.watch.compressed {
            compressed.push(piece);
        }
    }

    /// The image begins so, and is not read as what it holds.
    pub(super) fn begin_compressed(&mut self, beginning: &[u8]) {
        if self.is_made() {
            self.watch.compressed = Compressed::of(beginning);
        }
    }

    /// What an error of the input is.
    pub(super) fn error_of(&self, source: io::Error) -> LocalError {
        if self.is_made() {
            return watched::error_of(source, self.input.name, self.bytes);
        }
        LocalError::io(self.input.name)(source)
    }
}
