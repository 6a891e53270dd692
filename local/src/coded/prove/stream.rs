//! Finds out how a compressed stream of a disk image is made again.

use std::io;
use std::sync::mpsc::sync_channel;

use regrow_deflate::GzipMember;
use regrow_disk::codec::{Lzma2Encoder, StreamReader, XzStreams};
use regrow_disk::{ReadAt, StreamCodec};

use super::{MAX_CORRECTIONS_BYTES, Makers, PIECES_WAITING, PLAIN_BYTES, READ_BYTES, StoredBytes, gzip, zstd};
use crate::LocalError;
use crate::coded::zstd_reader::ZstdFrame;
use crate::pool::{Pool, spawn_scoped};

/// The smallest header of a gzip member. It stands before a deflate stream for those who read members.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The bytes of a stream, and the plain ones, that are looked at first.
const BEGINNING_BYTES: usize = 1 << 20;
const MAX_PLAIN_BYTES: usize = 16 << 20;

/// A compressed stream of a disk image.
#[derive(Clone, Copy)]
pub(crate) struct StreamToProve<'a> {
    pub(crate) image: &'a (dyn ReadAt + Sync),
    /// Its place in the image.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) codec: StreamCodec,
    pub(crate) plain_bytes: u64,
}

/// An encoder in the form in which an index has it, and the corrections of what it makes.
pub(crate) struct FoundStream {
    pub(crate) encoder: Vec<u8>,
    pub(crate) corrections: Vec<u8>,
}

/// A stream, with bytes that stand before it.
struct Framed<'a> {
    header: &'static [u8],
    stream: StreamToProve<'a>,
}

impl StoredBytes for Framed<'_> {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let header = usize::try_from(at).ok().and_then(|at| self.header.get(at..)).unwrap_or_default();
        let (first, rest) = out.split_at_mut(header.len().min(out.len()));
        first.copy_from_slice(&header[..first.len()]);
        let within = (at + first.len() as u64).saturating_sub(self.header.len() as u64);
        let left = usize::try_from(self.stream.bytes.saturating_sub(within)).unwrap_or(usize::MAX);
        let len = rest.len().min(left);
        self.stream.image.read_exact_at(&mut rest[..len], self.stream.at + within)?;
        Ok(first.len() + len)
    }
}

/// Finds the encoder that makes a stream, or nearly makes it, or the reason why there is none.
pub(crate) fn prove_stream(
    stream: StreamToProve<'_>,
    pool: &Pool,
) -> Result<Result<FoundStream, &'static str>, LocalError> {
    let makers = Makers::new(pool);
    match stream.codec {
        StreamCodec::Deflate => {
            let start = GZIP_HEADER.len() as u64;
            let framed = Framed { header: &GZIP_HEADER, stream };
            let range = start..start + stream.bytes;
            let member = GzipMember { header: GZIP_HEADER.to_vec(), stream: range, plain_bytes: stream.plain_bytes };
            Ok(match gzip::encoder_of((&framed, None), &makers, &member, None)? {
                Some((known, corrections)) => Ok(found(|out| known.put(out), corrections)),
                None => Err("no known encoder wrote all of it"),
            })
        }
        StreamCodec::Zstd => {
            let frame = ZstdFrame { stored: 0..stream.bytes, plain_bytes: stream.plain_bytes };
            let left = (stream.bytes / zstd::CORRECTIONS_SHARE).min(MAX_CORRECTIONS_BYTES);
            let framed = Framed { header: &[], stream };
            let proved = zstd::encoder_of(&framed, &makers, &frame, (None, left))?;
            Ok(proved.map(|proved| found(|out| proved.known.put(out), proved.corrections)))
        }
        StreamCodec::Lzma2 { .. } => {
            for known in stream.recognised()? {
                if stream.is_made_by(known)? {
                    return Ok(Ok(found(|out| known.put_numbered(out), Vec::new())));
                }
            }
            Ok(Err("no known encoder wrote all of it"))
        }
        _ => Ok(Err("its format is not known")),
    }
}

fn found(put: impl FnOnce(&mut Vec<u8>), corrections: Vec<u8>) -> FoundStream {
    let mut encoder = Vec::new();
    put(&mut encoder);
    FoundStream { encoder, corrections }
}

