//! The section of the index that says how coded files are made of the plain image. FORMAT.md, section 6.1.

use std::sync::Arc;

use regrow_chunker::varint;

use crate::IndexError;
use crate::decode::{end, take, take_count};

/// The largest number of gzip members in all coded files together.
const MAX_MEMBERS: u64 = 1 << 20;
/// The largest size in bytes of all corrections together.
const MAX_CORRECTIONS_BYTES: u64 = 16 << 20;
/// The largest size in bytes of a member's header, and of the bytes behind the last member.
pub const MAX_FRINGE_BYTES: usize = 64 << 10;
/// The largest size in bytes of an encoder's number and parameters.
const MAX_ENCODER_BYTES: usize = 32;
/// The size in bytes of the trailer behind each member's stream: CRC-32 and length.
const TRAILER_BYTES: u64 = 8;
/// The most bytes that deflate makes of one byte (RFC 1951: 258 bytes of two bits).
const MOST_EXPANSION: u64 = 1032;

/// A coded file: a gzip file whose plain bytes stand for it in the plain image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// The file's gzip members, at least one.
    pub members: Vec<MemberCoding>,
    /// The bytes behind the last member.
    pub tail: Vec<u8>,
}

/// A gzip member. Its stream is the encoder's output for the plain bytes, with the corrections applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberCoding {
    /// The header's bytes.
    pub header: Arc<[u8]>,
    /// The encoder's number and parameters, in the form of regrow-deflate.
    pub encoder: Arc<[u8]>,
    /// The number of plain bytes.
    pub plain_bytes: u64,
    /// The number of bytes of the deflate stream, without header and trailer.
    pub stream_bytes: u64,
    /// The corrections of the encoder's output. Usually there are none.
    pub corrections: Vec<u8>,
}

impl MemberCoding {
    /// The member's size in the image in bytes, header and trailer included.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.header.len() as u64 + self.stream_bytes + TRAILER_BYTES
    }
}

impl Coding {
    /// The file's size in the image in bytes.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.members.iter().map(MemberCoding::stored_bytes).sum::<u64>() + self.tail.len() as u64
    }

    /// The file's size in the plain image in bytes.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.members.iter().map(|member| member.plain_bytes).sum()
    }

    /// The number of bytes of the index that describe this file.
    #[must_use]
    pub fn cost_bytes(&self) -> u64 {
        let mut out = Vec::new();
        put_coding(&mut out, self, &mut Last::default());
        out.len() as u64
    }
}

/// The last header and encoder, which an empty field repeats.
#[derive(Default)]
struct Last {
    header: Arc<[u8]>,
    encoder: Arc<[u8]>,
}

/// Appends the section's payload.
pub(crate) fn put_codings(out: &mut Vec<u8>, codings: &[Coding]) {
    varint::put(out, codings.len() as u64);
    let mut last = Last::default();
    codings.iter().for_each(|coding| put_coding(out, coding, &mut last));
}

fn put_coding(out: &mut Vec<u8>, coding: &Coding, last: &mut Last) {
    varint::put(out, coding.members.len() as u64);
    for member in &coding.members {
        put_or_same(out, &member.header, &mut last.header);
        put_or_same(out, &member.encoder, &mut last.encoder);
        varint::put(out, member.plain_bytes);
        varint::put(out, member.stream_bytes);
        put_bytes(out, &member.corrections);
    }
    put_bytes(out, &coding.tail);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_or_same(out: &mut Vec<u8>, bytes: &Arc<[u8]>, last: &mut Arc<[u8]>) {
    if bytes == last {
        varint::put(out, 0);
    } else {
        put_bytes(out, bytes);
        *last = Arc::clone(bytes);
    }
}

/// Reads the section's payload.
pub(crate) fn decode_codings(mut input: &[u8]) -> Result<Vec<Coding>, IndexError> {
    // A file takes at least seven bytes, if its only member is like the one before.
    let count = take_count(&mut input, 7)?;
    let (mut last, mut found) = (Last::default(), Vec::with_capacity(count));
    let mut left = (MAX_MEMBERS, MAX_CORRECTIONS_BYTES);
    for _ in 0..count {
        let count = take_count(&mut input, 5)?;
        left.0 = left.0.checked_sub(count as u64).ok_or(IndexError::Malformed("more than 2^20 gzip members"))?;
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            let member = decode_member(&mut input, &mut last)?;
            let corrections = member.corrections.len() as u64;
            left.1 = left.1.checked_sub(corrections).ok_or(IndexError::Malformed("more than 16 MiB of corrections"))?;
            members.push(member);
        }
        let tail = take_bytes(&mut input, MAX_FRINGE_BYTES)?.to_vec();
        let coding = Coding { members, tail };
        check(&coding)?;
        found.push(coding);
    }
    end(input)?;
    Ok(found)
}

fn decode_member(input: &mut &[u8], last: &mut Last) -> Result<MemberCoding, IndexError> {
    let header = take_or_same(input, MAX_FRINGE_BYTES, &mut last.header)?;
    let encoder = take_or_same(input, MAX_ENCODER_BYTES, &mut last.encoder)?;
    let (plain_bytes, stream_bytes) = (take(input)?, take(input)?);
    let corrections = take_bytes(input, MAX_CORRECTIONS_BYTES as usize)?.to_vec();
    // Sizes that deflate cannot have are refused, so that a short index cannot make anybody write zeros for ever.
    let can_be = stream_bytes > 0 && plain_bytes / MOST_EXPANSION <= stream_bytes;
    if can_be {
        Ok(MemberCoding { header, encoder, plain_bytes, stream_bytes, corrections })
    } else {
        Err(IndexError::Malformed("sizes of a gzip member"))
    }
}

/// Checks that the file has plain bytes, and that its sizes can be added up.
fn check(coding: &Coding) -> Result<(), IndexError> {
    let sum = |size: fn(&MemberCoding) -> u64| {
        coding.members.iter().try_fold(0u64, |sum, member| {
            // Half of the range of a number is left for the rest of the image.
            sum.checked_add(size(member)).filter(|&sum| sum < 1 << 62)
        })
    };
    let plain = sum(|member| member.plain_bytes);
    let stored = sum(|member| member.stream_bytes.saturating_add(member.header.len() as u64 + TRAILER_BYTES));
    match (plain, stored) {
        (Some(1..), Some(_)) => Ok(()),
        _ => Err(IndexError::Malformed("sizes of a coded file")),
    }
}

fn take_bytes<'a>(input: &mut &'a [u8], most: usize) -> Result<&'a [u8], IndexError> {
    let count = take_count(input, 1)?;
    if count > most {
        return Err(IndexError::Malformed("a part of a coded file is too long"));
    }
    let (bytes, rest) = input.split_at(count);
    *input = rest;
    Ok(bytes)
}

fn take_or_same(input: &mut &[u8], most: usize, last: &mut Arc<[u8]>) -> Result<Arc<[u8]>, IndexError> {
    let bytes = take_bytes(input, most)?;
    if !bytes.is_empty() {
        *last = bytes.into();
    } else if last.is_empty() {
        return Err(IndexError::Malformed("the first gzip member has no header or no encoder"));
    }
    Ok(Arc::clone(last))
}
