//! The inflater: a window of the last plain bytes, a few bits that were read ahead, and the state within a block.

use super::checkpoint::Checkpoint;
use super::codes::{Codes, Entry};
use super::fast::{self, BUFFER_BYTES, Buffer, PLACES};
use crate::DeflateError;
use crate::format::bit_reader::BitReader;
use crate::format::header_reader::HeaderReader;
use crate::format::tables::{MAX_MATCH_BYTES, WINDOW_BYTES};

/// The result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The number of stored bytes that belong to the stream and were taken.
    pub taken: usize,
    /// The stream ended, and all its plain bytes were given.
    pub ended: bool,
}

/// Inflates a raw deflate stream that arrives in pieces of any size. Takes 128 KiB of memory and the tables of a block.
#[derive(Debug, Clone)]
pub struct Inflater {
    state: State,
    /// The codes of an earlier block, whose memory the next one takes.
    spare: Option<Box<Codes>>,
    /// The block at hand is the last.
    pub(crate) is_last: bool,
    /// Bits that were read ahead, and how many.
    bits: (u64, u32),
    /// Bits of the first byte that belong to what came before.
    skip: u32,
    /// Plain bytes: up to `given` they were given, up to `end` they are there.
    buffer: Box<Buffer>,
    given: usize,
    end: usize,
    plain_bytes: u64,
    stored_bytes: u64,
}

/// The place within a block.
#[derive(Debug, Clone)]
enum State {
    /// Before a block's first bits.
    Start,
    /// Within the length of a stored block.
    StoredLength,
    Stored(usize),
    Header(Box<HeaderReader>),
    Codes(Box<Codes>),
    Ended,
}

/// The block at hand as a checkpoint keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Within {
    Start,
    Stored(u16),
    /// The lengths of both codes, and the number of those of literals and match lengths.
    Codes(Vec<u8>, usize),
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            state: State::Start,
            spare: None,
            is_last: false,
            bits: (0, 0),
            skip: 0,
            buffer: vec![0; BUFFER_BYTES].try_into().expect("a buffer of this size"),
            given: 0,
            end: 0,
            plain_bytes: 0,
            stored_bytes: 0,
        }
    }
}

impl Inflater {
    /// An inflater at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes stored bytes and appends at most `max_out` plain ones to `out`, until one of them runs out or the stream
    /// ends. Bytes behind its end are not taken.
    ///
    /// # Errors
    /// [`DeflateError::Damaged`] for what is no deflate stream, by zlib's rules.
    pub fn inflate(&mut self, stored: &[u8], out: &mut Vec<u8>, max_out: usize) -> Result<Step, DeflateError> {
        let wanted = out.len().saturating_add(max_out);
        let mut bits = BitReader::new(self.bits, stored);
        if self.skip > 0 && bits.take(self.skip).is_some() {
            self.skip = 0;
        }
        let result = loop {
            self.hand_on(out, wanted);
            if out.len() == wanted || matches!(self.state, State::Ended) {
                break Ok(());
            }
            let (before, state) = (self.end, std::mem::discriminant(&self.state));
            let most = self.room(wanted - out.len());
            match self.advance(&mut bits, most) {
                Err(error) => break Err(error),
                // Nothing can be made of the bits that are there.
                Ok(()) if self.end == before && state == std::mem::discriminant(&self.state) && bits.is_exhausted() => {
                    break Ok(());
                }
                Ok(()) => {}
            }
        };
        // Bytes that were read ahead and are not needed yet are left to the next reader.
        if matches!(self.state, State::Ended) {
            // Padding.
            bits.drop(bits.count() % 8);
        }
        if !bits.is_exhausted() || self.end > self.given || matches!(self.state, State::Ended) || out.len() == wanted {
            bits.give_back();
        }
        self.bits = bits.ahead();
        self.stored_bytes += bits.taken() as u64;
        let ended = matches!(self.state, State::Ended) && self.given == self.end;
        result.map(|()| Step { taken: bits.taken(), ended })
    }

