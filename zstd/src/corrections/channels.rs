//! Corrections as bytes: numbers of several kinds, each kind apart from the others, as they are alike among themselves.

use std::io::Read;

use super::VERSION;
use crate::error::ZstdError;
use crate::format::MAGIC;
use crate::number::{put_number, take_number};

const PLAIN: u8 = 0;
const COMPRESSED: u8 = 1;
/// The most bytes of all numbers.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// The bytes before the numbers.
const HEAD_BYTES: usize = 64;
const LEVEL: i32 = 19;
const MAX_WINDOW_LOG: u32 = 24;

/// The subject of a number.
#[derive(Clone, Copy)]
pub(super) enum Channel {
    /// The frame's header, and the blocks.
    Blocks,
    /// The forms of compressed blocks.
    Shapes,
    /// Bytes of headers and tables.
    Bytes,
    /// The numbers of matches that are as predicted.
    Runs,
    /// The kinds of matches that are not.
    Kinds,
    Places,
    Lengths,
    Distances,
}

const CHANNELS: usize = 8;

/// Numbers that are being written.
#[derive(Debug, Default)]
pub(super) struct NumberWriter {
    channels: [Vec<u8>; CHANNELS],
}

impl NumberWriter {
    pub(super) fn put(&mut self, channel: Channel, number: u64) {
        put_number(&mut self.channels[channel as usize], number);
    }

    /// Writes bytes and how many they are.
    pub(super) fn put_bytes(&mut self, bytes: &[u8]) {
        self.put(Channel::Bytes, bytes.len() as u64);
        self.channels[Channel::Bytes as usize].extend_from_slice(bytes);
    }

    pub(super) fn bytes(&self) -> usize {
        self.channels.iter().map(Vec::len).sum()
    }

    /// Packs all of them.
    pub(super) fn pack(self) -> Vec<u8> {
        let mut plain = Vec::new();
        self.channels.iter().for_each(|channel| put_number(&mut plain, channel.len() as u64));
        self.channels.iter().for_each(|channel| plain.extend_from_slice(channel));
        match compressed(&plain) {
            Some(compressed) if compressed.len() < plain.len() => {
                [&[VERSION, COMPRESSED], compressed.as_slice()].concat()
            }
            _ => [&[VERSION, PLAIN], plain.as_slice()].concat(),
        }
    }
}

/// A frame without what its first bytes are always.
fn compressed(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL).ok()?;
    std::io::Write::write_all(&mut encoder, plain).ok()?;
    encoder.finish().ok()?.strip_prefix(&MAGIC).map(<[u8]>::to_vec)
}

/// Numbers that are being read.
#[derive(Debug)]
pub(super) struct NumberReader {
    bytes: Vec<u8>,
    /// The start of what was not read of each channel, and its end.
    channels: [(usize, usize); CHANNELS],
}

impl NumberReader {
    pub(super) fn new(corrections: &[u8]) -> Result<Self, ZstdError> {
        let bytes = match corrections {
            [VERSION, PLAIN, plain @ ..] => plain.to_vec(),
            [VERSION, COMPRESSED, compressed @ ..] => decompressed(compressed)?,
            _ => return Err(ZstdError::Corrections),
        };
        if bytes.len() > MAX_BYTES + HEAD_BYTES {
            return Err(ZstdError::Corrections);
        }
        let mut rest = bytes.as_slice();
        let mut lengths = [0; CHANNELS];
        for length in &mut lengths {
            *length = take_number(&mut rest).ok_or(ZstdError::Corrections)?;
        }
        let mut at = bytes.len() - rest.len();
        let mut channels = [(0, 0); CHANNELS];
        for (channel, length) in channels.iter_mut().zip(lengths) {
            let length = usize::try_from(length).ok().filter(|&length| length <= bytes.len() - at);
            let end = at + length.ok_or(ZstdError::Corrections)?;
            (*channel, at) = ((at, end), end);
        }
        if at != bytes.len() {
            return Err(ZstdError::Corrections);
        }
        Ok(Self { bytes, channels })
    }

    pub(super) fn take(&mut self, channel: Channel) -> Result<u64, ZstdError> {
        let (at, end) = &mut self.channels[channel as usize];
        let mut rest = &self.bytes[*at..*end];
        let number = take_number(&mut rest).ok_or(ZstdError::Corrections)?;
        *at = *end - rest.len();
        Ok(number)
    }

    /// Takes a number that is at most `most`.
    pub(super) fn take_up_to(&mut self, channel: Channel, most: u64) -> Result<u64, ZstdError> {
        self.take(channel).and_then(|number| (number <= most).then_some(number).ok_or(ZstdError::Corrections))
    }

    /// Takes bytes, at most `most`.
    pub(super) fn take_bytes(&mut self, most: usize) -> Result<Vec<u8>, ZstdError> {
        let bytes = self.take_up_to(Channel::Bytes, most as u64)? as usize;
        let (at, end) = &mut self.channels[Channel::Bytes as usize];
        let taken = self.bytes[*at..*end].get(..bytes).ok_or(ZstdError::Corrections)?.to_vec();
        *at += bytes;
        Ok(taken)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.channels.iter().all(|(at, end)| at == end)
    }
}

fn decompressed(compressed: &[u8]) -> Result<Vec<u8>, ZstdError> {
    let frame = MAGIC.as_slice().chain(compressed);
    let decoder = zstd::stream::read::Decoder::with_buffer(std::io::BufReader::new(frame));
    let mut decoder = decoder.map_err(|_| ZstdError::Memory)?.single_frame();
    decoder.window_log_max(MAX_WINDOW_LOG).map_err(|_| ZstdError::Memory)?;
    let mut plain = Vec::new();
    decoder.take((MAX_BYTES + HEAD_BYTES) as u64 + 1).read_to_end(&mut plain).map_err(|_| ZstdError::Corrections)?;
    Ok(plain)
}
