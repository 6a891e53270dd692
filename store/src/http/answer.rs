//! Checks the head of an answer against the request (RFC 9110, sections 14 and 15).

use std::ops::Range;

use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::content_range::{ContentRange, unsatisfied_size};
use super::retry_after;
use crate::{Span, StoreError};

/// The largest number of bytes that are read and dropped before a range, in addition to the range's length, if a
/// host sends the whole object. It covers every pack that regrow makes, of 8 MiB today. Earlier versions closed a pack
/// at 64 MiB, and the frames in progress then, at most fourteen of 5 MiB, came on top.
pub(super) const MAX_SKIPPED_BYTES: u64 = 144 << 20;

/// The contents of the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The wanted bytes, perhaps with others around them.
    Part(Part),
    /// The whole object, of unknown size. The place of the wanted bytes depends on the size.
    Unsized,
    /// No wanted bytes, since the end of an empty object was asked for.
    Nothing,
}

/// The place of the wanted bytes in the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The range of the wanted bytes in the object.
    pub(super) range: Range<u64>,
    /// The object's size, if the answer states it.
    pub(super) object_bytes: Option<u64>,
    /// The number of bytes of the body before the wanted ones.
    pub(super) skipped_bytes: u64,
    /// Whether the body ends with the wanted bytes.
    pub(super) to_end: bool,
}

impl Part {
    /// Whether this answer brings only the wanted bytes. That is so for the part that was asked for, and for the
    /// whole of an object that is no longer than that.
    pub(super) fn fills(&self, response: &Response) -> bool {
        response.status() == StatusCode::PARTIAL_CONTENT || (self.skipped_bytes == 0 && self.to_end)
    }
}

/// Checks the head against the request, and says what the body will hold.
pub(super) fn framing(response: &Response, span: &Span, object: &str) -> Result<Framing, StoreError> {
    match response.status() {
        StatusCode::OK => whole(response, span, object),
        StatusCode::PARTIAL_CONTENT => part(response, span, object).map(Framing::Part),
        StatusCode::RANGE_NOT_SATISFIABLE => nothing(response, span, object),
        _ => Err(refusal(response, object)),
    }
}

/// Checks an answer to a request for the whole object.
pub(crate) fn check_whole(response: &Response, object: &str) -> Result<(), StoreError> {
    framing(response, &Span::Whole, object).map(drop)
}

/// The error for an object that ends before the bytes that were asked for.
pub(super) fn too_short(object: String, object_bytes: u64) -> StoreError {
    StoreError::Short { object, object_bytes }
}

/// The compression that a host applied on the way, although plain bytes were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// `gzip` and `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate`: zlib's format (RFC 1950), or a bare deflate stream (RFC 1951), which some hosts send instead.
    Deflate,
    /// `zstd` (RFC 8878).
    Zstd,
}

/// The encoding of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Packed(Packing),
    Other,
}

/// The encoding of the body of a whole answer. The bodies of other answers are not used.
pub(super) fn encoding_of_whole(response: &Response) -> Encoding {
    if response.status() == StatusCode::OK { encoding(response) } else { Encoding::Other }
}

fn encoding(response: &Response) -> Encoding {
    let encoding = header(response, &CONTENT_ENCODING).unwrap_or_default().trim();
    let is_one_of = |names: &[&str]| names.iter().any(|name| encoding.eq_ignore_ascii_case(name));
    // Some uploads keep `aws-chunked` in their metadata, but their bytes are plain.
    if is_one_of(&["", "identity", "aws-chunked"]) {
        Encoding::Plain
    } else if is_one_of(&["gzip", "x-gzip"]) {
        Encoding::Packed(Packing::Gzip)
    } else if is_one_of(&["deflate"]) {
        Encoding::Packed(Packing::Deflate)
    } else if is_one_of(&["zstd"]) {
        Encoding::Packed(Packing::Zstd)
    } else {
        Encoding::Other
    }
}

/// The time that `Retry-After` asks for.
pub(crate) fn retry_after(response: &Response) -> Option<std::time::Duration> {
    header(response, &RETRY_AFTER).and_then(retry_after::parse)
}

/// The error for a whole answer that is too short. If it is a web page, that is how some hosts answer for absent
/// objects.
fn short(response: &Response, object: &str, object_bytes: u64) -> StoreError {
    let kind = header(response, &CONTENT_TYPE).unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with("text/html") {
        return StoreError::WebPage { object: object.to_owned() };
    }
    too_short(object.to_owned(), object_bytes)
}

