//! The side that knows the predicted stream and the corrections.

use super::channels::{Channel, NumberReader};
use super::headers::{Head, Likes};
use super::listing::Listing;
use super::marks::*;
use super::predicted::{Parts, Predicted};
use crate::DeflateError;
use crate::format::dynamic_header::DynamicHeader;
use crate::format::structure::{BlockKind, BlockStart, Token};
use crate::format::symbols::Counts;
use crate::format::writer::StreamWriter;

/// The predicted stream is taken apart in pieces of this size, which stand for at most some MB.
const PIECE_BYTES: usize = 2 << 10;
/// The greatest value of padding, which is at most seven bits.
const MAX_PADDING: u64 = 127;

/// Makes a deflate stream of a predicted one and the corrections of [`super::Differ`].
///
/// Takes a few MB and the corrections, inflated. Time goes with the streams and the corrections; a byte of these,
/// inflated, makes at most 330 bytes, and a plain byte two.
pub struct Patcher {
    /// Malformed corrections are said so when they are needed first.
    reader: Option<NumberReader>,
    predicted: Predicted,
    patching: Patching,
}

struct Patching {
    writer: StreamWriter,
    /// Plain bytes that were written.
    place: u64,
    within: Within,
    is_last: bool,
    /// Blocks that are as predicted and are to come; `None` before their number was read.
    same_blocks: Option<u64>,
    listing: Listing,
    /// The tokens of a block whose header is not known.
    buffered: Option<Box<Buffered>>,
    tokens: u64,
    last_tokens: u64,
    last_header: Option<Box<DynamicHeader>>,
}

struct Buffered {
    head: Head,
    tokens: Vec<Token>,
    counts: Counts,
}

enum Within {
    BetweenBlocks,
    /// A stored block: the bytes that are left of it, and whether it is as predicted.
    Stored(u64, bool),
    Tokens(End),
    Ended,
}

/// The end of a block.
#[derive(Clone, Copy)]
enum End {
    /// It ends where the predicted one does, and is the same in all.
    Same,
    SamePlace,
    /// It ends after this many tokens.
    Tokens(u64),
}

/// Whether more of the predicted stream must be known to go on.
enum Became {
    Passed,
    Waits,
}

impl Patcher {
    /// A patcher at the start of the streams.
    #[must_use]
    pub fn new(corrections: Vec<u8>) -> Self {
        let patching = Patching {
            writer: StreamWriter::new(),
            place: 0,
            within: Within::BetweenBlocks,
            is_last: false,
            same_blocks: None,
            listing: Listing::new(),
            buffered: None,
            tokens: 0,
            last_tokens: 0,
            last_header: None,
        };
        Self { reader: NumberReader::new(&corrections).ok(), predicted: Predicted::new(), patching }
    }

    /// Takes the next bytes of the predicted stream, and appends what can be made of the other.
    ///
    /// # Errors
    /// [`DeflateError::Corrections`] where they do not fit; errors of [`crate::Inflater`] for a predicted stream that
    /// is none. After an error nothing more can be made.
    pub fn push(&mut self, predicted: &[u8], out: &mut Vec<u8>) -> Result<(), DeflateError> {
        predicted.chunks(PIECE_BYTES).try_for_each(|piece| {
            self.predicted.push(piece)?;
            self.go_on(out)
        })
    }

    /// Appends the rest, once the predicted stream was pushed whole.
    ///
    /// # Errors
    /// The errors of [`Patcher::push`], and [`DeflateError::Cut`] if the predicted stream is not whole.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), DeflateError> {
        self.go_on(out)?;
        let (predicted, patching) = (&self.predicted.parts, &self.patching);
        if !predicted.is_ended {
            return Err(DeflateError::Cut);
        }
        let is_whole = matches!(patching.within, Within::Ended)
            && patching.place == predicted.parsed
            && patching.same_blocks.unwrap_or(0) == 0
            && patching.listing.is_at_end()
            && self.reader.is_some_and(|reader| reader.is_at_end());
        if is_whole { Ok(()) } else { Err(DeflateError::Corrections) }
    }

    fn go_on(&mut self, out: &mut Vec<u8>) -> Result<(), DeflateError> {
        let reader = self.reader.as_mut().ok_or(DeflateError::Corrections)?;
        let predicted = &mut self.predicted.parts;
        self.patching.writer.bits.exchange(out);
        let went_on = self.patching.go_on(reader, predicted);
        self.patching.writer.bits.exchange(out);
        predicted.pass(self.patching.place);
        went_on
    }
}

