//! Makes the stream of a gzip member, the frame of a zstd file or another stream from its plain bytes, exactly as its encoder
//! made it. It uses all cores where the encoder allows that.

use bytes::Bytes;
use regrow_deflate::encoders::{Blocks, Encoder, KnownEncoder, encode_block};
use regrow_deflate::{GzipTrailer, Patcher};
use regrow_disk::codec::{BlockError, Lzma2Encoder, XzStreams};
use regrow_index::{CodedFormat, MemberCoding, StreamPiece};
use regrow_zstd::{Rebuilder, Reencoder, ZstdError};

use super::chunked::{ChunkedFile, further_bytes};
use crate::LocalError;
use crate::pool::{Ordered, Pool};

/// The largest number of blocks that are encoded side by side.
const BLOCKS_IN_FLIGHT: usize = 4;
/// Encoders with larger blocks than this run on one thread, since side by side they would take too much memory.
const MAX_BLOCK_BYTES: usize = 4 << 20;

/// The memory of a deflate encoder, with blocks that are encoded side by side.
const DEFLATE_BYTES: u64 = 32 << 20;

/// A consumer of the next bytes of the stream.
pub(crate) type StreamSink<'s, E> = &'s mut dyn FnMut(&[u8]) -> Result<(), E>;

/// An encoder of a coded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodedEncoder {
    /// It writes the deflate stream of a gzip member.
    Deflate(KnownEncoder),
    /// It writes a zstd frame, or a whole file of zstd:chunked, of this many plain bytes.
    Zstd(regrow_zstd::KnownEncoder, u64),
    /// It writes an LZMA2 stream, as of a block of an .xz file.
    Lzma2(XzStreams),
}

/// The first numbers of encoders that write zstd, and of those that write other streams.
const FIRST_ZSTD: u64 = 0x1000;
const FIRST_OTHER: u64 = 0x2000;

impl CodedEncoder {
    /// The encoder that an index names for a stream of a disk image.
    ///
    /// # Errors
    /// The reason why the stream cannot be made here.
    pub fn of_stream(stream: &StreamPiece) -> Result<Self, String> {
        let mut bytes = &*stream.encoder;
        let known = match regrow_zstd::take_number(&mut &*bytes) {
            Some(0..FIRST_ZSTD) => KnownEncoder::take(&mut bytes).map(Self::Deflate),
            Some(FIRST_ZSTD..FIRST_OTHER) => {
                let known = regrow_zstd::KnownEncoder::take(&mut bytes);
                if let Some(reason) = known.and_then(|known| known.unavailable(stream.plain_bytes)) {
                    return Err(format!("the image has a zstd stream that cannot be made again: {reason}"));
                }
                known.map(|known| Self::Zstd(known, stream.plain_bytes))
            }
            _ => XzStreams::take_numbered(&mut bytes).map(Self::Lzma2),
        };
        let is_corrected = !stream.corrections.is_empty();
        let known = known.filter(|known| bytes.is_empty() && !(is_corrected && matches!(known, Self::Lzma2(_))));
        known.ok_or_else(|| {
            "the image has compressed streams of an encoder that this regrow does not know; use a newer regrow"
                .to_owned()
        })
    }

