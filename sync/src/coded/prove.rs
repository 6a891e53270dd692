//! Whether a gzip file can be made again of what it holds, and how: each member's encoder is tried over all of it.

use std::cell::Cell;
use std::sync::Arc;

use crossbeam_channel::bounded;
use regrow_deflate::encode::{Known, recognise};
use regrow_deflate::{GzipMember, GzipReader, MAX_GZIP_FRINGE_BYTES};
use regrow_index::{Coding, MemberCoding};

use super::stream::StreamMaker;
use super::{Aside, PREFIX_BYTES};
use crate::SyncError;
use crate::pool::Pool;

/// Stored bytes that are read at a time, and plain ones that go from one thread to the other.
const READ_BYTES: usize = 64 << 10;
const PLAIN_BYTES: usize = 256 << 10;
const PIECES_WAITING: usize = 4;
/// Encoders that are tried on a member, at most. Those that agree for long do so because they are nearly the same.
const MOST_TRIED: usize = 12;
/// gzip members of one file, at most.
const MAX_MEMBERS: usize = 1 << 18;

/// What came out of it.
pub(crate) enum Proof {
    /// It is made so.
    Exact(Coding),
    /// It is no sound gzip file, or nobody knows how it was made.
    Impossible(&'static str),
}

/// Looks through a whole gzip file.
pub(crate) fn prove(stored: &Aside, pool: &Pool) -> Result<Proof, SyncError> {
    let Some((members, tail)) = members_of(stored)? else { return Ok(Proof::Impossible("it is no sound gzip file")) };
    let plain_bytes: u64 = members.iter().map(|member| member.plain_bytes).sum();
    if plain_bytes == 0 || members.len() > MAX_MEMBERS || tail.len() > MAX_GZIP_FRINGE_BYTES {
        return Ok(Proof::Impossible("it is no sound gzip file"));
    }
    let mut coded: Vec<MemberCoding> = Vec::with_capacity(members.len());
    for member in members {
        // One that wrote a member most likely wrote the next.
        let last = coded.last().and_then(|last| Known::take(&mut &*last.encoder));
        let Some(known) = Member { stored, pool, member: &member }.encoder(last)? else {
            return Ok(Proof::Impossible("the encoder that it looks like did not write all of it"));
        };
        let mut encoder = Vec::new();
        known.put(&mut encoder);
        coded.push(MemberCoding {
            header: member.header.into(),
            encoder: encoder.into(),
            plain_bytes: member.plain_bytes,
            stream_bytes: member.stream.end - member.stream.start,
            corrections: Vec::new(),
        });
        share_with_last(&mut coded);
    }
    Ok(Proof::Exact(Coding { members: coded, tail }))
}

/// Many members have the same header and encoder: these are held once.
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

/// Members of a gzip file, and what follows the last.
type Members = (Vec<GzipMember>, Vec<u8>);

/// The file's members, if it inflates to its end.
fn members_of(stored: &Aside) -> Result<Option<Members>, SyncError> {
    let mut reader = GzipReader::default();
    let read = read_through(stored, 0, &mut reader, |_, _| Ok(true))?;
    Ok(if read { reader.finish().ok() } else { None })
}

/// Reads from `at` on, as long as `each` wants more of what it gives; it is told where a member ended. `false` for what is no gzip file.
fn read_through(
    stored: &Aside,
    mut at: u64,
    reader: &mut GzipReader,
    mut each: impl FnMut(Vec<u8>, bool) -> Result<bool, SyncError>,
) -> Result<bool, SyncError> {
    let mut buffer = vec![0; READ_BYTES];
    let (mut held, mut plain) = (0..0, Vec::with_capacity(PLAIN_BYTES));
    loop {
        if held.is_empty() {
            held = 0..stored.read_at(at, &mut buffer).map_err(SyncError::io("temporary file"))?;
            at += held.end as u64;
        }
        let before = plain.len();
        let Ok(step) = reader.push(&buffer[held.clone()], &mut plain, PLAIN_BYTES - before) else { return Ok(false) };
        held.start += step.taken;
        let is_end = held.is_empty() && step.taken == 0 && plain.len() == before;
        if plain.len() == PLAIN_BYTES || step.ended_member || is_end {
            let piece = std::mem::replace(&mut plain, Vec::with_capacity(PLAIN_BYTES));
            if !each(piece, step.ended_member)? || is_end {
                return Ok(true);
            }
        }
    }
}

/// One member, and what trying encoders on it needs.
struct Member<'a> {
    stored: &'a Aside,
    pool: &'a Pool,
    member: &'a GzipMember,
}