impl StreamToProve<'_> {
    /// The beginning of the stream, and of its plain bytes: all that is looked at before encoders are tried on all of it.
    pub(crate) fn beginning(&self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let mut stored = vec![0; usize::try_from(self.bytes).unwrap_or(usize::MAX).min(BEGINNING_BYTES)];
        self.image.read_exact_at(&mut stored, self.at)?;
        let damaged = |_| io::Error::from(io::ErrorKind::InvalidData);
        let (mut reader, mut plain, mut at) = (StreamReader::new(self.codec).map_err(damaged)?, Vec::new(), 0);
        while plain.len() < MAX_PLAIN_BYTES {
            let before = plain.len();
            let step = reader.push(&stored[at..], &mut plain, PLAIN_BYTES).map_err(damaged)?;
            at += step.taken;
            if step.ended || step.taken == 0 && plain.len() == before {
                break;
            }
        }
        Ok((stored, plain))
    }

    /// The parameters of xz that make the beginning of the stream.
    pub(crate) fn recognised(&self) -> Result<Vec<XzStreams>, LocalError> {
        let Ok((stored, plain)) = self.beginning() else { return Ok(Vec::new()) };
        let is_whole = stored.len() as u64 == self.bytes && plain.len() as u64 == self.plain_bytes;
        Ok(XzStreams::recognise(self.codec, (&stored, &plain), is_whole).take(1).collect())
    }

    /// Whether an encoder makes all of the stream. Another thread decompresses it.
    fn is_made_by(&self, known: XzStreams) -> Result<bool, LocalError> {
        let mut compared = Compared { stream: self, at: 0, buffer: Vec::new() };
        let Ok(mut encoder) = Lzma2Encoder::new(known) else { return Ok(false) };
        let mut made = Vec::new();
        let agrees = std::thread::scope(|scope| {
            let (pieces, arriving) = sync_channel::<Vec<u8>>(PIECES_WAITING);
            let reading = spawn_scoped(scope, move || self.plain(|piece| pieces.send(piece).is_ok()))?;
            for piece in &arriving {
                made.clear();
                if encoder.write(&piece, &mut made).is_err() || !compared.agrees(&made)? {
                    return Ok(false);
                }
            }
            reading.join().map_err(|_| LocalError::Worker)?
        })?;
        made.clear();
        Ok(agrees && encoder.finish(&mut made).is_ok() && compared.agrees(&made)? && compared.at == self.bytes)
    }

    /// Passes the plain bytes on, as long as more are wanted. The result is `false` if the stream is damaged.
    fn plain(&self, mut each: impl FnMut(Vec<u8>) -> bool) -> Result<bool, LocalError> {
        let Ok(mut reader) = StreamReader::new(self.codec) else { return Ok(false) };
        let (mut at, mut held, mut from) = (0, Vec::new(), 0);
        loop {
            if from == held.len() {
                held.resize(READ_BYTES.min(usize::try_from(self.bytes - at).unwrap_or(usize::MAX)), 0);
                self.image.read_exact_at(&mut held, self.at + at).map_err(LocalError::io("the disk image"))?;
                (at, from) = (at + held.len() as u64, 0);
            }
            let mut plain = Vec::with_capacity(PLAIN_BYTES);
            let Ok(step) = reader.push(&held[from..], &mut plain, PLAIN_BYTES) else { return Ok(false) };
            from += step.taken;
            let is_stuck = step.taken == 0 && plain.is_empty();
            if !each(plain) || step.ended || is_stuck {
                return Ok(!is_stuck || step.ended);
            }
        }
    }
}

/// A comparison of what an encoder makes with the stream.
struct Compared<'a, 'b> {
    stream: &'a StreamToProve<'b>,
    at: u64,
    buffer: Vec<u8>,
}

impl Compared<'_, '_> {
    fn agrees(&mut self, made: &[u8]) -> Result<bool, LocalError> {
        if made.len() as u64 > self.stream.bytes - self.at {
            return Ok(false);
        }
        self.buffer.resize(made.len(), 0);
        let read = self.stream.image.read_exact_at(&mut self.buffer, self.stream.at + self.at);
        read.map_err(LocalError::io("the disk image"))?;
        self.at += made.len() as u64;
        Ok(self.buffer == made)
    }
}
