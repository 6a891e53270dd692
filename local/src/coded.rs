//! Coded files: gzip files that an image's streams hold in uncompressed form. FORMAT.md, sections 2.3 and 6.1.
//!
//! When an image is read, `guess` looks at a gzip file's beginning and decides whether the file is coded. Make also
//! proves it: it puts the file aside (`aside`), and `prove` finds out how the file is rebuilt. A seed reads its
//! gzip files at random through `plain_file`, which starts at the places that `points` gathered. When an image is
//! written, `stream` makes a member's stream from its plain bytes.

mod aside;
mod guess;
mod plain_file;
mod points;
mod prove;
pub(crate) mod stream;

pub(crate) use aside::Aside;
use guess::plain_beginning;
pub(crate) use guess::{Guess, PREFIX_BYTES, guess};
pub(crate) use plain_file::PlainFile;
pub(crate) use points::{PointCollector, Unfolded};
pub(crate) use prove::{Proof, prove};
