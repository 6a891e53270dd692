//! .xz files (the .xz file format, 1.2.1): streams of blocks, each of LZMA2 and perhaps a filter for machine code.

use regrow_zstd::take_number;

use super::{DAMAGED, Fault, Format, Unpacking};
use crate::codec::StreamReader;
use crate::codec::lzma2::{self, MAX_DICTIONARY_BYTES, WITHOUT_FILTER};
use crate::{StoredForm, StreamCodec};

const STREAM_HEADER_BYTES: u64 = 12;
const ALIGNMENT: u64 = 4;
/// The place of the flags with the number of the check in a stream's header.
const CHECK_AT: usize = 7;
/// The bytes of the checks by their numbers.
const CHECK_BYTES: [u64; 16] = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const LZMA2: u64 = 0x21;
/// The flags of a block's header that say that it states its compressed and its plain bytes.
const STATES: [u8; 2] = [0x40, 0x80];
/// The most bytes of an index, 16 for each of more blocks than there are.
const MAX_INDEX_BYTES: u64 = 1 << 24;

const OTHER_FILTERS: Fault = Fault::Refused("with filters that regrow does not know");
const LARGE_DICTIONARY: Fault =
    Fault::Refused("with a dictionary of more than 32 MiB, for which an encoder takes too much memory");

/// Reads streams as long as there are some.
pub(super) fn read(unpacking: &mut Unpacking<'_>) -> Result<(), Fault> {
    loop {
        read_stream(unpacking)?;
        match unpacking.peek::<6>()? {
            Some(next) if Format::of(&next) == Some(Format::Xz) => {}
            _ => return Ok(()),
        }
    }
}

fn read_stream(unpacking: &mut Unpacking<'_>) -> Result<(), Fault> {
    let start = unpacking.at;
    let header = unpacking.peek::<{ STREAM_HEADER_BYTES as usize }>()?.ok_or(DAMAGED)?;
    let check_bytes = CHECK_BYTES[usize::from(header[CHECK_AT] & 15)];
    unpacking.around(STREAM_HEADER_BYTES)?;
    let mut blocks = 0;
    loop {
        let size = unpacking.peek::<1>()?.ok_or(DAMAGED)?[0];
        if size == 0 {
            return read_index(unpacking, blocks, start);
        }
        let header_bytes = (u64::from(size) + 1) * 4;
        let codec = block_codec(&unpacking.next_bytes(header_bytes)?)?;
        unpacking.around(header_bytes)?;
        let mut reader = StreamReader::new(codec).map_err(|_| OTHER_FILTERS)?;
        let (stored_bytes, plain_bytes) = unpacking.read_stream(|stored, plain, wanted| {
            let step = reader.push(stored, plain, wanted).ok()?;
            Some((step.taken, step.ended))
        })?;
        if plain_bytes > 0 {
            unpacking.inner(stored_bytes, StoredForm::Stream { codec, plain_bytes })?;
        } else {
            unpacking.around(stored_bytes)?;
        }
        unpacking.around(stored_bytes.next_multiple_of(ALIGNMENT) - stored_bytes + check_bytes)?;
        blocks += 1;
    }
}

/// The codec that a block's header states.
fn block_codec(header: &[u8]) -> Result<StreamCodec, Fault> {
    let (&flags, mut rest) = header.get(1..).and_then(<[u8]>::split_first).ok_or(DAMAGED)?;
    for states in STATES {
        if flags & states != 0 {
            take_number(&mut rest).ok_or(DAMAGED)?;
        }
    }
    let mut filter = WITHOUT_FILTER;
    if flags & 3 == 1 {
        let number = take_number(&mut rest).and_then(|number| u8::try_from(number).ok()).ok_or(OTHER_FILTERS)?;
        filter = number;
        // It begins to count at 0, which is stated by no properties.
        rest = rest.strip_prefix(&[0]).ok_or(OTHER_FILTERS)?;
    }
    let last = take_number(&mut rest).ok_or(DAMAGED)?;
    let (LZMA2, [1, bits @ 0..=40, ..], 0 | 1) = (last, rest, flags & 0x3f) else { return Err(OTHER_FILTERS) };
    let dictionary_bytes = (2 | u64::from(bits & 1)) << (bits / 2 + 11);
    if dictionary_bytes > u64::from(MAX_DICTIONARY_BYTES) {
        return Err(LARGE_DICTIONARY);
    }
    let dictionary_bytes = dictionary_bytes as u32;
    if !lzma2::is_known(dictionary_bytes, filter) {
        return Err(OTHER_FILTERS);
    }
    Ok(StreamCodec::Lzma2 { dictionary_bytes, filter })
}

/// The codec that a block's header states, if it is known.
pub(super) fn codec_of(header: &[u8]) -> Option<StreamCodec> {
    block_codec(header).ok()
}

/// Passes the index of a stream, and its footer.
fn read_index(unpacking: &mut Unpacking<'_>, blocks: u64, start: u64) -> Result<(), Fault> {
    let index = unpacking.next_bytes(MAX_INDEX_BYTES.min(8 + 20 * (blocks + 2)))?;
    let mut rest = index.get(1..).ok_or(DAMAGED)?;
    if take_number(&mut rest) != Some(blocks) {
        return Err(DAMAGED);
    }
    for _ in 0..2 * blocks {
        take_number(&mut rest).ok_or(DAMAGED)?;
    }
    let fields = (index.len() - rest.len()) as u64;
    let (padded, footer_bytes) = (fields.next_multiple_of(ALIGNMENT) + 4, 12);
    unpacking.around(padded)?;
    let footer = unpacking.peek::<12>()?.ok_or(DAMAGED)?;
    if !footer.ends_with(b"YZ") || unpacking.at <= start {
        return Err(DAMAGED);
    }
    unpacking.around(footer_bytes)
}
