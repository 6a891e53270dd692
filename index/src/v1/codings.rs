//! The section of an index of version 1 that says how coded files are made of the plain image. FORMAT.md, section
//! 6.1.

use std::sync::Arc;

use regrow_chunker::varint;

use crate::coding::{MAX_CORRECTIONS_BYTES, MAX_ENCODER_BYTES};
use crate::primitives::{end, put_bytes, take, take_bytes, take_count};
use crate::{CodedFormat, CodedStretch, Coding, IndexError, MAX_FRINGE_BYTES, MemberCoding};

/// The largest number of gzip members in all coded files together.
const MAX_MEMBERS: u64 = 1 << 20;

impl Coding {
    /// The number of bytes of an index of version 1 that describe this file. One of version 2 has some more.
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
/// This version has no disk images, so nobody may pass one: what would be written of it is refused by all readers.
pub(super) fn put_codings(out: &mut Vec<u8>, codings: &[CodedStretch]) {
    varint::put(out, codings.len() as u64);
    let mut last = Last::default();
    codings.iter().filter_map(CodedStretch::file).for_each(|coding| put_coding(out, coding, &mut last));
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

fn put_or_same(out: &mut Vec<u8>, bytes: &Arc<[u8]>, last: &mut Arc<[u8]>) {
    if bytes == last {
        varint::put(out, 0);
    } else {
        put_bytes(out, bytes);
        *last = Arc::clone(bytes);
    }
}

/// Reads the section's payload.
pub(super) fn decode_codings(mut input: &[u8]) -> Result<Vec<CodedStretch>, IndexError> {
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
        let tail = take_part(&mut input, MAX_FRINGE_BYTES)?.into();
        let coding = Coding { format: CodedFormat::Gzip, members, tail };
        coding.check()?;
        found.push(coding.into());
    }
    end(input)?;
    Ok(found)
}

fn decode_member(input: &mut &[u8], last: &mut Last) -> Result<MemberCoding, IndexError> {
    let header = take_or_same(input, MAX_FRINGE_BYTES, &mut last.header)?;
    let encoder = take_or_same(input, MAX_ENCODER_BYTES, &mut last.encoder)?;
    let (plain_bytes, stream_bytes) = (take(input)?, take(input)?);
    let corrections = take_part(input, MAX_CORRECTIONS_BYTES as usize)?.to_vec();
    let member = MemberCoding { header, encoder, plain_bytes, stream_bytes, corrections };
    member.check(CodedFormat::Gzip)?;
    Ok(member)
}

fn take_part<'a>(input: &mut &'a [u8], most: usize) -> Result<&'a [u8], IndexError> {
    take_bytes(input, most, "a part of a coded file is too long")
}

fn take_or_same(input: &mut &[u8], most: usize, last: &mut Arc<[u8]>) -> Result<Arc<[u8]>, IndexError> {
    let bytes = take_part(input, most)?;
    if !bytes.is_empty() {
        *last = bytes.into();
    } else if last.is_empty() {
        return Err(IndexError::Malformed("the first gzip member has no header or no encoder"));
    }
    Ok(Arc::clone(last))
}
