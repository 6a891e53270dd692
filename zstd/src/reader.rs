//! Zstd files that arrive in pieces: their frames, and what these hold.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::error::ZstdError;
use crate::format::{
    BLOCK_HEADER_BYTES, BlockHeader, FrameHeader, MAX_BLOCK_BYTES, MAX_HEADER_BYTES, MAX_WINDOW_LOG,
    SKIPPABLE_HEADER_BYTES, Start, start,
};

/// The most bytes that may follow the last frame.
pub const MAX_TAIL_BYTES: usize = 64 << 10;
/// The blocks at a frame's beginning whose sizes are kept.
const MAX_KEPT_BLOCKS: usize = 256;

/// A part of a zstd file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZstdPart {
    /// A frame that holds plain bytes.
    Frame {
        /// The place in the file where it lies, with its header and its checksum.
        stored: Range<u64>,
        /// The number of plain bytes that it holds.
        plain_bytes: u64,
    },
    /// A frame that decoders skip.
    Skippable {
        /// The place in the file where it lies, with its header.
        stored: Range<u64>,
    },
}

/// Takes a zstd file in pieces of any size, and gives what it holds.
pub struct ZstdReader {
    state: State,
    /// The number of bytes of the file that were taken.
    at: u64,
    parts: Vec<ZstdPart>,
    keeps_parts: bool,
    has_ended: bool,
    /// The beginning of the frame that is read, and the plain bytes that it gave.
    frame_at: u64,
    plain_bytes: u64,
    header: Option<FrameHeader>,
    blocks: Vec<usize>,
    /// The plain bytes that were given before the open block.
    plain_before: u64,
    /// Bytes that are no whole header yet, or that follow the last frame.
    held: Vec<u8>,
    decoder: Option<Decoder<'static>>,
    /// The decoder filled the buffer, and may have more.
    is_full: bool,
    buffer: Box<[u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A frame is to begin.
    Start,
    /// This many bytes of a skippable frame are left.
    Skip(u64),
    BlockHeader,
    /// This many bytes of a block are left.
    Block {
        left: usize,
        is_last: bool,
    },
    Checksum {
        left: usize,
    },
    /// The bytes after the last frame.
    Tail,
}

/// The result of taking a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZstdStep {
    /// The number of stored bytes that were taken.
    pub taken: usize,
    /// The last of them ended a frame, which is the last of [`ZstdReader::parts`] now.
    pub ended_part: bool,
}

impl fmt::Debug for ZstdReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZstdReader").field("state", &self.state).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Default for ZstdReader {
    fn default() -> Self {
        Self {
            state: State::Start,
            at: 0,
            parts: Vec::new(),
            keeps_parts: true,
            has_ended: false,
            frame_at: 0,
            plain_bytes: 0,
            header: None,
            blocks: Vec::new(),
            plain_before: 0,
            held: Vec::new(),
            decoder: None,
            is_full: false,
            buffer: Box::default(),
        }
    }
}

impl ZstdReader {
    /// A reader for what a file holds alone: it keeps none of the parts, of which there may be any number.
    #[must_use]
    pub fn without_parts() -> Self {
        Self { keeps_parts: false, ..Self::default() }
    }

    /// A reader that goes on from the beginning of a frame, and must be given the file's bytes from there on.
    #[must_use]
    pub fn resume(stored_at: u64) -> Self {
        Self { at: stored_at, ..Self::default() }
    }

