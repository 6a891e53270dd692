//! Finds out whether a compressed file can be rebuilt from its plain bytes, and how. The encoder of each gzip member, or
//! zstd frame, is tried on all of it.

mod ahead;
mod gzip;
mod stream;
mod zstd;

use std::cell::Cell;
use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};

use regrow_index::{CodedFormat, Coding, MemberCoding};

use super::stream::{CodedEncoder, StreamMaker};
use super::{Aside, CodedReader};
use crate::LocalError;
use crate::pool::{Pool, spawn_scoped};

pub(crate) use stream::{FoundStream, StreamToProve, prove_stream};

/// The number of stored bytes that are read at a time, and the number of plain bytes that one thread passes to the
/// other.
const READ_BYTES: usize = 64 << 10;
const PLAIN_BYTES: usize = 256 << 10;
const PIECES_WAITING: usize = 4;
/// The largest number of encoders with a long agreement that are tried on a member. They agree because they are
/// nearly the same.
const MOST_TRIED: usize = 12;
/// The number of stored bytes that make an agreement long. Trying other encoders takes little time, but there is a
/// limit for all of them together.
const LONG_BYTES: u64 = 2 << 20;
const MOST_TRIED_IN_ALL: usize = 64;
/// A stream of at most this many bytes is not worth another thread.
const SMALL_BYTES: u64 = 64 << 10;
/// The corrections of a file may have at most this many bytes.
const MAX_CORRECTIONS_BYTES: u64 = 4 << 20;
/// The largest number of members or frames in one file.
const MAX_MEMBERS: usize = 1 << 18;

/// The result of the search for encoders.
pub(crate) enum Proof {
    /// The file can be rebuilt exactly in this way.
    Exact(Coding),
    /// The file is damaged, or its encoder is unknown.
    Impossible(&'static str),
}

/// Stored bytes that are read at random.
pub(crate) trait StoredBytes: Sync {
    /// Fills `out` with the bytes from `at` on, as far as there are any, and returns their number.
    fn read_at(&self, at: u64, out: &mut [u8]) -> std::io::Result<usize>;
}

impl StoredBytes for Aside {
    fn read_at(&self, at: u64, out: &mut [u8]) -> std::io::Result<usize> {
        Self::read_at(self, at, out)
    }
}

/// Examines a whole file of this format. The result has its plain bytes too, if there was room to put them aside.
pub(crate) fn prove(stored: &Aside, format: CodedFormat, pool: &Pool) -> Result<(Proof, Option<Aside>), LocalError> {
    let makers = Makers::new(pool);
    match format {
        CodedFormat::Gzip => gzip::prove(stored, &makers),
        CodedFormat::Zstd => Ok((zstd::prove(stored, &makers)?, None)),
    }
}

/// Shares the header and the encoder with the previous member's if they are equal, as they are in files of many
/// members.
fn share_with_last(coded: &mut [MemberCoding]) {
    if let [.., before, last] = coded {
        if before.header == last.header {
            last.header = Arc::clone(&before.header);
        }
        if before.encoder == last.encoder {
            last.encoder = Arc::clone(&before.encoder);
        }
    }
}

/// Reads from `at` on, and passes plain bytes to `each` as long as it wants more. `each` also learns whether a
/// member or frame ended. The result is `false` if the bytes are damaged.
fn read_through(
    stored: &dyn StoredBytes,
    mut at: u64,
    reader: &mut CodedReader,
    mut each: impl FnMut(Vec<u8>, bool) -> Result<bool, LocalError>,
) -> Result<bool, LocalError> {
    let mut buffer = vec![0; READ_BYTES];
    let (mut held, mut plain) = (0..0, Vec::with_capacity(PLAIN_BYTES));
    loop {
        if held.is_empty() {
            held = 0..stored.read_at(at, &mut buffer).map_err(LocalError::io("temporary file"))?;
            at += held.end as u64;
        }
        let before = plain.len();
        let Ok(step) = reader.push(&buffer[held.clone()], &mut plain, PLAIN_BYTES - before) else { return Ok(false) };
        held.start += step.taken;
        let is_end = held.is_empty() && step.taken == 0 && plain.len() == before;
        if plain.len() == PLAIN_BYTES || step.ended || is_end {
            let piece = std::mem::replace(&mut plain, Vec::with_capacity(PLAIN_BYTES));
            if !each(piece, step.ended)? || is_end {
                return Ok(true);
            }
        }
    }
}

/// Makers of streams, of which one is kept: the encoder of one member or frame is mostly that of the next one.
struct Makers<'p> {
    pool: &'p Pool,
    kept: Mutex<Option<StreamMaker<'p>>>,
}

impl<'p> Makers<'p> {
    fn new(pool: &'p Pool) -> Self {
        Self { pool, kept: Mutex::default() }
    }