impl Patching {
    /// Goes on as far as the predicted stream is known.
    fn go_on(&mut self, reader: &mut NumberReader, predicted: &mut Parts) -> Result<(), DeflateError> {
        while let Became::Passed = self.step(reader, predicted)? {}
        Ok(())
    }

    fn step(&mut self, reader: &mut NumberReader, predicted: &mut Parts) -> Result<Became, DeflateError> {
        match self.within {
            Within::BetweenBlocks => self.begin(reader, predicted),
            Within::Stored(left, is_same) => self.stored(left, is_same, reader.padding, predicted),
            Within::Tokens(end) => self.tokens(end, reader, predicted),
            Within::Ended if predicted.parsed > self.place => Err(DeflateError::Corrections),
            Within::Ended => {
                // Empty blocks may follow.
                predicted.settle(u64::MAX);
                Ok(Became::Waits)
            }
        }
    }

    fn begin(&mut self, reader: &mut NumberReader, predicted: &mut Parts) -> Result<Became, DeflateError> {
        if !predicted.settle(self.place) {
            return Ok(Became::Waits);
        }
        let same_blocks = match self.same_blocks {
            Some(number) => number,
            None => reader.take(Channel::Blocks)?,
        };
        if let Some(left) = same_blocks.checked_sub(1) {
            let first = predicted.first_block().filter(|first| first.start == self.place);
            let block = first.ok_or(DeflateError::Corrections)?.block.clone();
            self.same_blocks = Some(left);
            self.open(&block, End::Same)?;
            return Ok(Became::Passed);
        }
        self.same_blocks = None;
        match reader.take_up_to(Channel::Blocks, MAX_BLOCK)?.checked_sub(BLOCK) {
            None if predicted.first_block().is_none() => return Err(DeflateError::Corrections),
            None => predicted.pass_block(),
            Some(fields) => {
                self.take_block(fields, reader, predicted)?;
            }
        }
        Ok(Became::Passed)
    }

    /// A block that is not as predicted.
    fn take_block(&mut self, fields: u64, reader: &mut NumberReader, predicted: &Parts) -> Result<(), DeflateError> {
        let (kind, end) = (fields >> KIND_SHIFT & 3, fields >> END_SHIFT);
        let is_last = fields & IS_LAST != 0;
        if kind == STORED {
            let len = reader.take_up_to(Channel::Blocks, u16::MAX.into())? as u16;
            let padding = if end == 0 { 0 } else { reader.take_up_to(Channel::Blocks, MAX_PADDING)? as u8 };
            return self.open(&BlockStart { is_last, kind: BlockKind::Stored { padding, len } }, End::SamePlace);
        }
        let end = match end {
            END_SAME_PLACE => End::SamePlace,
            END_SAME_TOKENS => End::Tokens(self.last_tokens),
            _ => End::Tokens(reader.take(Channel::Blocks)?),
        };
        let kind = match kind {
            FIXED => BlockKind::Fixed,
            SAME_HEADER => BlockKind::Dynamic(Box::new(predicted.header().ok_or(DeflateError::Corrections)?.clone())),
            _ => {
                let head = Head::take(reader)?;
                if head.is_built() {
                    (self.is_last, self.tokens, self.within) = (is_last, 0, Within::Tokens(end));
                    self.buffered = Some(Box::new(Buffered { head, tokens: Vec::new(), counts: Counts::new() }));
                    return Ok(());
                }
                let last = self.last_header.as_deref();
                let likes = Likes { predicted: predicted.header(), last, counts: None };
                BlockKind::Dynamic(Box::new(head.take_header(reader, likes)?))
            }
        };
        self.open(&BlockStart { is_last, kind }, end)
    }