impl Member<'_> {
    /// The encoder that wrote it.
    fn encoder(&self, last: Option<Known>) -> Result<Option<Known>, SyncError> {
        if let Some(last) = last
            && self.member.plain_bytes <= PREFIX_BYTES as u64
            && self.is_by(last)?
        {
            return Ok(Some(last));
        }
        let (stored, plain) = self.prefixes()?;
        for known in recognise(&stored, &plain).into_iter().take(MOST_TRIED) {
            if self.is_by(known)? {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    /// The beginnings of the stream, and of what it holds.
    fn prefixes(&self) -> Result<(Vec<u8>, Vec<u8>), SyncError> {
        let len = (self.member.stream.end - self.member.stream.start).min(PREFIX_BYTES as u64);
        let mut stored = vec![0; len as usize];
        let read = self.stored.read_at(self.member.stream.start, &mut stored);
        stored.truncate(read.map_err(SyncError::io("temporary file"))?);
        let mut plain = Vec::new();
        self.plain(|piece| {
            plain.extend_from_slice(&piece);
            Ok(plain.len() < PREFIX_BYTES)
        })?;
        plain.truncate(PREFIX_BYTES);
        Ok((stored, plain))
    }

    /// Gives the plain bytes in pieces, as long as `each` wants more.
    fn plain(&self, mut each: impl FnMut(Vec<u8>) -> Result<bool, SyncError>) -> Result<(), SyncError> {
        let start = self.member.stream.start - self.member.header.len() as u64;
        let mut reader = GzipReader::default();
        read_through(self.stored, start, &mut reader, |piece, ended| Ok(each(piece)? && !ended))?;
        Ok(())
    }

    /// Encodes the plain bytes, which another thread inflates, as long as `take` wants more of the stream.
    fn encode(&self, known: Known, take: &mut dyn FnMut(&[u8]) -> Result<bool, SyncError>) -> Result<(), SyncError> {
        std::thread::scope(|scope| {
            let (pieces, arriving) = bounded::<Vec<u8>>(PIECES_WAITING);
            let inflating = scope.spawn(move || self.plain(|piece| Ok(pieces.send(piece).is_ok())));
            let mut maker = StreamMaker::new(self.pool, known);
            let goes_on = Cell::new(true);
            let mut sink = |bytes: &[u8]| {
                goes_on.set(goes_on.get() && take(bytes)?);
                Ok(())
            };
            for piece in &arriving {
                maker.write(&piece, &mut sink)?;
                if !goes_on.get() {
                    return Ok(());
                }
            }
            inflating.join().map_err(|_| SyncError::Worker)??;
            maker.finish(&mut sink).map(|_| ())
        })
    }

    /// Whether an encoder makes just this stream.
    fn is_by(&self, known: Known) -> Result<bool, SyncError> {
        let (mut at, end) = (self.member.stream.start, self.member.stream.end);
        let (mut buffer, mut agrees) = (Vec::new(), true);
        self.encode(known, &mut |made| {
            buffer.resize(made.len(), 0);
            let read = self.stored.read_at(at, &mut buffer).map_err(SyncError::io("temporary file"))?;
            at += made.len() as u64;
            agrees = read == made.len() && buffer == made && at <= end;
            Ok(agrees)
        })?;
        Ok(agrees && at == end)
    }
}
