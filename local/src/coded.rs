//! Coded files: gzip files that stand in an image's streams as what they hold. FORMAT.md, sections 2.3 and 6.1.
//!
//! Reading an image: `guess` says by a gzip file's beginning whether it is to be coded; make moreover proves it (`prove`), having put the file
//! aside (`aside`), and learns how it is rebuilt. A seed's gzip files are read at random by way of `points`, through `plain_file`. Writing an image: `stream` makes a member's stream of its plain bytes.

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