    /// The name of the encoder, with its version and parameters.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Deflate(known) => known.to_string(),
            Self::Zstd(known, _) => known.to_string(),
            Self::Lzma2(known) => known.to_string(),
        }
    }

    /// The encoder that an index names for a member of a file of this format.
    ///
    /// # Errors
    /// The reason why the member cannot be made here.
    pub fn of(format: CodedFormat, member: &MemberCoding) -> Result<Self, String> {
        let mut bytes = &*member.encoder;
        let known = match format {
            CodedFormat::Gzip => KnownEncoder::take(&mut bytes).map(Self::Deflate),
            CodedFormat::Zstd => {
                let known = regrow_zstd::KnownEncoder::take(&mut bytes);
                if let Some(reason) = known.and_then(|known| known.unavailable(member.plain_bytes)) {
                    return Err(format!("the image has a zstd file that cannot be made again: {reason}"));
                }
                known.map(|known| Self::Zstd(known, member.plain_bytes))
            }
        };
        known.filter(|_| bytes.is_empty()).ok_or_else(|| {
            let format = format.name();
            format!("the image has {format} files of an encoder that this regrow does not know; use a newer regrow")
        })
    }

    /// Whether the encoder takes little time for its plain bytes: its level is a low one, or all cores can take part.
    #[must_use]
    pub fn is_fast(self) -> bool {
        match self {
            Self::Deflate(known) => known.is_fast(),
            Self::Zstd(regrow_zstd::KnownEncoder::Klauspost(klauspost), _) => {
                matches!(klauspost.level, regrow_zstd::Level::Fastest | regrow_zstd::Level::Default)
            }
            Self::Zstd(..) | Self::Lzma2(_) => false,
        }
    }

    /// About how many bytes of memory the encoder takes, for a stream with corrections or without.
    #[must_use]
    pub fn memory_bytes(self, is_corrected: bool) -> u64 {
        match self {
            Self::Deflate(_) => DEFLATE_BYTES,
            Self::Lzma2(known) => known.memory_bytes(),
            Self::Zstd(known, plain_bytes) if is_corrected => Rebuilder::memory_bytes(known, plain_bytes),
            Self::Zstd(known, plain_bytes) => {
                let further = match known {
                    regrow_zstd::KnownEncoder::Chunked(chunked) => further_bytes(chunked),
                    _ => 0,
                };
                known.memory_bytes(plain_bytes) + further
            }
        }
    }

    /// The name of an encoder that an index names, with its version and parameters, if it is known.
    #[must_use]
    pub fn name(format: CodedFormat, mut encoder: &[u8]) -> Option<String> {
        match format {
            CodedFormat::Gzip => KnownEncoder::take(&mut encoder).map(|known| known.to_string()),
            CodedFormat::Zstd => regrow_zstd::KnownEncoder::take(&mut encoder).map(|known| known.to_string()),
        }
    }
}

/// Makes the stream of one gzip member, or one zstd frame or file, and then of others.
pub struct StreamMaker<'p> {
    pool: &'p Pool,
    kind: Kind<'p>,
    patcher: Option<Patcher>,
    /// The trailer of a gzip member, as far as it follows from the bytes so far.
    trailer: Option<GzipTrailer>,
    out: Vec<u8>,
    patched: Vec<u8>,
}

enum Kind<'p> {
    OneByOne(Box<Encoder>),
    Zstd(regrow_zstd::KnownEncoder, Box<Reencoder>),
    Corrected(Box<Rebuilder>),
    /// The corrections are malformed.
    Unfit(ZstdError),
    Chunked(Box<ChunkedFile<'p>>),
    Lzma2(Box<Lzma2Encoder>),
    /// There is no memory for the encoder.
    Failed(BlockError),
    SideBySide(SideBySide<'p>),
    /// The stream has ended, and its encoder is of no use for another one.
    Ended,
}

/// An encoder whose blocks need only the plain bytes before them.
struct SideBySide<'p> {
    known: KnownEncoder,
    blocks: Blocks,
    pool: &'p Pool,
    /// The bytes before the current block, as many as the encoder can refer to.
    dictionary: Bytes,
    block: Vec<u8>,
    encoding: Ordered<Vec<u8>>,
}

impl<'p> StreamMaker<'p> {
    /// Makes a stream of this encoder, to which corrections are applied.
    pub fn new(pool: &'p Pool, encoder: CodedEncoder, corrections: &[u8]) -> Self {
        let (kind, trailer) = match encoder {
            CodedEncoder::Deflate(known) => (Self::deflate(pool, known), Some(GzipTrailer::default())),
            CodedEncoder::Zstd(regrow_zstd::KnownEncoder::Chunked(known), _) if corrections.is_empty() => {
                (Kind::Chunked(Box::new(ChunkedFile::new(pool, known))), None)
            }
            CodedEncoder::Zstd(known, plain_bytes) if corrections.is_empty() => {
                (Kind::Zstd(known, Box::new(Reencoder::new(known, plain_bytes))), None)
            }
            CodedEncoder::Lzma2(known) => match Lzma2Encoder::new(known) {
                Ok(encoder) => (Kind::Lzma2(Box::new(encoder)), None),
                Err(error) => (Kind::Failed(error), None),
            },
            CodedEncoder::Zstd(known, plain_bytes) => match Rebuilder::new(known, plain_bytes, corrections) {
                Ok(rebuilder) => (Kind::Corrected(Box::new(rebuilder)), None),
                Err(error) => (Kind::Unfit(error), None),
            },
        };
        let is_patched = trailer.is_some() && !corrections.is_empty();
        let patcher = is_patched.then(|| Patcher::new(corrections.to_vec()));
        Self { pool, kind, patcher, trailer, out: Vec::new(), patched: Vec::new() }
    }

