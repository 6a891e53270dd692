//! Finds out how a zstd file is rebuilt.

use std::ops::Range;
use std::sync::Arc;

use regrow_index::{CodedFormat, Coding, MemberCoding};
use regrow_zstd::{Beginning, Chunked, KnownEncoder};

use super::{
    LONG_BYTES, MAX_MEMBERS, MOST_TRIED, MOST_TRIED_IN_ALL, Makers, Member, Proof, read_through, share_with_last,
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

/// Examines a whole zstd file.
pub(super) fn prove(stored: &Aside, makers: &Makers<'_>) -> Result<Proof, LocalError> {
    let Some(frames) = frames_of(stored)? else {
        return Ok(Proof::Impossible("it is not a sound zstd file"));
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
    for frame in frames {
        let Some(known) = encoder_of(stored, makers, &frame, last)? else {
            return Ok(Proof::Impossible("no known encoder wrote all of it"));
        };
        let mut encoder = Vec::new();
        known.put(&mut encoder);
        members.push(MemberCoding {
            header: literal(stored, at..frame.stored.start)?,
            encoder: encoder.into(),
            plain_bytes: frame.plain_bytes,
            stream_bytes: frame.stored.end - frame.stored.start,
            corrections: Vec::new(),
        });
        share_with_last(&mut members);
        (last, at) = (Some(known), frame.stored.end);
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
        let member =
            Member { stored, makers, format: CodedFormat::Zstd, start: first.stored.start, stream, is_file: true };
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

/// Finds the encoder that wrote a frame. The one of the frame before is tried first.
fn encoder_of(
    stored: &Aside,
    makers: &Makers<'_>,
    frame: &ZstdFrame,
    last: Option<KnownEncoder>,
) -> Result<Option<KnownEncoder>, LocalError> {
    let (start, stream) = (frame.stored.start, frame.stored.clone());
    let member = Member { stored, makers, format: CodedFormat::Zstd, start, stream, is_file: false };
    let agreed = |known| member.agreed(CodedEncoder::Zstd(known, frame.plain_bytes), &[]);
    if let Some(last) = last
        && frame.plain_bytes <= PREFIX_BYTES as u64
        && agreed(last)?.is_none()
    {
        return Ok(Some(last));
    }
    let beginning = member.beginning(PREFIX_BYTES)?;
    let Some(beginning) = Beginning::of(&beginning) else { return Ok(None) };
    let is_available = |known: &KnownEncoder| known.unavailable(frame.plain_bytes).is_none();
    let mut long = 0;
    for known in beginning.encoders().filter(is_available).take(MOST_TRIED_IN_ALL) {
        let Some(bytes) = agreed(known)? else { return Ok(Some(known)) };
        long += usize::from(bytes >= LONG_BYTES);
        if long == MOST_TRIED {
            break;
        }
    }
    Ok(None)
}