    /// Gives plain bytes that are there.
    fn hand_on(&mut self, out: &mut Vec<u8>, wanted: usize) {
        let now = (self.end - self.given).min(wanted - out.len());
        out.extend_from_slice(&self.buffer[self.given..self.given + now]);
        self.given += now;
        self.plain_bytes += now as u64;
    }

    /// Makes room in the buffer; returns up to where it may be filled to give `wanted` bytes.
    fn room(&mut self, wanted: usize) -> usize {
        if self.end + MAX_MATCH_BYTES >= PLACES {
            // All was given: only the window is needed.
            let start = self.end.saturating_sub(WINDOW_BYTES);
            self.buffer.copy_within(start..self.end, 0);
            self.end -= start;
            self.given -= start;
        }
        (PLACES - MAX_MATCH_BYTES).min(self.given.saturating_add(wanted))
    }

    /// Goes on in the stream until `most` bytes are in the buffer, the block's part ends, or bits are lacking.
    fn advance(&mut self, bits: &mut BitReader<'_>, most: usize) -> Result<(), DeflateError> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Start => self.state = self.start(bits)?,
            State::StoredLength => self.state = stored_length(bits)?,
            State::Stored(left) => {
                let left = self.copy_stored(bits, left, most);
                self.state = if left > 0 { State::Stored(left) } else { self.after_block() };
            }
            State::Header(mut header) => {
                self.state = match header.read(bits)? {
                    Some(header) => {
                        let mut codes = self.spare.take().unwrap_or_default();
                        codes.set(header.lengths, header.literals)?;
                        State::Codes(codes)
                    }
                    None => State::Header(header),
                };
            }
            State::Codes(codes) => {
                if self.codes(&codes, bits, most)? {
                    (self.state, self.spare) = (self.after_block(), Some(codes));
                } else {
                    self.state = State::Codes(codes);
                }
            }
            State::Ended => {}
        }
        Ok(())
    }

    fn after_block(&self) -> State {
        if self.is_last { State::Ended } else { State::Start }
    }

    fn start(&mut self, bits: &mut BitReader<'_>) -> Result<State, DeflateError> {
        let Some(first) = bits.take(3) else { return Ok(State::Start) };
        self.is_last = first & 1 == 1;
        match first >> 1 {
            0 => {
                // The rest of the byte is passed by.
                bits.drop(bits.count() % 8);
                Ok(State::StoredLength)
            }
            1 => {
                let mut codes = self.spare.take().unwrap_or_default();
                codes.set_fixed()?;
                Ok(State::Codes(codes))
            }
            2 => Ok(State::Header(Box::default())),
            _ => Err(DeflateError::Damaged),
        }
    }

    /// Copies what there is of a stored block; returns how much is left of it.
    fn copy_stored(&mut self, bits: &mut BitReader<'_>, left: usize, most: usize) -> usize {
        let mut wanted = left.min(most.saturating_sub(self.end));
        let before = wanted;
        while wanted > 0
            && bits.count() >= 8
            && let Some(byte) = bits.take(8)
        {
            self.buffer[self.end] = byte as u8;
            (self.end, wanted) = (self.end + 1, wanted - 1);
        }
        let bytes = bits.take_bytes(wanted);
        self.buffer[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        (self.end, wanted) = (self.end + bytes.len(), wanted - bytes.len());
        left - (before - wanted)
    }

    /// Literals and matches; whether the block ended.
    fn codes(&mut self, codes: &Codes, bits: &mut BitReader<'_>, most: usize) -> Result<bool, DeflateError> {
        while self.end < most {
            self.end = fast::inflate(codes, bits, &mut self.buffer, self.end, most)?;
            if self.end >= most {
                break;
            }
            bits.fill();
            let mut entry = codes.literals.first(bits.held());
            let mut passed = 0;
            if entry.is_longer() {
                passed = entry.bits();
                entry = codes.literals.second(entry, bits.held() >> passed);
            }
            if entry.is_literal() {
                passed += entry.code_bits();
                if passed > bits.count() {
                    return Ok(false);
                }
                bits.drop(passed);
                self.buffer[self.end] = entry.literals()[0];
                self.end += 1;
            } else if entry.is_exception() && !entry.is_long_length() {
                passed += entry.bits();
                if passed > bits.count() {
                    return Ok(false);
                }
                if !entry.is_end() {
                    return Err(DeflateError::Damaged);
                }
                bits.drop(passed);
                return Ok(true);
            } else if !self.copy_match(codes, bits, entry, passed)? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// A match. The code of its length ends with this entry, before which `passed` bits of it were passed by. `false`
    /// where bits are lacking.
    fn copy_match(
        &mut self,
        codes: &Codes,
        bits: &mut BitReader<'_>,
        length: Entry,
        mut passed: u32,
    ) -> Result<bool, DeflateError> {
        let is_long = length.is_long_length();
        let len = if is_long { length.value(bits.held() >> passed) } else { length.length() };
        passed += length.bits();
        let mut entry = codes.distances.first(bits.held() >> passed);
        if entry.is_longer() {
            passed += entry.bits();
            entry = codes.distances.second(entry, bits.held() >> passed);
        }
        let distance = entry.value(bits.held() >> passed);
        passed += entry.bits();
        // With fewer bits, the entry may stem from bits that are not of the stream at all.
        if passed > bits.count() {
            return Ok(false);
        }
        if entry.is_exception() || distance > self.end {
            return Err(DeflateError::Damaged);
        }
        bits.drop(passed);
        fast::copy(&mut self.buffer, self.end, distance, len);
        self.end += len;
        Ok(true)
    }

    /// Plain bytes that were given.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Stored bytes that were taken.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// All that is needed to go on from here; `None` in the midst of a block's header, which the next call mostly ends.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let within = match &self.state {
            State::Start => Within::Start,
            State::Stored(left) => Within::Stored(u16::try_from(*left).ok()?),
            State::Codes(codes) => Within::Codes(codes.lengths.0.clone(), codes.lengths.1),
            State::StoredLength | State::Header(_) | State::Ended => return None,
        };
        let window = self.buffer[self.given.saturating_sub(WINDOW_BYTES)..self.given].to_vec();
        Some(Checkpoint {
            bit: self.stored_bytes * 8 - u64::from(self.bits.1),
            is_last: self.is_last,
            within,
            window,
            pending: self.buffer[self.given..self.end].to_vec(),
        })
    }

    /// Goes on from a checkpoint. The next call must give the stream's bytes from [`Checkpoint::stored_at`] on.
    #[must_use]
    pub fn resume(checkpoint: &Checkpoint) -> Self {
        let mut inflater = Self::new();
        let state = match &checkpoint.within {
            Within::Start => State::Start,
            Within::Stored(left) => State::Stored(usize::from(*left)),
            // A checkpoint has no other codes than sound ones.
            Within::Codes(lengths, literals) => {
                let mut codes = Box::<Codes>::default();
                let set = codes.set(lengths.clone(), *literals);
                if set.is_ok() { State::Codes(codes) } else { State::Ended }
            }
        };
        let known = [checkpoint.window.as_slice(), &checkpoint.pending].concat();
        inflater.buffer[..known.len()].copy_from_slice(&known);
        (inflater.given, inflater.end) = (checkpoint.window.len(), known.len());
        (inflater.state, inflater.is_last) = (state, checkpoint.is_last);
        inflater.skip = (checkpoint.bit % 8) as u32;
        inflater.stored_bytes = checkpoint.stored_at();
        inflater
    }
}

fn stored_length(bits: &mut BitReader<'_>) -> Result<State, DeflateError> {
    let Some(lengths) = bits.take(32) else { return Ok(State::StoredLength) };
    let (len, check) = (lengths & 0xffff, lengths >> 16);
    if len != !check & 0xffff {
        return Err(DeflateError::Damaged);
    }
    Ok(State::Stored(len as usize))
}
