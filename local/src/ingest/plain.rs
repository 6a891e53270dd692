//! A plain image that comes from elsewhere than from an image's own bytes: where its coded files are is known.

use bytes::Bytes;
use regrow_image::Splitter;

use super::{ChunkSink, Hashed, Hashing, Reading, refusing};
use crate::LocalError;

/// What comes next of a plain image.
pub enum PlainPiece {
    /// These bytes.
    Bytes(Bytes),
    /// A coded file begins.
    BeginCoded,
    /// It ends.
    EndCoded,
}

/// Gives a plain image front to back.
pub trait PlainSource {
    /// The next piece; `None` at the end.
    fn next(&mut self) -> Result<Option<PlainPiece>, LocalError>;
}

/// Reads all of a plain image; hands each chunk to `sink`, whose first error ends it.
///
/// # Errors
/// Those of `source`, and the first one of `sink`.
pub fn ingest_plain<E: From<LocalError>>(
    source: &mut dyn PlainSource,
    reading: &Reading<'_>,
    mut sink: impl FnMut(Hashed) -> Result<(), E>,
) -> Result<(), E> {
    refusing(&mut sink, |sink| ingest_all(source, reading, sink))
}

fn ingest_all(source: &mut dyn PlainSource, reading: &Reading<'_>, sink: ChunkSink<'_>) -> Result<(), LocalError> {
    let mut hashing = Hashing::new(reading.pool, Splitter::new(reading.params), sink);
    while let Some(piece) = source.next()? {
        match piece {
            PlainPiece::Bytes(bytes) => {
                reading.progress.add(reading.stage, bytes.len() as u64);
                hashing.push(bytes)?;
            }
            PlainPiece::BeginCoded => hashing.splitter.begin_coded(),
            PlainPiece::EndCoded => hashing.splitter.end_coded(),
        }
    }
    hashing.finish().map(|_| ())
}
