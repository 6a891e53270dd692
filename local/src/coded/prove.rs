//! Finds out whether a gzip file can be rebuilt from its plain bytes, and how. Each member's encoder is tried on
//! all of the member.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use regrow_deflate::encoders::{KnownEncoder, recognise};
use regrow_deflate::{Differ, GzipMember, GzipReader, MAX_GZIP_FRINGE_BYTES};
use regrow_index::{CodedFormat, Coding, MemberCoding};

use super::stream::StreamMaker;
use super::{Aside, PREFIX_BYTES, plain_beginning};
use crate::LocalError;
use crate::pool::{Pool, spawn_scoped};

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
/// The corrections of a stream may be at most one part in this many of it, and those of a file at most this many
/// bytes.
const CORRECTIONS_SHARE: u64 = 20;
const MAX_CORRECTIONS_BYTES: u64 = 4 << 20;
/// The largest number of gzip members in one file.
const MAX_MEMBERS: usize = 1 << 18;

/// The result of the search for encoders.
pub(crate) enum Proof {
    /// The file can be rebuilt exactly in this way.
    Exact(Coding),
    /// The file is no sound gzip file, or its encoder is unknown.
    Impossible(&'static str),
}

/// Examines a whole gzip file.
pub(crate) fn prove(stored: &Aside, pool: &Pool) -> Result<Proof, LocalError> {
    let Some((members, tail)) = members_of(stored)? else {
        return Ok(Proof::Impossible("it is not a sound gzip file"));
    };
    if members.len() > MAX_MEMBERS {
        return Ok(Proof::Impossible("it has more members than an index can describe"));
    }
    let plain_bytes: u64 = members.iter().map(|member| member.plain_bytes).sum();
    if plain_bytes == 0 || tail.len() > MAX_GZIP_FRINGE_BYTES {
        return Ok(Proof::Impossible("it is not a sound gzip file"));
    }
    let mut coded: Vec<MemberCoding> = Vec::with_capacity(members.len());
    let mut corrections_bytes = 0;
    for member in members {
        // The encoder of one member most likely wrote the next one too.
        let last = coded.last().and_then(|last| KnownEncoder::take(&mut &*last.encoder));
        let Some((known, corrections)) = Member { stored, pool, member: &member }.encoder(last)? else {
            return Ok(Proof::Impossible("no known encoder wrote all of it"));
        };
        corrections_bytes += corrections.len() as u64;
        if corrections_bytes > MAX_CORRECTIONS_BYTES {
            return Ok(Proof::Impossible("its encoder differs too much from the known ones"));
        }
        let mut encoder = Vec::new();
        known.put(&mut encoder);
        coded.push(MemberCoding {
            header: member.header.into(),
            encoder: encoder.into(),
            plain_bytes: member.plain_bytes,
            stream_bytes: member.stream.end - member.stream.start,
            corrections,
        });
        share_with_last(&mut coded);
    }
    Ok(Proof::Exact(Coding { format: CodedFormat::Gzip, members: coded, tail: tail.into() }))
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

/// The members of a gzip file, and the bytes behind the last one.
type Members = (Vec<GzipMember>, Vec<u8>);

/// The members of the file, if it inflates to its end.
fn members_of(stored: &Aside) -> Result<Option<Members>, LocalError> {
    let mut reader = GzipReader::default();
    let mut ended = 0;
    let read = read_through(stored, 0, &mut reader, |_, has_ended| {
        ended += usize::from(has_ended);
        Ok(ended <= MAX_MEMBERS)
    })?;
    Ok(if read { reader.finish().ok() } else { None })
}

/// Reads from `at` on, and passes plain bytes to `each` as long as it wants more. `each` also learns whether a
/// member ended. The result is `false` if the bytes are no gzip file.
fn read_through(
    stored: &Aside,
    mut at: u64,
    reader: &mut GzipReader,
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
        if plain.len() == PLAIN_BYTES || step.ended_member || is_end {
            let piece = std::mem::replace(&mut plain, Vec::with_capacity(PLAIN_BYTES));
            if !each(piece, step.ended_member)? || is_end {
                return Ok(true);
            }
        }
    }
}

/// One member, with everything that is needed to try encoders on it.
struct Member<'a> {
    stored: &'a Aside,
    pool: &'a Pool,
    member: &'a GzipMember,
}

