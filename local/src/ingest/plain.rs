//! Reads a plain image that is not made from an image's own bytes. The places of its coded files are known.

use std::io;

use bytes::Bytes;
use regrow_chunker::PartKind;
use regrow_image::{ImagePart, Op, Splitter};

use super::{ChunkSink, Hashed, Hashing, Reading, refusing};
use crate::LocalError;

/// The next part of a plain image.
pub enum PlainPiece {
    /// The image is a disk image that these operations divide. Nothing comes before this, and only by
    /// [`WalkRules::V5`](regrow_image::WalkRules::V5).
    Divided(Vec<Op>),
    /// Plain bytes.
    Bytes(Bytes),
    /// A coded file begins.
    BeginCoded,
    /// The coded file ends.
    EndCoded,
    /// A part of which the chunks are known already, so that its bytes do not come.
    Part {
        /// The kind of the part.
        kind: PartKind,
        /// The number of its plain bytes.
        bytes: u64,
    },
}

/// A source that gives a plain image front to back.
pub trait PlainSource {
    /// The next piece, or `None` at the end.
    fn next(&mut self) -> Result<Option<PlainPiece>, LocalError>;
}

/// Reads all of a plain image, and passes each chunk to `sink`, whose first error ends the reading. The result is the
/// image's parts.
///
/// # Errors
/// `source` fails, or the sink refuses a chunk.
pub fn ingest_plain<E: From<LocalError>>(
    source: &mut dyn PlainSource,
    reading: &Reading<'_>,
    mut sink: impl FnMut(Hashed) -> Result<(), E>,
) -> Result<Vec<ImagePart>, E> {
    refusing(&mut sink, |sink| ingest_all(source, reading, sink))
}

fn ingest_all(
    source: &mut dyn PlainSource,
    reading: &Reading<'_>,
    sink: ChunkSink<'_>,
) -> Result<Vec<ImagePart>, LocalError> {
    let mut hashing = Hashing::new(reading.pool, splitter_of(reading), None, sink);
    while let Some(piece) = source.next()? {
        match piece {
            PlainPiece::Bytes(bytes) => {
                reading.progress.add(reading.stage, bytes.len() as u64);
                hashing.push(bytes)?;
            }
            PlainPiece::Divided(ops) => hashing.splitter = splitter_of(reading).divided_by(ops),
            PlainPiece::BeginCoded => hashing.begin_coded()?,
            PlainPiece::EndCoded => hashing.end_coded()?,
            PlainPiece::Part { kind, bytes } => {
                if !hashing.splitter.skip_part(kind, bytes) {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "a part stands where none can");
                    return Err(LocalError::io("a patched image")(error));
                }
            }
        }
    }
    hashing.finish().map(|finished| finished.parts)
}

fn splitter_of(reading: &Reading<'_>) -> Splitter {
    Splitter::new(reading.params).by_rules(reading.rules)
}
