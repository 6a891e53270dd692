//! Makes a frame from plain bytes, an encoder and corrections of what that makes.

use super::channels::{Channel, MAX_BYTES, NumberReader};
use super::predicted::Predicted;
use super::writer::{BlockWriter, Content, predicted_repeat, put_plain};
use super::{
    BLOCK_BYTES, BLOCK_ENDS, DISTANCE, Ending, LENGTH, LISTED, MAX_KIND, OTHER_DISTANCE, OTHER_PLACE, PASSED,
    SAME_DISTANCE, SAME_END, TO_BLOCK_END, shapes, unzigzag,
};
use crate::anatomy::{Recent, Token};
use crate::checksum::Xxh64;
use crate::encoders::KnownEncoder;
use crate::error::ZstdError;
use crate::format::{BlockKind, FrameHeader, MAX_HEADER_BYTES};
use crate::klauspost::MIN_MATCH;

/// Makes a frame from plain bytes that arrive in pieces: an encoder makes the prediction, and corrections say where the
/// frame departs from it.
///
/// It takes the memory of the encoder, and holds the plain bytes of a block and those that the encoder has not written yet.
#[derive(Debug)]
pub struct Rebuilder {
    predicted: Predicted,
    numbers: NumberReader,
    writer: BlockWriter,
    recent: Recent,
    /// The plain bytes from `place` on that have arrived.
    waiting: Vec<u8>,
    place: u64,
    plain_bytes: u64,
    checksum: Xxh64,
    header: Option<FrameHeader>,
    open: Option<OpenBlock>,
    has_ended: bool,
}

/// A block of which the kind and the end are known.
#[derive(Debug, Clone, Copy)]
struct OpenBlock {
    kind: BlockKind,
    end: u64,
    is_last: bool,
}

impl Rebuilder {
    /// Starts a frame of this many plain bytes.
    ///
    /// # Errors
    /// [`ZstdError::Corrections`].
    pub fn new(known: KnownEncoder, plain_bytes: u64, corrections: &[u8]) -> Result<Self, ZstdError> {
        // That makes more than a frame.
        if matches!(known, KnownEncoder::Chunked(_)) {
            return Err(ZstdError::Corrections);
        }
        Ok(Self {
            predicted: Predicted::new(known, plain_bytes),
            numbers: NumberReader::new(corrections)?,
            writer: BlockWriter::new(),
            recent: Recent::default(),
            waiting: Vec::new(),
            place: 0,
            plain_bytes,
            checksum: Xxh64::new(),
            header: None,
            open: None,
            has_ended: false,
        })
    }

    /// About how many bytes of memory it takes for a frame of this many plain bytes: those of the encoder, of the plain
    /// bytes that this holds, and of the corrections.
    #[must_use]
    pub fn memory_bytes(known: KnownEncoder, plain_bytes: u64) -> u64 {
        // The encoder has what it has not written yet too, once at least.
        let encoder = known.memory_bytes(plain_bytes);
        encoder.saturating_add(encoder.min(plain_bytes)).saturating_add(2 * MAX_BYTES as u64)
    }