    /// Makes another stream, whatever became of the one before. A zstd encoder that is wanted again is kept: its tables
    /// may have tens of MiB, and a file may have thousands of small frames.
    pub fn restart(&mut self, encoder: CodedEncoder, corrections: &[u8]) {
        match (&mut self.kind, encoder) {
            (Kind::Zstd(known, kept), CodedEncoder::Zstd(wanted, plain_bytes))
                if *known == wanted && corrections.is_empty() =>
            {
                kept.restart(plain_bytes);
            }
            _ => *self = Self::new(self.pool, encoder, corrections),
        }
    }

    fn deflate(pool: &'p Pool, known: KnownEncoder) -> Kind<'p> {
        match known.blocks().filter(|blocks| blocks.block_bytes <= MAX_BLOCK_BYTES) {
            Some(blocks) => Kind::SideBySide(SideBySide {
                known,
                blocks,
                pool,
                dictionary: Bytes::new(),
                block: Vec::new(),
                encoding: Ordered::new(BLOCKS_IN_FLIGHT),
            }),
            None => Kind::OneByOne(Box::new(Encoder::new(known))),
        }
    }

    /// Takes in the next plain bytes.
    pub fn write<E: From<LocalError>>(&mut self, plain: &[u8], sink: StreamSink<'_, E>) -> Result<(), E> {
        self.trailer.iter_mut().for_each(|trailer| trailer.update(plain));
        self.out.clear();
        match &mut self.kind {
            Kind::OneByOne(encoder) => encoder.write(plain, &mut self.out),
            Kind::Zstd(_, encoder) => encoder.write(plain, &mut self.out),
            Kind::Corrected(rebuilder) => rebuilder.write(plain, &mut self.out).map_err(unfit)?,
            Kind::Unfit(error) => return Err(unfit(*error).into()),
            Kind::Lzma2(encoder) => encoder.write(plain, &mut self.out).map_err(unfit)?,
            Kind::Failed(error) => return Err(unfit(error.clone()).into()),
            Kind::Chunked(file) => file.write(plain, &mut self.out)?,
            Kind::SideBySide(side) => side.write(plain, &mut self.out)?,
            Kind::Ended => {}
        }
        hand_on(&mut self.patcher, &self.out, &mut self.patched, sink)
    }

    /// Ends the plain bytes. The rest of the stream goes to `sink`, and the result is the trailer of a gzip member. Another
    /// stream begins with [`StreamMaker::restart`].
    pub fn finish<E: From<LocalError>>(&mut self, sink: StreamSink<'_, E>) -> Result<Option<[u8; 8]>, E> {
        self.out.clear();
        match std::mem::replace(&mut self.kind, Kind::Ended) {
            Kind::OneByOne(encoder) => encoder.finish(&mut self.out),
            Kind::Zstd(known, mut encoder) => {
                encoder.finish(&mut self.out);
                self.kind = Kind::Zstd(known, encoder);
            }
            Kind::Corrected(rebuilder) => rebuilder.finish(&mut self.out).map_err(unfit)?,
            Kind::Unfit(error) => return Err(unfit(error).into()),
            Kind::Lzma2(mut encoder) => encoder.finish(&mut self.out).map_err(unfit)?,
            Kind::Failed(error) => return Err(unfit(error).into()),
            Kind::Chunked(file) => file.finish(&mut self.out)?,
            Kind::SideBySide(side) => side.finish(&mut self.out)?,
            Kind::Ended => {}
        }
        hand_on(&mut self.patcher, &self.out, &mut self.patched, sink)?;
        if let Some(patcher) = self.patcher.take() {
            self.patched.clear();
            patcher.finish(&mut self.patched).map_err(unfit)?;
            sink(&self.patched)?;
        }
        Ok(self.trailer.take().map(GzipTrailer::finish))
    }
}

/// Passes on the encoder's output, with the corrections applied if there are any.
fn hand_on<E: From<LocalError>>(
    patcher: &mut Option<Patcher>,
    made: &[u8],
    patched: &mut Vec<u8>,
    sink: StreamSink<'_, E>,
) -> Result<(), E> {
    let Some(patcher) = patcher else { return sink(made) };
    patched.clear();
    patcher.push(made, patched).map_err(unfit)?;
    sink(patched)
}

fn unfit(error: impl std::error::Error + Send + Sync + 'static) -> LocalError {
    LocalError::io("a coded file")(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

impl SideBySide<'_> {
    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<(), LocalError> {
        while !plain.is_empty() {
            // A full block waits until it is known whether it is the last one.
            if self.block.len() == self.blocks.block_bytes {
                self.encode(false);
            }
            let (now, rest) = plain.split_at(plain.len().min(self.blocks.block_bytes - self.block.len()));
            self.block.extend_from_slice(now);
            plain = rest;
            while let Some(done) = self.encoding.next_due()? {
                out.extend_from_slice(&done);
            }
        }
        Ok(())
    }

    fn encode(&mut self, is_last: bool) {
        let block = Bytes::from(std::mem::take(&mut self.block));
        let (known, dictionary) = (self.known, self.dictionary.clone());
        self.dictionary = self.next_dictionary(&block);
        self.encoding.push(self.pool.submit(move || {
            let mut out = Vec::new();
            encode_block(known, &dictionary, &block, is_last, &mut out);
            out
        }));
    }

    fn next_dictionary(&self, block: &Bytes) -> Bytes {
        let wanted = self.blocks.dictionary_bytes;
        if block.len() >= wanted {
            return block.slice(block.len() - wanted..);
        }
        let before = &self.dictionary[self.dictionary.len().saturating_sub(wanted - block.len())..];
        [before, block].concat().into()
    }

    fn finish(mut self, out: &mut Vec<u8>) -> Result<(), LocalError> {
        if self.block.len() == self.blocks.block_bytes && self.blocks.ends_with_partial {
            self.encode(false);
        }
        self.encode(true);
        while let Some(done) = self.encoding.next()? {
            out.extend_from_slice(&done);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A maker makes streams of all kinds in turn as makers of their own would, and those that were left undone do no harm.
    #[test]
    fn a_maker_is_of_use_again() {
        let pool = Pool::new();
        let best = regrow_zstd::Klauspost::new(regrow_zstd::Version::V1_15, regrow_zstd::Level::Best);
        let best = regrow_zstd::KnownEncoder::Klauspost(best);
        let libzstd = zstd::bulk::compress(&b"plain bytes, as many as a frame needs ".repeat(9), 3).unwrap();
        let libzstd = regrow_zstd::guess(&libzstd).unwrap();
        let deflate = CodedEncoder::Deflate(KnownEncoder::all().next().unwrap());
        let make = |maker: &mut StreamMaker<'_>, plain: &[u8], ends: bool| {
            let mut made = Vec::new();
            let mut sink = |bytes: &[u8]| {
                made.extend_from_slice(bytes);
                Ok::<(), LocalError>(())
            };
            maker.write(plain, &mut sink).unwrap();
            let trailer = if ends { maker.finish(&mut sink).unwrap() } else { None };
            (made, trailer)
        };
        let mut kept = StreamMaker::new(&pool, deflate, &[]);
        for number in 0..40 {
            let plain = b"some text ".repeat(number * 37 % 1000 + 1);
            let bytes = plain.len() as u64;
            let encoder = match number % 8 {
                5 => deflate,
                6 => CodedEncoder::Zstd(libzstd, bytes),
                _ => CodedEncoder::Zstd(best, bytes),
            };
            kept.restart(encoder, &[]);
            let ends = number % 5 != 3;
            let wanted = make(&mut StreamMaker::new(&pool, encoder, &[]), &plain, ends);
            assert!(make(&mut kept, &plain, ends) == wanted, "{number}");
        }
    }
}
