//! Which known encoder wrote a frame.

#[cfg(test)]
mod tests;

use crate::beginning::Beginning;
use crate::encoders::{KnownEncoder, Reencoder};
use crate::klauspost::candidates;
use crate::libzstd;

/// The plain bytes that an encoder is given before the frame it makes of them is compared.
const PIECE_BYTES: usize = 64 << 10;

impl Beginning<'_> {
    /// The known encoders that may have written the frame, the likelier ones first.
    ///
    /// Each candidate is tried when it is asked for: it encodes the beginning and is dropped at the first byte that
    /// differs. Those that are given fit so far; only encoding all of the plain bytes proves it.
    pub fn encoders(&self) -> impl Iterator<Item = KnownEncoder> + '_ {
        let klauspost = candidates(self).map(KnownEncoder::Klauspost).filter(|known| self.fits(*known));
        let libzstd = libzstd::recognise(self.header, self.stored, &self.plain, self.is_whole);
        klauspost.chain(libzstd.map(KnownEncoder::Libzstd))
    }

    /// Whether an encoder makes the beginning.
    #[must_use]
    pub fn fits(&self, known: KnownEncoder) -> bool {
        self.agrees(known).is_some()
    }

    fn agrees(&self, known: KnownEncoder) -> Option<()> {
        let plain_bytes = if self.is_whole { Some(self.plain.len() as u64) } else { self.header.plain_bytes };
        let mut encoder = Reencoder::new(known, plain_bytes.unwrap_or(u64::MAX));
        let (mut made, mut rest) = (Vec::new(), self.stored);
        for piece in self.plain.chunks(PIECE_BYTES) {
            encoder.write(piece, &mut made);
            let common = made.len().min(rest.len());
            if made[..common] != rest[..common] {
                return None;
            }
            rest = &rest[common..];
            made.clear();
            if rest.is_empty() && !self.is_whole {
                return Some(());
            }
        }
        if !self.is_whole {
            return Some(());
        }
        encoder.finish(&mut made);
        (made == rest).then_some(())
    }
}

/// The encoder that may have written the frame with which `stored` begins; see [`Beginning`].
#[must_use]
pub fn guess(stored: &[u8]) -> Option<KnownEncoder> {
    Beginning::of(stored)?.encoders().next()
}
