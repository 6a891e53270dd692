//! How coded files are made of the plain image. FORMAT.md, section 6.1.

use std::sync::Arc;

use regrow_chunker::varint;

use crate::IndexError;
use crate::decode::{end, take, take_count};

/// gzip members of all coded files together, at most.
const MAX_MEMBERS: u64 = 1 << 20;
/// Bytes of corrections together, at most.
const MAX_CORRECTIONS_BYTES: u64 = 16 << 20;
/// Bytes of a member's header, and of what follows the last member.
pub const MAX_FRINGE_BYTES: usize = 64 << 10;
/// Bytes of an encoder's name.
const MAX_ENCODER_BYTES: usize = 32;
/// CRC-32 and length behind each member's stream.
const TRAILER_BYTES: u64 = 8;
/// Deflate makes at most so many bytes of one (RFC 1951: 258 bytes of two bits).
const MOST_EXPANSION: u64 = 1032;

/// A coded file: a gzip file that is in the plain image as the bytes that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// Its gzip members; at least one.
    pub members: Vec<MemberCoding>,
    /// What follows the last member.
    pub tail: Vec<u8>,
}

/// A gzip member: its stream is what the encoder makes of the plain bytes, corrected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberCoding {
    /// The header, as it is.
    pub header: Arc<[u8]>,
    /// The encoder's number and parameters, in the form of regrow-deflate.
    pub encoder: Arc<[u8]>,
    /// Bytes that it holds.
    pub plain_bytes: u64,
    /// Bytes of the deflate stream, without header and trailer.
    pub stream_bytes: u64,
    /// What has to be changed in what the encoder makes; mostly nothing.
    pub corrections: Vec<u8>,
}

impl MemberCoding {
    /// Bytes of the member in the image, header and trailer included.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.header.len() as u64 + self.stream_bytes + TRAILER_BYTES
    }
}

impl Coding {
    /// Bytes of the file in the image.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.members.iter().map(MemberCoding::stored_bytes).sum::<u64>() + self.tail.len() as u64
    }

    /// Bytes of the file in the plain image.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.members.iter().map(|member| member.plain_bytes).sum()
    }

    /// Bytes of the index that say how the file is made.
    #[must_use]
    pub fn cost_bytes(&self) -> u64 {
        let mut out = Vec::new();
        put_coding(&mut out, self, &mut Last::default());
        out.len() as u64
    }
}

/// What stands for itself where it comes again.
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
    // A file of one member that is like the one before takes seven bytes.
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
            left.1 = left.1.checked_sub(corrections).ok_or(IndexError::Malformed("corrections of coded files"))?;
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
    // What deflate cannot be is refused here: no one is to be made to write zeros for ever by a short index.
    let can_be = stream_bytes > 0 && plain_bytes / MOST_EXPANSION <= stream_bytes;
    if can_be {
        Ok(MemberCoding { header, encoder, plain_bytes, stream_bytes, corrections })
    } else {
        Err(IndexError::Malformed("sizes of a gzip member"))
    }
}

/// Whether it holds anything, and its sizes can be added up.
fn check(coding: &Coding) -> Result<(), IndexError> {
    let sum = |size: fn(&MemberCoding) -> u64| {
        coding.members.iter().try_fold(0u64, |sum, member| {
            // Half of what a number can be is left for the rest of the image.
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