    /// Takes stored bytes and appends at most `max_out` plain ones to `out`. Stops behind a frame's end, at `max_out`,
    /// or where `stored` ends. May be called without stored bytes for plain ones that are still to come.
    ///
    /// # Errors
    /// [`ZstdError`]: these are no zstd file, a checksum is wrong, a frame needs a dictionary or a window that is too
    /// large, or more follows the last frame than [`MAX_TAIL_BYTES`].
    pub fn push(&mut self, stored: &[u8], out: &mut Vec<u8>, max_out: usize) -> Result<ZstdStep, ZstdError> {
        let mut step = ZstdStep { taken: 0, ended_part: false };
        let end = out.len().saturating_add(max_out);
        loop {
            let (rest, given, state) = (&stored[step.taken..], out.len(), self.state);
            let taken = self.take(rest, out, end - out.len())?;
            step.taken += taken;
            self.at += taken as u64;
            step.ended_part = self.end_part()?;
            let moved = taken > 0 || out.len() > given || state != self.state;
            if step.ended_part || !moved {
                return Ok(step);
            }
        }
    }

    /// Takes bytes of one kind.
    fn take(&mut self, rest: &[u8], out: &mut Vec<u8>, max_out: usize) -> Result<usize, ZstdError> {
        match self.state {
            State::Start => self.take_start(rest),
            State::Skip(left) => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                self.state = State::Skip(left - taken as u64);
                Ok(taken)
            }
            State::BlockHeader => self.take_block_header(rest),
            // What the decoder has must be taken before the block ends.
            State::Block { .. } if max_out == 0 => Ok(0),
            State::Block { left, is_last } => {
                let taken = self.decode(&rest[..rest.len().min(left)], out, max_out)?;
                self.state = State::Block { left: left - taken, is_last };
                if left == taken && !self.is_full {
                    self.end_block(is_last);
                }
                Ok(taken)
            }
            State::Checksum { left } => {
                let bytes = &rest[..rest.len().min(left)];
                let taken = self.decode(bytes, out, max_out).map_err(|_| ZstdError::Checksum)?;
                self.state = State::Checksum { left: left - taken };
                Ok(taken)
            }
            State::Tail => {
                if self.held.len() + rest.len() > MAX_TAIL_BYTES {
                    return Err(ZstdError::Trailing(self.held.len() + rest.len()));
                }
                self.held.extend_from_slice(rest);
                Ok(rest.len())
            }
        }
    }

    fn take_start(&mut self, rest: &[u8]) -> Result<usize, ZstdError> {
        let held = self.held.len();
        if held == 0 && !rest.is_empty() {
            (self.frame_at, self.header) = (self.at, None);
        }
        self.held.extend_from_slice(&rest[..rest.len().min(MAX_HEADER_BYTES - held)]);
        match start(&self.held)? {
            Start::Frame(header) => {
                self.held.truncate(header.bytes);
                self.begin_frame(header)?;
                Ok(header.bytes.saturating_sub(held))
            }
            Start::Skippable(bytes) => {
                self.held.clear();
                self.state = State::Skip(u64::from(bytes));
                Ok(SKIPPABLE_HEADER_BYTES.saturating_sub(held))
            }
            Start::Cut => Ok(self.held.len() - held),
            // A reader that resumed has no frame yet, but came behind one.
            Start::Not if self.has_ended || self.at > held as u64 => {
                self.state = State::Tail;
                Ok(self.held.len() - held)
            }
            Start::Not => Err(ZstdError::Damaged),
        }
    }

    fn begin_frame(&mut self, header: FrameHeader) -> Result<(), ZstdError> {
        if self.decoder.is_none() {
            let mut decoder = Decoder::new().map_err(|_| ZstdError::Memory)?;
            decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(|_| ZstdError::Memory)?;
            self.decoder = Some(decoder);
            self.buffer = vec![0; MAX_BLOCK_BYTES].into_boxed_slice();
        }
        (self.header, self.plain_bytes, self.plain_before) = (Some(header), 0, 0);
        self.blocks.clear();
        let bytes = std::mem::take(&mut self.held);
        self.feed_header(&bytes)?;
        self.state = State::BlockHeader;
        Ok(())
    }

    /// Gives the decoder bytes for which it has no plain ones.
    fn feed_header(&mut self, bytes: &[u8]) -> Result<(), ZstdError> {
        let mut none = Vec::new();
        match self.decode(bytes, &mut none, 0)? {
            taken if taken == bytes.len() => Ok(()),
            _ => Err(ZstdError::Damaged),
        }
    }

    fn take_block_header(&mut self, rest: &[u8]) -> Result<usize, ZstdError> {
        let taken = rest.len().min(BLOCK_HEADER_BYTES - self.held.len());
        self.held.extend_from_slice(&rest[..taken]);
        let Some(bytes) = self.held.first_chunk::<BLOCK_HEADER_BYTES>().copied() else { return Ok(taken) };
        self.held.clear();
        let header = BlockHeader::parse(bytes)?;
        self.feed_header(&bytes)?;
        let left = header.stored_bytes();
        self.state = State::Block { left, is_last: header.is_last };
        if left == 0 {
            self.end_block(header.is_last);
        }
        Ok(taken)
    }

    fn end_block(&mut self, is_last: bool) {
        if self.blocks.len() < MAX_KEPT_BLOCKS {
            self.blocks.push((self.plain_bytes - self.plain_before) as usize);
        }
        self.plain_before = self.plain_bytes;
        let has_checksum = self.header.is_some_and(|header| header.has_checksum);
        self.state = match (is_last, has_checksum) {
            (false, _) => State::BlockHeader,
            (true, true) => State::Checksum { left: 4 },
            (true, false) => State::Checksum { left: 0 },
        };
    }

    /// Ends a frame of which nothing is left.
    fn end_part(&mut self) -> Result<bool, ZstdError> {
        let stored = self.frame_at..self.at;
        let part = match self.state {
            State::Skip(0) => ZstdPart::Skippable { stored },
            State::Checksum { left: 0 } if !self.is_full => {
                let told = self.header.and_then(|header| header.plain_bytes);
                if told.is_some_and(|bytes| bytes != self.plain_bytes) {
                    return Err(ZstdError::Damaged);
                }
                ZstdPart::Frame { stored, plain_bytes: self.plain_bytes }
            }
            _ => return Ok(false),
        };
        if self.keeps_parts {
            self.parts.push(part);
        }
        (self.state, self.has_ended) = (State::Start, true);
        Ok(true)
    }

    /// Gives bytes to the decoder, and appends what it has.
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>, max_out: usize) -> Result<usize, ZstdError> {
        let Some(decoder) = &mut self.decoder else { return Err(ZstdError::Damaged) };
        if bytes.is_empty() && !self.is_full {
            return Ok(0);
        }
        let room = self.buffer.len().min(max_out);
        let (mut input, mut output) = (InBuffer::around(bytes), OutBuffer::around(&mut self.buffer[..room]));
        decoder.run(&mut input, &mut output).map_err(|_| ZstdError::Damaged)?;
        let made = output.pos();
        out.extend_from_slice(&self.buffer[..made]);
        self.plain_bytes += made as u64;
        self.is_full = made == room && max_out > 0 || self.is_full && max_out == 0;
        Ok(input.pos())
    }

    /// The frames that are whole; none, if none are kept.
    #[must_use]
    pub fn parts(&self) -> &[ZstdPart] {
        &self.parts
    }

    /// The header of the frame that is being read or was read last.
    #[must_use]
    pub fn header(&self) -> Option<&FrameHeader> {
        self.header.as_ref()
    }

    /// The place where that frame begins.
    #[must_use]
    pub fn frame_at(&self) -> u64 {
        self.frame_at
    }

    /// The plain bytes of the first blocks of that frame which are whole.
    #[must_use]
    pub fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    /// Ends the file. The result are its parts, and the bytes that follow them.
    ///
    /// # Errors
    /// [`ZstdError::Cut`]: a frame is not whole, or there is none.
    pub fn finish(self) -> Result<(Vec<ZstdPart>, Vec<u8>), ZstdError> {
        match self.state {
            State::Start | State::Tail if self.has_ended => Ok((self.parts, self.held)),
            _ => Err(ZstdError::Cut),
        }
    }
}
