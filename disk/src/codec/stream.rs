//! Compressed streams of any length: reading them front to back, and the encoders of those that no other crate makes.

use regrow_deflate::Inflater;
use regrow_zstd::{ZstdReader, put_number, take_number};

use super::lzma2::{Lzma2Decoder, Lzma2Encoder, XzStreams};
use super::{BlockError, encoder};
use crate::StreamCodec;

/// The number of plain bytes that are encoded at a time to tell encoders of xz apart.
const STEP_BYTES: usize = 256 << 10;
/// The number of bytes of a stream that tell them apart.
const TELLING_BYTES: usize = 192 << 10;

/// Reads a compressed stream that arrives in pieces of any size.
pub struct StreamReader(Kind);

enum Kind {
    Deflate(Box<Inflater>),
    Zstd(Box<ZstdReader>),
    Lzma2(Box<Lzma2Decoder>),
}

/// The result of taking a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamStep {
    /// The number of stored bytes that were taken.
    pub taken: usize,
    /// Whether the stream has ended, and all its plain bytes were given.
    pub ended: bool,
}

impl StreamReader {
    /// Begins a stream.
    ///
    /// # Errors
    /// [`BlockError::Damaged`]: there is no such stream.
    pub fn new(codec: StreamCodec) -> Result<Self, BlockError> {
        Ok(Self(match codec {
            StreamCodec::Deflate => Kind::Deflate(Box::new(Inflater::new())),
            StreamCodec::Zstd => Kind::Zstd(Box::new(ZstdReader::without_parts())),
            StreamCodec::Lzma2 { dictionary_bytes, filter } => {
                Kind::Lzma2(Box::new(Lzma2Decoder::new(dictionary_bytes, filter)?))
            }
        }))
    }

    /// Takes stored bytes, and appends at most `wanted` plain ones. It may be called without stored bytes for plain ones
    /// that are still to come.
    ///
    /// # Errors
    /// [`BlockError::Damaged`].
    pub fn push(&mut self, stored: &[u8], plain: &mut Vec<u8>, wanted: usize) -> Result<StreamStep, BlockError> {
        match &mut self.0 {
            Kind::Deflate(inflater) => {
                let step = inflater.inflate(stored, plain, wanted)?;
                Ok(StreamStep { taken: step.taken, ended: step.ended })
            }
            Kind::Zstd(reader) => {
                let step = reader.push(stored, plain, wanted).map_err(|_| BlockError::Damaged)?;
                Ok(StreamStep { taken: step.taken, ended: step.ended_part })
            }
            Kind::Lzma2(decoder) => {
                let (taken, ended) = decoder.push(stored, plain, wanted)?;
                Ok(StreamStep { taken, ended })
            }
        }
    }
}

impl XzStreams {
    /// Appends what stands for it in files: its number, then its parameters. At most 32 bytes.
    pub fn put_numbered(self, out: &mut Vec<u8>) {
        put_number(out, encoder::LZMA2);
        self.put(out);
    }

    /// Takes it off the front of `bytes`; `None` for what [`XzStreams::put_numbered`] does not write.
    pub fn take_numbered(bytes: &mut &[u8]) -> Option<Self> {
        (take_number(bytes)? == encoder::LZMA2).then(|| Self::take(bytes)).flatten()
    }

    /// The parameters that make the beginning of this stream of these plain bytes, the likelier ones first. Both are
    /// beginnings, or all there is if `is_whole`.
    pub fn recognise(
        codec: StreamCodec,
        (stored, plain): (&[u8], &[u8]),
        is_whole: bool,
    ) -> impl Iterator<Item = Self> {
        let parameters = match codec {
            StreamCodec::Lzma2 { dictionary_bytes, filter } => Some((dictionary_bytes, filter)),
            StreamCodec::Deflate | StreamCodec::Zstd => None,
        };
        let candidates = parameters.into_iter().flat_map(|(dictionary, filter)| Self::candidates(dictionary, filter));
        candidates.filter(move |known| known.begins(stored, plain, is_whole).unwrap_or(false))
    }

    /// The parameters that make all of this stream of these plain bytes.
    #[must_use]
    pub fn of_stream(codec: StreamCodec, stored: &[u8], plain: &[u8]) -> Option<Self> {
        let StreamCodec::Lzma2 { dictionary_bytes, filter } = codec else { return None };
        Self::candidates(dictionary_bytes, filter).find(|known| known.makes(stored, plain).unwrap_or(false))
    }

    /// Whether this makes all of a stream. It is over at the first piece that is another one.
    fn makes(self, stored: &[u8], plain: &[u8]) -> Result<bool, BlockError> {
        let (mut encoder, mut made, mut at) = (Lzma2Encoder::new(self)?, Vec::new(), 0);
        for piece in plain.chunks(STEP_BYTES) {
            encoder.write(piece, &mut made)?;
            if !stored[at..].starts_with(&made) {
                return Ok(false);
            }
            at += made.len();
            made.clear();
        }
        encoder.finish(&mut made)?;
        Ok(stored[at..] == made)
    }

    /// Makes the stream of these plain bytes.
    ///
    /// # Errors
    /// [`BlockError::NotMade`]: there is not enough memory.
    pub fn encode(self, plain: &[u8]) -> Result<Vec<u8>, BlockError> {
        let (mut encoder, mut made) = (Lzma2Encoder::new(self)?, Vec::new());
        encoder.write(plain, &mut made)?;
        encoder.finish(&mut made)?;
        Ok(made)
    }

    /// Whether this makes the beginning of a stream.
    fn begins(self, stored: &[u8], plain: &[u8], is_whole: bool) -> Result<bool, BlockError> {
        let (mut encoder, mut made) = (Lzma2Encoder::new(self)?, Vec::new());
        for piece in plain.chunks(STEP_BYTES) {
            encoder.write(piece, &mut made)?;
            let len = made.len().min(stored.len());
            if made[..len] != stored[..len] {
                return Ok(false);
            }
            if len >= TELLING_BYTES {
                return Ok(true);
            }
        }
        if is_whole {
            encoder.finish(&mut made)?;
            return Ok(made == stored);
        }
        Ok(!made.is_empty())
    }
}