fn whole(response: &Response, span: &Span, object: &str) -> Result<Framing, StoreError> {
    check_encoding(response, object)?;
    let object_bytes = response.content_length();
    let range = match (object_bytes, span) {
        (Some(bytes), span) => span.within(bytes).ok_or_else(|| short(response, object, bytes))?,
        (None, Span::Range(range)) => range.clone(),
        (None, _) => return Ok(Framing::Unsized),
    };
    let to_end = object_bytes == Some(range.end);
    Ok(Framing::Part(Part { skipped_bytes: range.start, to_end, range, object_bytes }))
}

/// Refuses a whole object in place of a range that begins too far inside it.
pub(super) fn check_skip(skipped_bytes: u64, wanted_bytes: u64, object: &str) -> Result<(), StoreError> {
    if skipped_bytes <= MAX_SKIPPED_BYTES.saturating_add(wanted_bytes) {
        return Ok(());
    }
    Err(StoreError::NoRanges { object: object.to_owned(), skipped_bytes })
}

fn part(response: &Response, span: &Span, object: &str) -> Result<Part, StoreError> {
    let wrong = |reason: String| StoreError::Protocol { object: object.to_owned(), reason };
    if *span == Span::Whole {
        return Err(wrong("a part (HTTP 206), though the whole object was asked for".to_owned()));
    }
    let kind = header(response, &CONTENT_TYPE).unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with("multipart/byteranges") {
        return Err(wrong("several parts, though one range was asked for".to_owned()));
    }
    check_encoding(response, object)?;
    let text =
        header(response, &CONTENT_RANGE).ok_or_else(|| wrong("a part (HTTP 206) without Content-Range".to_owned()))?;
    let ContentRange { range, object_bytes } =
        ContentRange::parse(text).ok_or_else(|| wrong(format!("Content-Range: {text}")))?;
    // A suffix ends where the object ends.
    let object_bytes = object_bytes.or_else(|| matches!(span, Span::Suffix(_)).then_some(range.end));
    let expected = match (object_bytes, span) {
        (None, Span::Range(wanted)) => wanted.clone(),
        // Whether the object goes on is not known.
        (None, Span::Front(most)) => 0..range.end.min(*most),
        (bytes, span) => {
            let bytes = bytes.unwrap_or(range.end);
            span.within(bytes).ok_or_else(|| too_short(object.to_owned(), bytes))?
        }
    };
    if range != expected {
        return Err(wrong(format!("Content-Range: {text}, which was not asked for")));
    }
    let part_bytes = range.end - range.start;
    match response.content_length() {
        Some(length) if length != part_bytes => {
            Err(wrong(format!("Content-Range: {text}, but Content-Length: {length}")))
        }
        _ => Ok(Part { range, object_bytes, skipped_bytes: 0, to_end: true }),
    }
}

fn nothing(response: &Response, span: &Span, object: &str) -> Result<Framing, StoreError> {
    let object_bytes = header(response, &CONTENT_RANGE).and_then(unsatisfied_size);
    match (span, object_bytes) {
        (Span::Whole, _) => Err(refusal(response, object)),
        (Span::Front(_) | Span::Suffix(_), Some(0)) => Ok(Framing::Nothing),
        (_, Some(object_bytes)) => Err(too_short(object.to_owned(), object_bytes)),
        (_, None) => Err(StoreError::Protocol {
            object: object.to_owned(),
            reason: "the object is shorter than expected (HTTP 416)".to_owned(),
        }),
    }
}

/// Refuses a body that was compressed on the way, since its bytes are not the object's.
fn check_encoding(response: &Response, object: &str) -> Result<(), StoreError> {
    if encoding(response) == Encoding::Plain {
        return Ok(());
    }
    let encoding = header(response, &CONTENT_ENCODING).unwrap_or_default().trim();
    Err(StoreError::Protocol {
        object: object.to_owned(),
        reason: format!(
            "Content-Encoding: {encoding}, though plain bytes were asked for; turn compression off for this host's .rgx, \
                 .pack and .patch files"
        ),
    })
}

/// The error for a status that is not a success.
fn refusal(response: &Response, object: &str) -> StoreError {
    let object = object.to_owned();
    let status = response.status().as_u16();
    match status {
        401 => StoreError::Denied { object, status },
        403 | 404 | 410 => StoreError::NotFound { object, status: Some(status) },
        _ => StoreError::Status { object, status, retry_after: retry_after(response) },
    }
}

/// The object's `ETag`, in the form in which it is sent back.
pub(crate) fn version(response: &Response) -> Option<String> {
    header(response, &ETAG).map(str::to_owned)
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}
