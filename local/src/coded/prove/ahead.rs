//! Tries an encoder on a gzip file's first member while that is still being decompressed.
//!
//! Most files have one member, and what wrote its beginning wrote all of it. Decompressing keeps one core busy and encoding
//! keeps all of them busy, so side by side they take less time than one after the other.

use std::cell::Cell;
use std::sync::mpsc::Receiver;

use regrow_deflate::encoders::{KnownEncoder, recognise};

use super::{CodedEncoder, Makers, StoredBytes};
use crate::LocalError;
use crate::coded::{Aside, PREFIX_BYTES, plain_beginning};

/// An encoder that was found to make the first member's stream.
pub(super) struct Agreed {
    pub(super) known: KnownEncoder,
    /// The offset in the file at which its output ends.
    pub(super) end: u64,
}

/// The encoder that most likely wrote a file's first member.
pub(super) struct Ahead<'a, 'p> {
    stored: &'a Aside,
    makers: &'a Makers<'p>,
    known: KnownEncoder,
    /// The offset of the member's stream.
    start: u64,
}

impl<'a, 'p> Ahead<'a, 'p> {
    /// Looks at the beginning. The result is `None` if no encoder is recognised, and for a member that ends so soon that
    /// there is nothing to gain.
    pub(super) fn of(stored: &'a Aside, makers: &'a Makers<'p>) -> Result<Option<Self>, LocalError> {
        let mut beginning = vec![0; PREFIX_BYTES];
        let read = stored.read_at(0, &mut beginning).map_err(LocalError::io("temporary file"))?;
        beginning.truncate(read);
        let Some((reader, plain)) = plain_beginning(&beginning) else { return Ok(None) };
        let Some((_, start)) = reader.current().filter(|_| reader.members().is_empty()) else { return Ok(None) };
        let stream = beginning.get(start as usize..).unwrap_or_default();
        let known = recognise(stream, &plain).next();
        Ok(known.map(|known| Self { stored, makers, known, start }))
    }

    /// Encodes the member's plain bytes as they arrive, as long as the result is what is stored.
    pub(super) fn follow(&self, pieces: &Receiver<Vec<u8>>) -> Result<Option<Agreed>, LocalError> {
        let mut maker = self.makers.take(CodedEncoder::Deflate(self.known), &[]);
        let (mut end, mut buffer, agrees) = (self.start, Vec::new(), Cell::new(true));
        let mut compare = |made: &[u8]| {
            if agrees.get() {
                buffer.resize(made.len(), 0);
                let read = StoredBytes::read_at(self.stored, end, &mut buffer);
                let read = read.map_err(LocalError::io("temporary file"))?;
                agrees.set(read == made.len() && buffer == made);
                end += made.len() as u64;
            }
            Ok::<(), LocalError>(())
        };
        for piece in pieces {
            maker.write(&piece, &mut compare)?;
            if !agrees.get() {
                break;
            }
        }
        if agrees.get() {
            maker.finish(&mut compare)?;
        }
        self.makers.keep(maker);
        Ok(agrees.get().then_some(Agreed { known: self.known, end }))
    }
}
