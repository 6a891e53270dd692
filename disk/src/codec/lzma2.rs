//! LZMA2 streams by liblzma: the compressed data of a block of an .xz file, with a filter for machine code or without. They are
//! read and made in pieces, so that their length does not matter.

use std::fmt;

use liblzma::stream::{Action, Status, Stream};

use super::BlockError;
use super::xz::{EXTREME, MIN_DICTIONARY_BYTES, NO_FILTER, PRESETS, describe, filters, is_filter};
use regrow_zstd::{put_number, take_number};

/// The largest dictionary. An encoder takes eleven times as much memory.
pub(crate) const MAX_DICTIONARY_BYTES: u32 = 32 << 20;
/// The preset that stands for all while a stream is decoded.
const ANY_PRESET: u8 = 6;
/// The bytes of output that are asked for at a time.
const STEP_BYTES: usize = 64 << 10;

/// The parameters of liblzma that decide a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct XzStreams {
    /// The preset, with [`EXTREME`] added for an extreme one.
    preset: u8,
    dictionary_bytes: u32,
    /// The filter for machine code, or [`NO_FILTER`].
    filter: u8,
}

/// Whether streams with these parameters are read and made here.
#[must_use]
pub(crate) fn is_known(dictionary_bytes: u32, filter: u8) -> bool {
    (MIN_DICTIONARY_BYTES..=MAX_DICTIONARY_BYTES).contains(&dictionary_bytes) && is_filter(filter)
}

impl XzStreams {
    /// Appends the parameters.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        let Self { preset, dictionary_bytes, filter } = self;
        [preset.into(), u64::from(dictionary_bytes), filter.into()].iter().for_each(|&number| put_number(out, number));
    }

    pub(super) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let mut take = || take_number(bytes).and_then(|number| u32::try_from(number).ok());
        let (preset, dictionary_bytes, filter) = (take()?, take()?, take()?);
        let known = Self { preset: preset.try_into().ok()?, dictionary_bytes, filter: filter.try_into().ok()? };
        (PRESETS.contains(&known.preset) && is_known(dictionary_bytes, known.filter)).then_some(known)
    }

    /// The parameters that may have made a stream with this dictionary and filter, the likelier ones first. Presets that
    /// differ in their dictionary alone are tried once.
    pub(super) fn candidates(dictionary_bytes: u32, filter: u8) -> impl Iterator<Item = Self> {
        const DISTINCT: [u8; 9] = [0, 1, 2, 3, 4, 5, 6, 5 + EXTREME, 6 + EXTREME];
        let presets = PRESETS.into_iter().filter(|preset| DISTINCT.contains(preset));
        presets.map(move |preset| Self { preset, dictionary_bytes, filter })
    }

    /// The size of the dictionary in bytes.
    #[must_use]
    pub fn dictionary_bytes(self) -> u32 {
        self.dictionary_bytes
    }

    /// About how many bytes of memory an encoder takes.
    #[must_use]
    pub fn memory_bytes(self) -> u64 {
        (8 << 20) + 12 * u64::from(self.dictionary_bytes)
    }
}

impl fmt::Display for XzStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, self.preset, self.dictionary_bytes, self.filter)
    }
}

/// Makes a stream from plain bytes in pieces of any size, which do not matter.
pub struct Lzma2Encoder(Stream);

impl Lzma2Encoder {
    /// Begins a stream.
    ///
    /// # Errors
    /// [`BlockError::NotMade`]: there is not enough memory.
    pub fn new(known: XzStreams) -> Result<Self, BlockError> {
        let filters = filters(known.preset, known.dictionary_bytes, known.filter).map_err(failed)?;
        Stream::new_raw_encoder(&filters).map(Self).map_err(failed)
    }

    /// Takes in plain bytes, and appends what is settled of the stream.
    ///
    /// # Errors
    /// [`BlockError::NotMade`].
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), BlockError> {
        let start = self.0.total_in();
        loop {
            let taken = usize::try_from(self.0.total_in() - start).unwrap_or(usize::MAX);
            let Some(rest) = plain.get(taken..).filter(|rest| !rest.is_empty()) else { return Ok(()) };
            out.reserve(STEP_BYTES);
            self.0.process_vec(rest, out, Action::Run).map_err(failed)?;
        }
    }

    /// Ends the plain bytes, and appends the rest of the stream.
    ///
    /// # Errors
    /// [`BlockError::NotMade`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), BlockError> {
        loop {
            out.reserve(STEP_BYTES);
            if self.0.process_vec(&[], out, Action::Finish).map_err(failed)? == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

fn failed(_: liblzma::stream::Error) -> BlockError {
    BlockError::NotMade("liblzma")
}

/// Reads a stream.
pub(super) struct Lzma2Decoder(Stream);

impl Lzma2Decoder {
    pub(super) fn new(dictionary_bytes: u32, filter: u8) -> Result<Self, BlockError> {
        if !is_known(dictionary_bytes, filter) {
            return Err(BlockError::Damaged);
        }
        let filters = filters(ANY_PRESET, dictionary_bytes, filter).map_err(|_| BlockError::Damaged)?;
        Stream::new_raw_decoder(&filters).map(Self).map_err(|_| BlockError::Damaged)
    }

    /// Takes stored bytes, and appends at most `wanted` plain ones. The result is the number of bytes that were taken, and
    /// whether the stream has ended.
    pub(super) fn push(
        &mut self,
        stored: &[u8],
        plain: &mut Vec<u8>,
        wanted: usize,
    ) -> Result<(usize, bool), BlockError> {
        let before = self.0.total_in();
        let at = plain.len();
        plain.resize(at + wanted, 0);
        let made = self.0.total_out();
        let status = self.0.process(stored, &mut plain[at..], Action::Run);
        plain.truncate(at + usize::try_from(self.0.total_out() - made).unwrap_or(0));
        let status = status.map_err(|_| BlockError::Damaged)?;
        let taken = usize::try_from(self.0.total_in() - before).unwrap_or(stored.len());
        Ok((taken, status == Status::StreamEnd))
    }
}

/// The filter that stands for none.
pub(crate) const WITHOUT_FILTER: u8 = NO_FILTER;