    fn take(&self, encoder: CodedEncoder, corrections: &[u8]) -> StreamMaker<'p> {
        match self.kept.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(mut kept) => {
                kept.restart(encoder, corrections);
                kept
            }
            None => StreamMaker::new(self.pool, encoder, corrections),
        }
    }

    fn keep(&self, maker: StreamMaker<'p>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(maker);
    }
}

/// One gzip member or zstd frame, with everything that is needed to try encoders on it.
struct Member<'a, 'p> {
    stored: &'a dyn StoredBytes,
    makers: &'a Makers<'p>,
    format: CodedFormat,
    /// The place from which it is read.
    start: u64,
    /// The place of the stream.
    stream: Range<u64>,
    /// Whether the stream is all the frames from there on.
    is_file: bool,
    /// Its plain bytes, if they were put aside, and their range there.
    plain: Option<(&'a Aside, Range<u64>)>,
}

impl Member<'_, '_> {
    /// The beginning of the member, at most this many bytes.
    fn beginning(&self, most: usize) -> Result<Vec<u8>, LocalError> {
        let mut stored = vec![0; (self.stream.end - self.start).min(most as u64) as usize];
        let read = self.stored.read_at(self.start, &mut stored).map_err(LocalError::io("temporary file"))?;
        stored.truncate(read);
        Ok(stored)
    }

    /// Passes the plain bytes in pieces to `each`, as long as it wants more.
    fn plain(&self, mut each: impl FnMut(Vec<u8>) -> Result<bool, LocalError>) -> Result<(), LocalError> {
        if let Some((plain, range)) = &self.plain {
            let mut at = range.start;
            while at < range.end {
                let mut piece = vec![0; PLAIN_BYTES.min((range.end - at) as usize)];
                let read = plain.read_at(at, &mut piece).map_err(LocalError::io("temporary file"))?;
                at += read as u64;
                if read < piece.len() || !each(piece)? {
                    break;
                }
            }
            return Ok(());
        }
        let mut reader = CodedReader::new(self.format);
        read_through(
            self.stored,
            self.start,
            &mut reader,
            |piece, ended| Ok(each(piece)? && (self.is_file || !ended)),
        )?;
        Ok(())
    }

    /// Encodes the plain bytes, which another thread decompresses if they are many, as long as `take` wants more of the stream.
    fn encode(
        &self,
        encoder: CodedEncoder,
        corrections: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<bool, LocalError>,
    ) -> Result<(), LocalError> {
        let mut maker = self.makers.take(encoder, corrections);
        let goes_on = Cell::new(true);
        let mut sink = |bytes: &[u8]| {
            goes_on.set(goes_on.get() && take(bytes)?);
            Ok::<(), LocalError>(())
        };
        let mut each = |piece: &[u8]| maker.write(piece, &mut sink).map(|()| goes_on.get());
        if self.stream.end - self.stream.start <= SMALL_BYTES || self.plain.is_some() {
            self.plain(|piece| each(&piece))?;
        } else {
            self.plain_beside(&mut each)?;
        }
        if goes_on.get() {
            maker.finish(&mut sink)?;
        }
        self.makers.keep(maker);
        Ok(())
    }

    /// As [`Member::plain`], with another thread that decompresses.
    fn plain_beside(&self, each: &mut dyn FnMut(&[u8]) -> Result<bool, LocalError>) -> Result<(), LocalError> {
        std::thread::scope(|scope| {
            let (pieces, arriving) = sync_channel::<Vec<u8>>(PIECES_WAITING);
            let inflating = spawn_scoped(scope, move || self.plain(|piece| Ok(pieces.send(piece).is_ok())))?;
            for piece in &arriving {
                if !each(&piece)? {
                    return Ok(());
                }
            }
            inflating.join().map_err(|_| LocalError::Worker)?
        })
    }

    /// Tries an encoder. The result is `None` if it makes exactly this stream, and otherwise the approximate number
    /// of bytes that agree.
    fn agreed(&self, encoder: CodedEncoder, corrections: &[u8]) -> Result<Option<u64>, LocalError> {
        let (mut at, end) = (self.stream.start, self.stream.end);
        let (mut buffer, mut agrees) = (Vec::new(), true);
        let encoded = self.encode(encoder, corrections, &mut |made| {
            buffer.resize(made.len(), 0);
            let read = self.stored.read_at(at, &mut buffer).map_err(LocalError::io("temporary file"))?;
            agrees = read == made.len() && buffer == made && at + made.len() as u64 <= end;
            at += if agrees { made.len() as u64 } else { 0 };
            Ok(agrees)
        });
        // Corrections that do not fit count as no agreement.
        if corrections.is_empty() {
            encoded?;
        } else if encoded.is_err() {
            return Ok(Some(0));
        }
        Ok(if agrees && at == end { None } else { Some(at - self.stream.start) })
    }
}