    fn open(&mut self, block: &BlockStart, end: End) -> Result<(), DeflateError> {
        self.writer.block(block)?;
        (self.is_last, self.tokens) = (block.is_last, 0);
        self.within = match &block.kind {
            BlockKind::Stored { len, .. } => Within::Stored(u64::from(*len), matches!(end, End::Same)),
            BlockKind::Fixed => Within::Tokens(end),
            BlockKind::Dynamic(header) => {
                self.last_header = Some(header.clone());
                Within::Tokens(end)
            }
        };
        Ok(())
    }

    fn close(&mut self, is_same: bool, padding: u8, predicted: &mut Parts) {
        if is_same {
            predicted.pass_block();
        }
        self.within = Within::BetweenBlocks;
        if self.is_last {
            self.writer.pad(padding);
            self.within = Within::Ended;
        }
    }

    fn stored(&mut self, left: u64, is_same: bool, padding: u8, predicted: &mut Parts) -> Result<Became, DeflateError> {
        if left == 0 {
            self.close(is_same, padding, predicted);
            return Ok(Became::Passed);
        }
        let bytes = predicted.plain(self.place, left as usize);
        if bytes.is_empty() {
            return predicted.wait();
        }
        self.writer.stored(bytes);
        let written = bytes.len() as u64;
        self.place += written;
        self.within = Within::Stored(left - written, is_same);
        predicted.pass(self.place);
        Ok(Became::Passed)
    }

    fn tokens(&mut self, end: End, reader: &mut NumberReader, predicted: &mut Parts) -> Result<Became, DeflateError> {
        loop {
            let is_at_end = match end {
                End::Tokens(number) => self.tokens == number,
                End::Same | End::SamePlace => {
                    let first = predicted.first_block().ok_or(DeflateError::Corrections)?;
                    if first.end.is_some_and(|end| end < self.place) {
                        return Err(DeflateError::Corrections);
                    }
                    first.end == Some(self.place)
                }
            };
            if is_at_end {
                if let Some(buffered) = self.buffered.take() {
                    self.put_buffered(&buffered, reader)?;
                }
                self.writer.end_of_block()?;
                self.last_tokens = self.tokens;
                self.close(matches!(end, End::Same), reader.padding, predicted);
                return Ok(Became::Passed);
            }
            let Some(covering) = predicted.covering(self.place) else { return predicted.wait() };
            if self.listing.may_find() && !predicted.can_find(self.place) {
                return Ok(Became::Waits);
            }
            let token = self.listing.next(self.place, covering, reader, predicted)?;
            match &mut self.buffered {
                Some(buffered) => buffered.push(token)?,
                None => self.writer.token(token)?,
            }
            self.place += u64::from(token.plain_bytes());
            self.tokens += 1;
        }
    }

    /// A block whose tokens are known now, up to its end.
    fn put_buffered(&mut self, block: &Buffered, reader: &mut NumberReader) -> Result<(), DeflateError> {
        let likes = Likes { predicted: None, last: None, counts: Some(&block.counts) };
        let header = Box::new(block.head.take_header(reader, likes)?);
        self.last_header = Some(header.clone());
        self.writer.block(&BlockStart { is_last: self.is_last, kind: BlockKind::Dynamic(header) })?;
        block.tokens.iter().try_for_each(|&token| self.writer.token(token))
    }
}

impl Buffered {
    fn push(&mut self, token: Token) -> Result<(), DeflateError> {
        if self.tokens.len() as u64 >= MAX_BUFFERED_TOKENS {
            return Err(DeflateError::Corrections);
        }
        self.tokens.push(token);
        self.counts.add(token);
        Ok(())
    }
}

impl Parts {
    /// Waits for more, if more is to come.
    fn wait(&self) -> Result<Became, DeflateError> {
        if self.is_ended { Err(DeflateError::Corrections) } else { Ok(Became::Waits) }
    }
}
