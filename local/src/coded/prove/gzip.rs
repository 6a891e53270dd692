//! Finds out how a gzip file is rebuilt.

use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};

use regrow_deflate::encoders::{KnownEncoder, recognise};
use regrow_deflate::{Differ, GzipMember, MAX_GZIP_FRINGE_BYTES};
use regrow_index::{CodedFormat, Coding, MemberCoding};

use super::ahead::{Agreed, Ahead};
use super::{
    LONG_BYTES, MAX_CORRECTIONS_BYTES, MAX_MEMBERS, MOST_TRIED, MOST_TRIED_IN_ALL, Makers, Member, PIECES_WAITING,
    Proof, READ_BYTES, StoredBytes, read_through, share_with_last,
};
use crate::LocalError;
use crate::coded::aside::PlainAside;
use crate::coded::stream::CodedEncoder;
use crate::coded::{Aside, CodedReader, PREFIX_BYTES, plain_beginning};
use crate::pool::spawn_scoped;

/// The corrections of a stream may be at most one part in this many of it.
const CORRECTIONS_SHARE: u64 = 20;

/// Examines a whole gzip file. The result has its plain bytes too, if there was room to put them aside.
pub(super) fn prove(stored: &Aside, makers: &Makers<'_>) -> Result<(Proof, Option<Aside>), LocalError> {
    let mut plain = PlainAside::new(stored.folder());
    let (members, agreed) = match Ahead::of(stored, makers)? {
        Some(ahead) => members_and_agreed(stored, &mut plain, &ahead)?,
        None => (members_of(stored, &mut plain, None)?, None),
    };
    let plain = plain.finish();
    let proof = match members {
        Some(members) => proof_of(stored, makers, members, (plain.as_ref(), agreed))?,
        None => Proof::Impossible("it is not a sound gzip file"),
    };
    Ok((proof, plain))
}