    /// Takes the next plain bytes, and appends to `out` what of the frame is settled.
    ///
    /// # Errors
    /// [`ZstdError::Corrections`]: they do not fit the plain bytes.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ZstdError> {
        self.checksum.update(plain);
        self.waiting.extend_from_slice(plain);
        self.predicted.write(plain).map_err(|_| ZstdError::Corrections)?;
        self.advance(out)
    }

    /// Appends the rest of the frame.
    ///
    /// # Errors
    /// As of [`Rebuilder::write`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ZstdError> {
        self.predicted.finish().map_err(|_| ZstdError::Corrections)?;
        self.advance(out)?;
        if !self.has_ended || self.place != self.plain_bytes || !self.numbers.is_at_end() {
            return Err(ZstdError::Corrections);
        }
        if self.header.is_some_and(|header| header.has_checksum) {
            out.extend_from_slice(&self.checksum.checksum().to_le_bytes());
        }
        Ok(())
    }

    /// Writes the blocks for which all is there.
    fn advance(&mut self, out: &mut Vec<u8>) -> Result<(), ZstdError> {
        if self.header.is_none() && self.predicted.header().is_some() {
            self.put_header(out)?;
        }
        let mut written = 0;
        while self.header.is_some() && !self.has_ended {
            let Some(open) = self.next_block(written)? else { break };
            let bytes = (open.end - self.place) as usize;
            let Some(plain) = self.waiting.get(written..written + bytes) else { break };
            if !self.predicted.covers(open.end) {
                break;
            }
            let plain = plain.to_vec();
            self.put_block(open, &plain, out)?;
            written += bytes;
            (self.open, self.place, self.has_ended) = (None, open.end, open.is_last);
            self.predicted.pass_blocks(self.place);
        }
        self.waiting.drain(..written);
        Ok(())
    }

    fn put_header(&mut self, out: &mut Vec<u8>) -> Result<(), ZstdError> {
        let bytes = match self.numbers.take_up_to(Channel::Blocks, 1)? {
            0 => self.predicted.header().unwrap_or_default().to_vec(),
            _ => self.numbers.take_bytes(MAX_HEADER_BYTES)?,
        };
        let header = FrameHeader::parse(&bytes).ok().flatten().filter(|header| header.bytes == bytes.len());
        self.header = Some(header.ok_or(ZstdError::Corrections)?);
        out.extend_from_slice(&bytes);
        Ok(())
    }

    /// The kind and the end of the next block; `None` if they cannot be told yet. `written` bytes of those that wait are
    /// written.
    fn next_block(&mut self, written: usize) -> Result<Option<OpenBlock>, ZstdError> {
        if self.open.is_some() {
            return Ok(self.open);
        }
        // A block is only looked at when all that may tell its end is there.
        let has_more = self.waiting.len() > written || self.place == self.plain_bytes;
        if !has_more || !self.predicted.covers(self.place.saturating_add(1)) {
            return Ok(None);
        }
        let number = self.numbers.take_up_to(Channel::Blocks, 17)?;
        let kind = match number % 3 {
            0 => BlockKind::Compressed,
            1 => BlockKind::Raw,
            _ => BlockKind::OneByte,
        };
        let end = match number / 3 % 3 {
            ending if ending == Ending::Full as u64 => self.place.saturating_add(BLOCK_BYTES).min(self.plain_bytes),
            ending if ending == Ending::Predicted as u64 => {
                self.predicted.block_end(self.place).ok_or(ZstdError::Corrections)?
            }
            _ => self.place + self.numbers.take_up_to(Channel::Blocks, BLOCK_BYTES)?,
        };
        if end > self.plain_bytes || end - self.place > BLOCK_BYTES {
            return Err(ZstdError::Corrections);
        }
        let is_last = (end == self.plain_bytes) != (number / 9 == 1);
        self.open = Some(OpenBlock { kind, end, is_last });
        Ok(self.open)
    }

    fn put_block(&mut self, open: OpenBlock, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ZstdError> {
        if open.kind != BlockKind::Compressed {
            return put_plain(open.kind, plain, open.is_last, out).ok_or(ZstdError::Corrections);
        }
        let tokens = self.tokens(open.end)?;
        let middle = self.place + (open.end - self.place) / 2;
        let predicted = self.predicted.block_at(middle).and_then(|block| block.shape.as_ref());
        let shape = shapes::take(predicted, !tokens.is_empty(), &mut self.numbers)?;
        let content = Content { plain, start: self.place, tokens: &tokens };
        self.writer.put(&shape, &content, open.is_last, out).ok_or(ZstdError::Corrections)
    }

    /// The matches of the block that ends at a place.
    fn tokens(&mut self, end: u64) -> Result<Vec<Token>, ZstdError> {
        let (mut tokens, mut at) = (Vec::new(), self.place);
        loop {
            let run = self.numbers.take(Channel::Runs)?;
            let mut left = run.checked_sub(1).unwrap_or(u64::MAX);
            while left > 0 {
                let Some(token) = self.predicted.match_from(at).filter(|token| token.end() <= end) else {
                    if run == 0 {
                        return Ok(tokens);
                    }
                    return Err(ZstdError::Corrections);
                };
                let repeat = predicted_repeat(&token, token.place > at, &self.recent);
                at = self.push(Token { repeat, ..token }, at, &mut tokens);
                left -= 1;
            }
            match self.numbers.take_up_to(Channel::Kinds, MAX_KIND)? {
                PASSED => {
                    self.predicted.match_from(at).filter(|near| near.end() <= end).ok_or(ZstdError::Corrections)?;
                    self.predicted.pass_match();
                }
                BLOCK_ENDS => return Ok(tokens),
                kind => {
                    let token = self.listed(kind - LISTED, at, end)?;
                    at = self.push(token, at, &mut tokens);
                }
            }
        }
    }

    fn push(&mut self, token: Token, at: u64, tokens: &mut Vec<Token>) -> u64 {
        self.recent.push(token.repeat, token.place > at, token.distance);
        tokens.push(token);
        token.end()
    }

    /// A match that is listed, behind a place.
    fn listed(&mut self, kind: u64, at: u64, end: u64) -> Result<Token, ZstdError> {
        let wrong = ZstdError::Corrections;
        let predicted = self.predicted.match_from(at).filter(|near| near.place < end);
        let place = if kind & OTHER_PLACE == 0 {
            predicted.ok_or(wrong)?.place
        } else {
            let near = predicted.map_or(at, |token| token.place);
            unzigzag(near, self.numbers.take(Channel::Places)?).ok_or(wrong)?
        };
        let length = match kind / LENGTH % 3 {
            SAME_END => predicted.ok_or(wrong)?.end().checked_sub(place).ok_or(wrong)?,
            TO_BLOCK_END => end.checked_sub(place).ok_or(wrong)?,
            _ => self.numbers.take_up_to(Channel::Lengths, BLOCK_BYTES)? + u64::from(MIN_MATCH),
        };
        let is_within = place >= at && place.checked_add(length).is_some_and(|behind| behind <= end);
        if !is_within || length < u64::from(MIN_MATCH) {
            return Err(wrong);
        }
        let has_literals = place > at;
        let (distance, repeat) = match kind / DISTANCE {
            SAME_DISTANCE => {
                let predicted = predicted.ok_or(wrong)?;
                (predicted.distance, predicted_repeat(&predicted, has_literals, &self.recent))
            }
            OTHER_DISTANCE => (self.numbers.take_up_to(Channel::Distances, u64::from(u32::MAX >> 1))? as u32, 0),
            repeat => (self.recent.distance(repeat as u8, has_literals), repeat as u8),
        };
        if distance == 0 {
            return Err(wrong);
        }
        Ok(Token { place, length: length as u32, distance, repeat })
    }
}
