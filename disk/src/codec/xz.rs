//! Blocks by liblzma, each an .xz file with one block, whose header states the sizes: what `lzma_stream_buffer_encode` makes
//! in one call. Only the LZMA2 stream within is left to the library; what stands around it is made here (the .xz file format,
//! 1.2.1).

use std::fmt;

use liblzma::stream::{Action, Error, Filters, LzmaOptions, PRESET_EXTREME, Status, Stream};
use regrow_deflate::Trailer;

use super::BlockError;
use regrow_zstd::{put_number, take_number};

const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const FOOTER_MAGIC: [u8; 2] = *b"YZ";
const STREAM_HEADER_BYTES: usize = 12;
/// The place of the block header's size, and of its flags.
const BLOCK_AT: usize = STREAM_HEADER_BYTES;
const LZMA2: u8 = 0x21;
/// The flags of a block's header that say that it states the sizes.
const HAS_SIZES: u8 = 0xc0;
/// The numbers of the checks that are known: none, CRC-32.
const NO_CHECK: u8 = 0;
const CRC32: u8 = 1;
/// The numbers of filters for machine code, and their names.
const FILTERS: [(u8, &str); 8] =
    [(4, "x86"), (5, "powerpc"), (6, "ia64"), (7, "arm"), (8, "armthumb"), (9, "sparc"), (10, "arm64"), (11, "riscv")];
pub(super) const NO_FILTER: u8 = 0;
pub(super) const EXTREME: u8 = 16;
const DEFAULT_PRESET: u8 = 6;
/// The order in which presets are tried.
pub(super) const PRESETS: [u8; 20] = [6, 9, 22, 25, 0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21, 23, 24];
/// The largest dictionary: blocks are smaller.
const MAX_DICTIONARY_BYTES: u32 = 64 << 20;
pub(super) const MIN_DICTIONARY_BYTES: u32 = 4096;
const MAX_MEMORY_BYTES: u64 = 256 << 20;

/// The parameters of liblzma that decide its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct XzBlocks {
    /// The preset, with [`EXTREME`] added for an extreme one.
    preset: u8,
    dictionary_bytes: u32,
    check: u8,
    /// The filter for machine code, or [`NO_FILTER`].
    filter: u8,
}

pub(super) fn decode(stored: &[u8], most: usize) -> Result<Vec<u8>, BlockError> {
    let mut decoder = Stream::new_stream_decoder(MAX_MEMORY_BYTES, 0).map_err(|_| BlockError::Damaged)?;
    let mut plain = Vec::new();
    loop {
        let taken = usize::try_from(decoder.total_in()).ok().and_then(|taken| stored.get(taken..));
        // There is room for one byte too many, which tells a block that holds more.
        plain.reserve((stored.len() * 4).clamp(1 << 10, 1 << 20).min(most + 1 - plain.len()).max(1));
        let (before, rest) = (plain.len(), taken.ok_or(BlockError::Damaged)?);
        let status = decoder.process_vec(rest, &mut plain, Action::Finish).map_err(|_| BlockError::Damaged)?;
        if plain.len() > most {
            return Err(BlockError::TooLong(most));
        }
        if status == Status::StreamEnd {
            let is_whole = decoder.total_in() == stored.len() as u64;
            return if is_whole { Ok(plain) } else { Err(BlockError::Trailing) };
        }
        if plain.len() == before && decoder.total_in() == stored.len() as u64 {
            return Err(BlockError::Damaged);
        }
    }
}

impl XzBlocks {
    pub(super) fn put(self, out: &mut Vec<u8>) {
        let Self { preset, dictionary_bytes, check, filter } = self;
        [preset.into(), u64::from(dictionary_bytes), check.into(), filter.into()]
            .iter()
            .for_each(|&number| put_number(out, number));
    }

