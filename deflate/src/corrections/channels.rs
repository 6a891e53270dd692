//! Corrections as bytes: numbers of several kinds, each kind apart from the others, as they are alike among themselves.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::DeflateError;
use crate::number::{put_number, take_number};

const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;
/// The most memory that corrections take.
pub(super) const MAX_BYTES: usize = 8 << 20;
/// The bytes before the numbers.
const HEAD_BYTES: usize = 64;

/// The subject of a number.
#[derive(Clone, Copy)]
pub(super) enum Channel {
    /// Blocks.
    Blocks,
    /// Headers that differ.
    Headers,
    /// The numbers of tokens that are as predicted.
    Runs,
    /// Kinds of tokens that are not.
    Kinds,
    Lengths,
    Distances,
}

const CHANNELS: usize = 6;

/// NumberWriter that are being written.
#[derive(Default)]
pub(super) struct NumberWriter {
    channels: [Vec<u8>; CHANNELS],
}

impl NumberWriter {
    pub(super) fn put(&mut self, channel: Channel, number: u64) {
        put_number(&mut self.channels[channel as usize], number);
    }

    pub(super) fn put_bytes(&mut self, channel: Channel, bytes: &[u8]) {
        self.channels[channel as usize].extend_from_slice(bytes);
    }

    pub(super) fn bytes(&self) -> usize {
        self.channels.iter().map(Vec::len).sum()
    }

    /// Packs all of them, and the bits that fill the stream's last byte.
    pub(super) fn pack(self, padding: u8) -> Vec<u8> {
        let mut plain = vec![padding];
        self.channels.iter().for_each(|channel| put_number(&mut plain, channel.len() as u64));
        self.channels.iter().for_each(|channel| plain.extend_from_slice(channel));
        let mut deflated = DeflateEncoder::new(vec![VERSION, DEFLATED], Compression::best());
        match deflated.write_all(&plain).and_then(|()| deflated.finish()) {
            Ok(deflated) if deflated.len() < plain.len() + 2 => deflated,
            _ => [&[VERSION, PLAIN], plain.as_slice()].concat(),
        }
    }
}

/// NumberWriter that are being read.
pub(super) struct NumberReader {
    bytes: Vec<u8>,
    /// The start of what was not read of each channel, and its end.
    channels: [(usize, usize); CHANNELS],
    pub(super) padding: u8,
}

impl NumberReader {
    pub(super) fn new(corrections: &[u8]) -> Result<Self, DeflateError> {
        let bytes = match corrections {
            [VERSION, PLAIN, plain @ ..] => plain.to_vec(),
            [VERSION, DEFLATED, deflated @ ..] => inflated(deflated)?,
            _ => return Err(DeflateError::Corrections),
        };
        if bytes.len() > MAX_BYTES + HEAD_BYTES {
            return Err(DeflateError::Corrections);
        }
        let mut rest = bytes.as_slice();
        let (&padding, after) = rest.split_first().ok_or(DeflateError::Corrections)?;
        rest = after;
        let mut lengths = [0; CHANNELS];
        for length in &mut lengths {
            *length = take_number(&mut rest).ok_or(DeflateError::Corrections)?;
        }
        let mut at = bytes.len() - rest.len();
        let mut channels = [(0, 0); CHANNELS];
        for (channel, length) in channels.iter_mut().zip(lengths) {
            let length = usize::try_from(length).ok().filter(|&length| length <= bytes.len() - at);
            let end = at + length.ok_or(DeflateError::Corrections)?;
            (*channel, at) = ((at, end), end);
        }
        if at != bytes.len() {
            return Err(DeflateError::Corrections);
        }
        Ok(Self { bytes, channels, padding })
    }

    pub(super) fn take(&mut self, channel: Channel) -> Result<u64, DeflateError> {
        let (at, end) = &mut self.channels[channel as usize];
        let mut rest = &self.bytes[*at..*end];
        let number = take_number(&mut rest).ok_or(DeflateError::Corrections)?;
        *at = *end - rest.len();
        Ok(number)
    }

    /// Takes a number that is at most `most`.
    pub(super) fn take_up_to(&mut self, channel: Channel, most: u64) -> Result<u64, DeflateError> {
        self.take(channel).and_then(|number| (number <= most).then_some(number).ok_or(DeflateError::Corrections))
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.channels.iter().all(|(at, end)| at == end)
    }
}

fn inflated(deflated: &[u8]) -> Result<Vec<u8>, DeflateError> {
    let mut plain = Vec::new();
    let mut decoder = DeflateDecoder::new(deflated).take((MAX_BYTES + HEAD_BYTES) as u64 + 1);
    decoder.read_to_end(&mut plain).map_err(|_| DeflateError::Corrections)?;
    Ok(plain)
}
