//! Which known encoder wrote a frame.

#[cfg(test)]
mod tests;

use crate::format::FrameHeader;
use crate::klauspost::{Klauspost, candidates};
use crate::reader::{ZstdPart, ZstdReader};
use crate::{KnownEncoder, Reencoder};

/// The plain bytes that are looked at, at first.
const PLAIN_BYTES: usize = 1 << 20;
/// If plain bytes are very repetitive, the first MiB of them says little: more are looked at as long as they take fewer
/// stored bytes than this.
const TELLING_BYTES: usize = 32 << 10;
const MAX_PLAIN_BYTES: usize = 16 << 20;
/// The plain bytes that an encoder is given before the frame it makes of them is compared.
const PIECE_BYTES: usize = 64 << 10;

/// The beginning of a frame, with what it holds.
#[derive(Debug)]
pub struct Beginning<'a> {
    stored: &'a [u8],
    pub(crate) header: FrameHeader,
    pub(crate) plain: Vec<u8>,
    /// The plain bytes of each whole block.
    pub(crate) blocks: Vec<usize>,
    /// The plain bytes are all that the frame holds.
    pub(crate) is_whole: bool,
}

impl<'a> Beginning<'a> {
    /// Reads the frame with which `stored` begins: its first MiB, say, or all there is. `None`: this is not the
    /// beginning of a sound frame that holds plain bytes.
    #[must_use]
    pub fn of(stored: &'a [u8]) -> Option<Self> {
        let (mut reader, mut plain, mut at, mut most) = (ZstdReader::default(), Vec::new(), 0, PLAIN_BYTES);
        let is_whole = loop {
            let wanted = most - plain.len();
            let step = reader.push(&stored[at..], &mut plain, wanted).ok()?;
            at += step.taken;
            if step.ended_part || at == stored.len() && plain.len() < most {
                break step.ended_part;
            }
            if plain.len() == most {
                if at >= TELLING_BYTES || most >= MAX_PLAIN_BYTES {
                    break false;
                }
                most += PLAIN_BYTES;
            }
        };
        let header = *reader.header()?;
        let stored = match reader.parts() {
            [ZstdPart::Frame { stored: range, .. }] => stored.get(..range.end as usize)?,
            [] => stored,
            _ => return None,
        };
        Some(Self { stored, header, blocks: reader.blocks().to_vec(), plain, is_whole })
    }

    /// The plain bytes at the frame's beginning, as many as are looked at.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// The known encoders that may have written the frame, the likelier ones first.
    ///
    /// Each candidate is tried when it is asked for: it encodes the beginning and is dropped at the first byte that
    /// differs. Those that are given fit so far; only encoding all of the plain bytes proves it.
    pub fn encoders(&self) -> impl Iterator<Item = KnownEncoder> + '_ {
        candidates(self).map(KnownEncoder::Klauspost).filter(|known| self.fits(*known))
    }

    /// Whether an encoder makes the beginning.
    #[must_use]
    pub fn fits(&self, known: KnownEncoder) -> bool {
        self.agrees(known).is_some()
    }

    fn agrees(&self, known: KnownEncoder) -> Option<()> {
        let plain_bytes = if self.is_whole { Some(self.plain.len() as u64) } else { self.header.plain_bytes };
        let mut encoder = Reencoder::new(known, plain_bytes.unwrap_or_default());
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

impl Klauspost {
    /// The size of window that a frame's header tells, as a power of two.
    pub(crate) fn window_log_of(header: &FrameHeader) -> Option<u8> {
        let log = header.window.checked_ilog2()? as u8;
        (header.window.is_power_of_two() && !header.is_single_segment).then_some(log)
    }
}