    pub(super) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let mut take = || take_number(bytes).and_then(|number| u32::try_from(number).ok());
        let (preset, dictionary_bytes, check, filter) = (take()?, take()?, take()?, take()?);
        let small = |number: u32| u8::try_from(number).ok();
        let known = Self { preset: small(preset)?, dictionary_bytes, check: small(check)?, filter: small(filter)? };
        let is_filter = is_filter(known.filter);
        let is_dictionary = (MIN_DICTIONARY_BYTES..=MAX_DICTIONARY_BYTES).contains(&dictionary_bytes);
        let is_known = PRESETS.contains(&known.preset) && [NO_CHECK, CRC32].contains(&known.check);
        (is_known && is_filter && is_dictionary).then_some(known)
    }

    /// The parameters that may have made a block, the likelier presets first.
    pub(super) fn candidates(stored: &[u8]) -> impl Iterator<Item = Self> + use<> {
        let stated = Self::stated(stored);
        PRESETS.into_iter().filter_map(move |preset| stated.map(|stated| Self { preset, ..stated }))
    }

    /// What a block's headers state: all but the preset.
    fn stated(stored: &[u8]) -> Option<Self> {
        let check = *stored.strip_prefix(&MAGIC)?.get(1)?;
        let block = stored.get(BLOCK_AT..)?;
        let (&flags, mut rest) = block.get(1..(usize::from(*block.first()?) + 1) * 4)?.split_first()?;
        if flags & HAS_SIZES != HAS_SIZES {
            return None;
        }
        // The sizes differ from block to block.
        take_number(&mut rest)?;
        take_number(&mut rest)?;
        let mut filter = NO_FILTER;
        if flags & 3 == 1 {
            let (&number, after) = rest.split_first()?;
            filter = number;
            // It has no properties.
            rest = after.strip_prefix(&[0])?;
        }
        let &[LZMA2, 1, bits, ..] = rest else { return None };
        let dictionary_bytes = (2 | u32::from(bits) & 1).checked_shl(u32::from(bits) / 2 + 11)?;
        let mut written = Vec::new();
        Self { preset: DEFAULT_PRESET, dictionary_bytes, check, filter }.put(&mut written);
        Self::take(&mut written.as_slice())
    }

    pub(super) fn memory_bytes(self) -> u64 {
        (8 << 20) + 12 * u64::from(self.dictionary_bytes)
    }

    pub(super) fn encode(self, plain: &[u8]) -> Result<Vec<u8>, BlockError> {
        let flags = [0, self.check];
        let mut out = [MAGIC.as_slice(), &flags, &crc32(&flags)].concat();
        let (header_bytes, lzma2) = (self.header_bytes(plain.len()), self.lzma2(plain)?);
        self.put_header(&mut out, header_bytes, (lzma2.len(), plain.len()));
        out.extend_from_slice(&lzma2);
        pad(&mut out);
        let check = if self.check == CRC32 { crc32(plain).to_vec() } else { Vec::new() };
        out.extend_from_slice(&check);
        let mut index = vec![0, 1];
        put_number(&mut index, (header_bytes + lzma2.len() + check.len()) as u64);
        put_number(&mut index, plain.len() as u64);
        pad(&mut index);
        let sum = crc32(&index);
        index.extend_from_slice(&sum);
        let footer = [&(index.len() as u32 / 4 - 1).to_le_bytes(), flags.as_slice()].concat();
        out.extend_from_slice(&index);
        [crc32(&footer).as_slice(), &footer, &FOOTER_MAGIC].iter().for_each(|part| out.extend_from_slice(part));
        Ok(out)
    }

    /// The library reserves room for a header with the largest compressed size that there can be.
    fn header_bytes(self, plain_bytes: usize) -> usize {
        let most = plain_bytes + plain_bytes.div_ceil(64 << 10) * 3 + 1;
        let mut sizes = Vec::new();
        put_number(&mut sizes, most as u64);
        put_number(&mut sizes, plain_bytes as u64);
        let filters = if self.filter == NO_FILTER { 3 } else { 5 };
        (2 + sizes.len() + filters + 4).next_multiple_of(4)
    }

    fn put_header(self, out: &mut Vec<u8>, header_bytes: usize, (lzma2_bytes, plain_bytes): (usize, usize)) {
        let has_filter = self.filter != NO_FILTER;
        let mut header = vec![(header_bytes / 4 - 1) as u8, HAS_SIZES | u8::from(has_filter)];
        put_number(&mut header, lzma2_bytes as u64);
        put_number(&mut header, plain_bytes as u64);
        if has_filter {
            header.extend_from_slice(&[self.filter, 0]);
        }
        header.extend_from_slice(&[LZMA2, 1, dictionary_bits(self.dictionary_bytes)]);
        header.resize(header_bytes - 4, 0);
        out.extend_from_slice(&header);
        out.extend_from_slice(&crc32(&header));
    }

    fn lzma2(self, plain: &[u8]) -> Result<Vec<u8>, BlockError> {
        let failed = |_| BlockError::NotMade("liblzma");
        let filters = filters(self.preset, self.dictionary_bytes, self.filter).map_err(failed)?;
        let mut encoder = Stream::new_raw_encoder(&filters).map_err(failed)?;
        let mut out = Vec::with_capacity(plain.len() + plain.len() / 16 + 1024);
        loop {
            let rest = usize::try_from(encoder.total_in()).ok().and_then(|taken| plain.get(taken..));
            let rest = rest.ok_or(BlockError::NotMade("liblzma"))?;
            if encoder.process_vec(rest, &mut out, Action::Finish).map_err(failed)? == Status::StreamEnd {
                return Ok(out);
            }
            out.reserve(out.len() / 4 + 1024);
        }
    }
}

