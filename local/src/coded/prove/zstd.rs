//! Finds out how a zstd file is rebuilt.

use std::ops::Range;
use std::sync::Arc;

use regrow_index::{CodedFormat, Coding, MemberCoding};
use regrow_zstd::{Beginning, Chunked, Differ, KnownEncoder};

use super::{
    LONG_BYTES, MAX_CORRECTIONS_BYTES, MAX_MEMBERS, MOST_TRIED, MOST_TRIED_IN_ALL, Makers, Member, Proof, READ_BYTES,
    StoredBytes, read_through, share_with_last,
};
use crate::LocalError;
use crate::coded::stream::CodedEncoder;
use crate::coded::zstd_reader::{ZstdFrame, ZstdReader};
use crate::coded::{Aside, CodedReader, PREFIX_BYTES};

/// The largest number of bytes of a file that are no frame with plain bytes. An index keeps them as they are, and it has
/// room for 16 MiB.
const MAX_LITERAL_BYTES: u64 = 4 << 20;

/// The bytes that end a zstd:chunked file.
const FOOTER_MAGIC_BYTES: u64 = 8;
/// The corrections may be at most one part in this many of a file, and of a frame unless that is small.
pub(super) const CORRECTIONS_SHARE: u64 = 25;
const SMALL_CORRECTIONS_BYTES: u64 = 64;
/// The largest number of encoders that come near to a frame and are tried on all of it.
const MOST_NEAR: usize = 6;

const NOT_SOUND: &str = "it is not a sound zstd file";
const UNKNOWN: &str = "no known encoder wrote all of it";
const TOO_DIFFERENT: &str = "its encoder differs too much from the known ones";

/// An encoder, and the corrections of what it makes of a frame.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) known: KnownEncoder,
    pub(super) corrections: Vec<u8>,
}

/// Examines a whole zstd file.
pub(super) fn prove(stored: &Aside, makers: &Makers<'_>) -> Result<Proof, LocalError> {
    let Some(frames) = frames_of(stored)? else {
        return Ok(Proof::Impossible(NOT_SOUND));
    };
    if frames.len() > MAX_MEMBERS {
        return Ok(Proof::Impossible("it has more frames than an index can describe"));
    }
    let streams: u64 = frames.iter().map(|frame| frame.stored.end - frame.stored.start).sum();
    if frames.is_empty() || stored.bytes() - streams > MAX_LITERAL_BYTES {
        return Ok(Proof::Impossible("it has too many bytes that are no zstd frame with contents"));
    }
    if let Some(coding) = chunked(stored, makers, &frames)? {
        return Ok(Proof::Exact(coding));
    }
    let mut members: Vec<MemberCoding> = Vec::with_capacity(frames.len());
    let (mut last, mut at) = (None, 0);
    let mut corrections_left = (stored.bytes() / CORRECTIONS_SHARE).min(MAX_CORRECTIONS_BYTES);
    for frame in frames {
        let found = match encoder_of(stored, makers, &frame, (last, corrections_left))? {
            Ok(found) => found,
            Err(reason) => return Ok(Proof::Impossible(reason)),
        };
        corrections_left -= found.corrections.len() as u64;
        let mut encoder = Vec::new();
        found.known.put(&mut encoder);
        last = Some((found.known, found.corrections.is_empty()));
        members.push(MemberCoding {
            header: literal(stored, at..frame.stored.start)?,
            encoder: encoder.into(),
            plain_bytes: frame.plain_bytes,
            stream_bytes: frame.stored.end - frame.stored.start,
            corrections: found.corrections,
        });
        share_with_last(&mut members);
        at = frame.stored.end;
    }
    let tail = literal(stored, at..stored.bytes())?;
    Ok(Proof::Exact(Coding { format: CodedFormat::Zstd, members, tail }))
}

/// How a zstd:chunked file is rebuilt as a whole, or all of its frames at least.
fn chunked(stored: &Aside, makers: &Makers<'_>, frames: &[ZstdFrame]) -> Result<Option<Coding>, LocalError> {
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return Ok(None) };
    let plain_bytes = frames.iter().map(|frame| frame.plain_bytes).sum();
    let agreed = |known: Chunked, end| {
        let stream = first.stored.start..end;
        let member = Member {
            stored,
            makers,
            format: CodedFormat::Zstd,
            start: first.stored.start,
            stream,
            is_file: true,
            plain: None,
        };
        member.agreed(CodedEncoder::Zstd(KnownEncoder::Chunked(known), plain_bytes), &[])
    };
    let coding = |known, end| {
        let mut encoder = Vec::new();
        KnownEncoder::Chunked(known).put(&mut encoder);
        let member = MemberCoding {
            header: literal(stored, 0..first.stored.start)?,
            encoder: encoder.into(),
            plain_bytes,
            stream_bytes: end - first.stored.start,
            corrections: Vec::new(),
        };
        let tail = literal(stored, end..stored.bytes())?;
        Ok(Some(Coding { format: CodedFormat::Zstd, members: vec![member], tail }))
    };
    let end = literal(stored, stored.bytes().saturating_sub(FOOTER_MAGIC_BYTES)..stored.bytes())?;
    let mut best = None;
    for known in Chunked::candidates(&end) {
        let Some(bytes) = agreed(known, stored.bytes())? else { return coding(known, stored.bytes()) };
        if best.is_none_or(|(most, _)| bytes > most) {
            best = Some((bytes, known));
        }
    }
    // The table of contents may be another one.
    let Some((1.., known)) = best else { return Ok(None) };
    let known = Chunked { has_contents: false, ..known };
    let is_known = agreed(known, last.stored.end)?.is_none();
    if is_known { coding(known, last.stored.end) } else { Ok(None) }
}