impl Member<'_> {
    /// Finds the encoder that wrote the member, and the corrections of its output.
    fn encoder(&self, last: Option<KnownEncoder>) -> Result<Option<(KnownEncoder, Vec<u8>)>, LocalError> {
        if let Some(last) = last
            && self.member.plain_bytes <= PREFIX_BYTES as u64
            && self.agreed(last, &[])?.is_none()
        {
            return Ok(Some((last, Vec::new())));
        }
        let (stored, plain) = self.prefixes()?;
        let (mut best, mut long): (Option<(u64, KnownEncoder)>, _) = (None, 0);
        for known in recognise(&stored, &plain).take(MOST_TRIED_IN_ALL) {
            let Some(bytes) = self.agreed(known, &[])? else { return Ok(Some((known, Vec::new()))) };
            if best.is_none_or(|(most, _)| bytes > most) {
                best = Some((bytes, known));
            }
            long += usize::from(bytes >= LONG_BYTES);
            if long == MOST_TRIED {
                break;
            }
        }
        let Some((_, known)) = best else { return Ok(None) };
        let Some(corrections) = self.corrections(known)? else { return Ok(None) };
        // Corrections are only trusted once they were seen to work.
        let is_proven = !corrections.is_empty() && self.agreed(known, &corrections)?.is_none();
        Ok(is_proven.then_some((known, corrections)))
    }

    /// The beginning of the stream, and that of its plain bytes.
    fn prefixes(&self) -> Result<(Vec<u8>, Vec<u8>), LocalError> {
        let header_bytes = self.member.header.len();
        let start = self.member.stream.start - header_bytes as u64;
        let len = (self.member.stream.end - start).min((header_bytes + PREFIX_BYTES) as u64);
        let mut stored = vec![0; len as usize];
        let read = self.stored.read_at(start, &mut stored);
        stored.truncate(read.map_err(LocalError::io("temporary file"))?);
        let plain = plain_beginning(&stored).map(|(_, plain)| plain).unwrap_or_default();
        stored.drain(..header_bytes.min(stored.len()));
        Ok((stored, plain))
    }

    /// Passes the plain bytes in pieces to `each`, as long as it wants more.
    fn plain(&self, mut each: impl FnMut(Vec<u8>) -> Result<bool, LocalError>) -> Result<(), LocalError> {
        let start = self.member.stream.start - self.member.header.len() as u64;
        let mut reader = GzipReader::default();
        read_through(self.stored, start, &mut reader, |piece, ended| Ok(each(piece)? && !ended))?;
        Ok(())
    }

    /// Encodes the plain bytes, which another thread inflates, as long as `take` wants more of the stream.
    fn encode(
        &self,
        known: KnownEncoder,
        corrections: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<bool, LocalError>,
    ) -> Result<(), LocalError> {
        std::thread::scope(|scope| {
            let (pieces, arriving) = sync_channel::<Vec<u8>>(PIECES_WAITING);
            let inflating = spawn_scoped(scope, move || self.plain(|piece| Ok(pieces.send(piece).is_ok())))?;
            let mut maker = StreamMaker::new(self.pool, known, corrections);
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
            inflating.join().map_err(|_| LocalError::Worker)??;
            maker.finish(&mut sink).map(|_| ())
        })
    }

    /// Tries an encoder. The result is `None` if it makes exactly this stream, and otherwise the approximate number
    /// of bytes that agree.
    fn agreed(&self, known: KnownEncoder, corrections: &[u8]) -> Result<Option<u64>, LocalError> {
        let (mut at, end) = (self.member.stream.start, self.member.stream.end);
        let (mut buffer, mut agrees) = (Vec::new(), true);
        let encoded = self.encode(known, corrections, &mut |made| {
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
        Ok(if agrees && at == end { None } else { Some(at - self.member.stream.start) })
    }

    /// The corrections that an encoder's output needs, if they are small.
    fn corrections(&self, known: KnownEncoder) -> Result<Option<Vec<u8>>, LocalError> {
        let stream_bytes = self.member.stream.end - self.member.stream.start;
        let mut differ = Differ::new((stream_bytes / CORRECTIONS_SHARE).min(MAX_CORRECTIONS_BYTES) as usize);
        let mut at = self.member.stream.start;
        self.encode(known, &[], &mut |made| {
            differ.push_predicted(made);
            // The actual stream is fed at the same pace.
            at = self.feed(&mut differ, at, made.len() as u64)?;
            Ok(!differ.is_over())
        })?;
        if !differ.is_over() {
            self.feed(&mut differ, at, u64::MAX)?;
        }
        Ok(differ.finish())
    }

    /// Feeds this many bytes of the stream to the differ, and returns the offset behind them.
    fn feed(&self, differ: &mut Differ, mut at: u64, bytes: u64) -> Result<u64, LocalError> {
        let end = self.member.stream.end.min(at.saturating_add(bytes));
        let mut buffer = vec![0; READ_BYTES];
        while at < end && !differ.is_over() {
            let wanted = READ_BYTES.min((end - at) as usize);
            let read = self.stored.read_at(at, &mut buffer[..wanted]).map_err(LocalError::io("temporary file"))?;
            differ.push_actual(&buffer[..read]);
            at += read as u64;
        }
        Ok(at)
    }
}