/// The filters of a preset with another dictionary: one for machine code, if `filter` is one, and LZMA2.
pub(super) fn filters(preset: u8, dictionary_bytes: u32, filter: u8) -> Result<Filters, Error> {
    let extreme = if preset >= EXTREME { PRESET_EXTREME } else { 0 };
    let mut options = LzmaOptions::new_preset(u32::from(preset % EXTREME) | extreme)?;
    options.dict_size(dictionary_bytes);
    let mut filters = Filters::new();
    match filter {
        NO_FILTER => &mut filters,
        4 => filters.x86(),
        5 => filters.powerpc(),
        6 => filters.ia64(),
        7 => filters.arm(),
        8 => filters.arm_thumb(),
        9 => filters.sparc(),
        10 => filters.arm64(),
        _ => filters.riscv(),
    };
    filters.lzma2(&options);
    Ok(filters)
}

/// Whether a filter is known, or there is none.
pub(super) fn is_filter(filter: u8) -> bool {
    filter == NO_FILTER || FILTERS.iter().any(|(number, _)| *number == filter)
}

/// Writes the parameters that streams and blocks have in common, for people.
pub(super) fn describe(f: &mut fmt::Formatter<'_>, preset: u8, dictionary_bytes: u32, filter: u8) -> fmt::Result {
    write!(f, "liblzma, preset {}", preset % EXTREME)?;
    if preset >= EXTREME {
        f.write_str("e")?;
    }
    write!(f, ", dictionary of {} KiB", dictionary_bytes >> 10)?;
    match FILTERS.iter().find(|(number, _)| *number == filter) {
        Some((_, name)) => write!(f, ", {name} filter"),
        None => Ok(()),
    }
}

/// The byte that stands for the smallest dictionary of at least this size.
fn dictionary_bits(bytes: u32) -> u8 {
    (0..40u8).find(|bits| (2 | u64::from(bits & 1)) << (bits / 2 + 11) >= u64::from(bytes)).unwrap_or(40)
}

fn crc32(bytes: &[u8]) -> [u8; 4] {
    Trailer::Gzip.of(bytes).first_chunk().copied().unwrap_or_default()
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

impl fmt::Display for XzBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, self.preset, self.dictionary_bytes, self.filter)
    }
}