fn proof_of(
    stored: &Aside,
    makers: &Makers<'_>,
    (members, tail): Members,
    (plain, mut agreed): (Option<&Aside>, Option<Agreed>),
) -> Result<Proof, LocalError> {
    if members.len() > MAX_MEMBERS {
        return Ok(Proof::Impossible("it has more members than an index can describe"));
    }
    let plain_bytes: u64 = members.iter().map(|member| member.plain_bytes).sum();
    if plain_bytes == 0 || tail.len() > MAX_GZIP_FRINGE_BYTES {
        return Ok(Proof::Impossible("it is not a sound gzip file"));
    }
    let mut coded: Vec<MemberCoding> = Vec::with_capacity(members.len());
    let (mut corrections_bytes, mut plain_at) = (0, 0);
    for member in members {
        // The encoder of one member most likely wrote the next one too.
        let last = coded.last().and_then(|last| KnownEncoder::take(&mut &*last.encoder));
        let range = plain_at..plain_at + member.plain_bytes;
        plain_at = range.end;
        let plain = plain.map(|plain| (plain, range));
        let found = match agreed.take().filter(|agreed| agreed.end == member.stream.end) {
            Some(Agreed { known, .. }) => Some((known, Vec::new())),
            None => encoder_of((stored, plain), makers, &member, last)?,
        };
        let Some((known, corrections)) = found else {
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

/// The members of a gzip file, and the bytes behind the last one.
type Members = (Vec<GzipMember>, Vec<u8>);

/// The members of the file, and the encoder of the first one, if it is the one that is tried meanwhile.
fn members_and_agreed(
    stored: &Aside,
    plain: &mut PlainAside,
    ahead: &Ahead<'_, '_>,
) -> Result<(Option<Members>, Option<Agreed>), LocalError> {
    std::thread::scope(|scope| {
        let (pieces, arriving) = sync_channel(PIECES_WAITING);
        let inflating = spawn_scoped(scope, move || members_of(stored, plain, Some(pieces)))?;
        let agreed = ahead.follow(&arriving);
        // An encoder that is not the right one must not keep the other thread waiting.
        drop(arriving);
        let members = inflating.join().map_err(|_| LocalError::Worker)?;
        Ok((members?, agreed?))
    })
}

/// The members of the file, if it inflates to its end. The plain bytes of the first one also go to `first`, as long as they
/// are taken there.
fn members_of(
    stored: &Aside,
    plain: &mut PlainAside,
    mut first: Option<SyncSender<Vec<u8>>>,
) -> Result<Option<Members>, LocalError> {
    let mut reader = CodedReader::Gzip(Box::default());
    let mut ended = 0;
    let read = read_through(stored, 0, &mut reader, |piece, has_ended| {
        plain.push(&piece);
        ended += usize::from(has_ended);
        // Without a sender, the receiver sees the end.
        drop(first.take_if(|first| first.send(piece).is_err() || has_ended));
        Ok(ended <= MAX_MEMBERS)
    })?;
    match reader {
        CodedReader::Gzip(reader) if read => Ok(reader.finish().ok()),
        _ => Ok(None),
    }
}

/// Finds the encoder that wrote a member, and the corrections of its output.
pub(super) fn encoder_of(
    (stored, plain): (&dyn StoredBytes, Option<(&Aside, Range<u64>)>),
    makers: &Makers<'_>,
    member: &GzipMember,
    last: Option<KnownEncoder>,
) -> Result<Option<(KnownEncoder, Vec<u8>)>, LocalError> {
    let header_bytes = member.header.len();
    let (start, stream) = (member.stream.start - header_bytes as u64, member.stream.clone());
    let tried = Member { stored, makers, format: CodedFormat::Gzip, start, stream, is_file: false, plain };
    let agreed = |known, corrections: &[u8]| tried.agreed(CodedEncoder::Deflate(known), corrections);
    if let Some(last) = last
        && member.plain_bytes <= PREFIX_BYTES as u64
        && agreed(last, &[])?.is_none()
    {
        return Ok(Some((last, Vec::new())));
    }
    let mut stored = tried.beginning(header_bytes + PREFIX_BYTES)?;
    let plain = plain_beginning(&stored).map(|(_, plain)| plain).unwrap_or_default();
    stored.drain(..header_bytes.min(stored.len()));
    let (mut best, mut long): (Option<(u64, KnownEncoder)>, _) = (None, 0);
    for known in recognise(&stored, &plain).take(MOST_TRIED_IN_ALL) {
        let Some(bytes) = agreed(known, &[])? else { return Ok(Some((known, Vec::new()))) };
        if best.is_none_or(|(most, _)| bytes > most) {
            best = Some((bytes, known));
        }
        long += usize::from(bytes >= LONG_BYTES);
        if long == MOST_TRIED {
            break;
        }
    }
    let Some((_, known)) = best else { return Ok(None) };
    let Some(corrections) = corrections_of(&tried, known)? else { return Ok(None) };
    // Corrections are only trusted once they were seen to work.
    let is_proven = !corrections.is_empty() && agreed(known, &corrections)?.is_none();
    Ok(is_proven.then_some((known, corrections)))
}

/// The corrections that an encoder's output needs, if they are small.
fn corrections_of(member: &Member<'_, '_>, known: KnownEncoder) -> Result<Option<Vec<u8>>, LocalError> {
    let stream_bytes = member.stream.end - member.stream.start;
    let mut differ = Differ::new((stream_bytes / CORRECTIONS_SHARE).min(MAX_CORRECTIONS_BYTES) as usize);
    let mut at = member.stream.start;
    member.encode(CodedEncoder::Deflate(known), &[], &mut |made| {
        differ.push_predicted(made);
        // The actual stream is fed at the same pace.
        at = feed(member, &mut differ, at, made.len() as u64)?;
        Ok(!differ.is_over())
    })?;
    if !differ.is_over() {
        feed(member, &mut differ, at, u64::MAX)?;
    }
    Ok(differ.finish())
}

/// Feeds this many bytes of the stream to the differ, and returns the offset behind them.
fn feed(member: &Member<'_, '_>, differ: &mut Differ, mut at: u64, bytes: u64) -> Result<u64, LocalError> {
    let end = member.stream.end.min(at.saturating_add(bytes));
    let mut buffer = vec![0; READ_BYTES];
    while at < end && !differ.is_over() {
        let wanted = READ_BYTES.min((end - at) as usize);
        let read = member.stored.read_at(at, &mut buffer[..wanted]).map_err(LocalError::io("temporary file"))?;
        differ.push_actual(&buffer[..read]);
        at += read as u64;
    }
    Ok(at)
}