fn literal(stored: &Aside, range: Range<u64>) -> Result<Arc<[u8]>, LocalError> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    stored.read_at(range.start, &mut bytes).map_err(LocalError::io("temporary file"))?;
    Ok(bytes.into())
}

/// The frames that have plain bytes, if the file decompresses to its end.
fn frames_of(stored: &Aside) -> Result<Option<Vec<ZstdFrame>>, LocalError> {
    let mut reader = CodedReader::Zstd(Box::<ZstdReader>::default());
    let mut ended = 0;
    let read = read_through(stored, 0, &mut reader, |_, has_ended| {
        ended += usize::from(has_ended);
        Ok(ended <= MAX_MEMBERS)
    })?;
    match reader {
        CodedReader::Zstd(reader) if read && reader.may_end() => Ok(Some(reader.frames().to_vec())),
        _ => Ok(None),
    }
}

/// Finds the encoder that wrote a frame, or one that nearly makes it, with at most this many bytes of corrections; or the
/// reason why there is none. The one of the frame before is tried first, in the way in which it made that one.
pub(super) fn encoder_of(
    stored: &dyn StoredBytes,
    makers: &Makers<'_>,
    frame: &ZstdFrame,
    (last, corrections_left): (Option<(KnownEncoder, bool)>, u64),
) -> Result<Result<Found, &'static str>, LocalError> {
    let (start, stream) = (frame.stored.start, frame.stored.clone());
    let member = Member { stored, makers, format: CodedFormat::Zstd, start, stream, is_file: false, plain: None };
    let agreed = |known| member.agreed(CodedEncoder::Zstd(known, frame.plain_bytes), &[]);
    let exact = |known| Ok(Ok(Found { known, corrections: Vec::new() }));
    let near = |known| nearly(&member, known, frame.plain_bytes, corrections_left);
    match last {
        Some((last, true)) if frame.plain_bytes <= PREFIX_BYTES as u64 && agreed(last)?.is_none() => {
            return exact(last);
        }
        Some((last, false)) => {
            if let Some(found) = near(last)? {
                return Ok(Ok(found));
            }
        }
        _ => {}
    }
    let beginning = member.beginning(PREFIX_BYTES)?;
    let Some(beginning) = Beginning::of(&beginning) else { return Ok(Err(NOT_SOUND)) };
    let is_available = |known: &KnownEncoder| known.unavailable(frame.plain_bytes).is_none();
    let (mut best, mut long): (Option<(u64, KnownEncoder)>, _) = (None, 0);
    for known in beginning.encoders().filter(is_available).take(MOST_TRIED_IN_ALL) {
        let Some(bytes) = agreed(known)? else { return exact(known) };
        if best.is_none_or(|(most, _)| bytes > most) {
            best = Some((bytes, known));
        }
        long += usize::from(bytes >= LONG_BYTES);
        if long == MOST_TRIED {
            break;
        }
    }
    // What makes the beginning comes near to all of it.
    let mut nearest: Vec<KnownEncoder> = best.into_iter().map(|(_, known)| known).collect();
    nearest.extend(beginning.near().into_iter().filter(is_available));
    for known in nearest.iter().take(MOST_NEAR) {
        if let Some(found) = near(*known)? {
            return Ok(Ok(found));
        }
    }
    Ok(Err(if nearest.is_empty() { UNKNOWN } else { TOO_DIFFERENT }))
}

/// The corrections of what an encoder makes, if it nearly makes the frame. They are only trusted once they were seen to
/// work.
fn nearly(
    member: &Member<'_, '_>,
    known: KnownEncoder,
    plain_bytes: u64,
    corrections_left: u64,
) -> Result<Option<Found>, LocalError> {
    let stream_bytes = member.stream.end - member.stream.start;
    let most = (stream_bytes / CORRECTIONS_SHARE).max(SMALL_CORRECTIONS_BYTES).min(corrections_left);
    let mut differ = Differ::new(known, plain_bytes, most as usize);
    let mut at = member.stream.start;
    member.plain_beside(&mut |piece| {
        differ.push_plain(piece);
        at = feed(member, &mut differ, at)?;
        Ok(!differ.is_over())
    })?;
    // Workers of an encoder are behind by some MiB, and so is what was read of the frame.
    differ.end_plain();
    feed(member, &mut differ, at)?;
    if differ.is_over() {
        return Ok(None);
    }
    let Some(corrections) = differ.finish() else { return Ok(None) };
    let is_proven = member.agreed(CodedEncoder::Zstd(known, plain_bytes), &corrections)?.is_none();
    Ok(is_proven.then_some(Found { known, corrections }))
}

/// Feeds what the differ wants of the stream, and returns the offset behind it.
fn feed(member: &Member<'_, '_>, differ: &mut Differ, mut at: u64) -> Result<u64, LocalError> {
    let mut buffer = vec![0; READ_BYTES];
    while at < member.stream.end && differ.wants_stored() {
        let wanted = READ_BYTES.min((member.stream.end - at) as usize);
        let read = member.stored.read_at(at, &mut buffer[..wanted]).map_err(LocalError::io("temporary file"))?;
        differ.push_stored(&buffer[..read]);
        at += read as u64;
    }
    Ok(at)
}
