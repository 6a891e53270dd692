//! What the head of an answer promises, held against what was asked for (RFC 9110, sections 14 and 15).

use std::ops::Range;

use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::content_range::{ContentRange, unsatisfied_size};
use super::retry_after;
use crate::{Span, StoreError};

/// The most of a whole object that is read and dropped before a range begins, beside the length of the range, where a
/// host sends the whole object instead. It covers every pack that regrow has written of its usual size: 8 MiB,
/// and before, 64 MiB with the frames that were under way when that was reached, fourteen of 5 MiB at most.
pub(super) const MAX_SKIPPED_BYTES: u64 = 144 << 20;

/// What the body holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The wanted bytes, maybe with others around them.
    Part(Part),
    /// The whole object, of unknown size, which has to be known before the wanted bytes can be told.
    Unsized,
    /// Nothing that is wanted: the end of an empty object was asked for.
    Nothing,
}

/// Where the wanted bytes are in the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The wanted bytes in the object.
    pub(super) range: Range<u64>,
    /// The object's size, where the answer tells it.
    pub(super) object_bytes: Option<u64>,
    /// How many bytes of the body come before the wanted ones.
    pub(super) skipped_bytes: u64,
    /// Whether the body ends with the wanted bytes.
    pub(super) to_end: bool,
}

impl Part {
    /// Whether nothing but the wanted bytes comes with this answer: it has the part that was asked for, or all of an object
    /// that is no longer.
    pub(super) fn fills(&self, response: &Response) -> bool {
        response.status() == StatusCode::PARTIAL_CONTENT || (self.skipped_bytes == 0 && self.to_end)
    }
}

/// Checks the head against the request and tells what the body will hold.
pub(super) fn framing(response: &Response, span: &Span, object: &str) -> Result<Framing, StoreError> {
    match response.status() {
        StatusCode::OK => whole(response, span, object),
        StatusCode::PARTIAL_CONTENT => part(response, span, object).map(Framing::Part),
        StatusCode::RANGE_NOT_SATISFIABLE => nothing(response, span, object),
        _ => Err(refusal(response, object)),
    }
}

/// Checks an answer to a request for the whole object.
pub(super) fn check_whole(response: &Response, object: &str) -> Result<(), StoreError> {
    framing(response, &Span::Whole, object).map(drop)
}

/// The error for an object that ends before the bytes that were asked for.
pub(super) fn too_short(object: String, object_bytes: u64) -> StoreError {
    StoreError::Short { object, object_bytes }
}

/// How a host compressed an object on the way, though plain bytes were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// `gzip` and `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate`: zlib's format (RFC 1950), or what some hosts send in its place, a deflate stream alone (RFC 1951).
    Deflate,
    /// `zstd` (RFC 8878).
    Zstd,
}

/// How the body of an answer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Packed(Packing),
    Other,
}

/// How the body of a whole answer is packed; other answers have no body that is used.
pub(super) fn encoding_of_whole(response: &Response) -> Encoding {
    if response.status() == StatusCode::OK { encoding(response) } else { Encoding::Other }
}

fn encoding(response: &Response) -> Encoding {
    let encoding = header(response, &CONTENT_ENCODING).unwrap_or_default().trim();
    let is_one_of = |names: &[&str]| names.iter().any(|name| encoding.eq_ignore_ascii_case(name));
    // `aws-chunked` is left in the metadata of some uploads; their bytes are plain.
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

/// What `Retry-After` asks for.
pub(super) fn retry_after(response: &Response) -> Option<std::time::Duration> {
    header(response, &RETRY_AFTER).and_then(retry_after::parse)
}

/// The error of a whole answer that is too short. A page for people is what some hosts send for what is not there.
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
        return Err(wrong("a part (HTTP 206) of what was asked for whole".to_owned()));
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
    // The end of an object is what a suffix ends with.
    let object_bytes = object_bytes.or_else(|| matches!(span, Span::Suffix(_)).then_some(range.end));
    let expected = match (object_bytes, span) {
        (None, Span::Range(wanted)) => wanted.clone(),
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
        (Span::Suffix(_), Some(0)) => Ok(Framing::Nothing),
        (_, Some(object_bytes)) => Err(too_short(object.to_owned(), object_bytes)),
        (_, None) => Err(StoreError::Protocol {
            object: object.to_owned(),
            reason: "the object is shorter than expected (HTTP 416)".to_owned(),
        }),
    }
}

/// Refuses a body that was compressed on the way: its bytes are not the object's.
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

/// The error for a status that is no success.
fn refusal(response: &Response, object: &str) -> StoreError {
    let object = object.to_owned();
    let status = response.status().as_u16();
    match status {
        401 => StoreError::Denied { object, status },
        403 | 404 | 410 => StoreError::NotFound { object, status: Some(status) },
        _ => StoreError::Status { object, status, retry_after: retry_after(response) },
    }
}

/// The object's `ETag` as it is to be sent back.
pub(super) fn version(response: &Response) -> Option<String> {
    header(response, &ETAG).map(str::to_owned)
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}
