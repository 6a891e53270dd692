//! Finds the corrections of a frame.

use std::collections::VecDeque;

use super::channels::{Channel, MAX_BYTES, NumberWriter};
use super::predicted::Predicted;
use super::writer::{BlockWriter, Content, predicted_repeat, put_plain};
use super::{
    BLOCK_BYTES, BLOCK_ENDS, DISTANCE, Ending, LENGTH, LISTED, OTHER_DISTANCE, OTHER_LENGTH, OTHER_PLACE, PASSED,
    SAME_DISTANCE, SAME_END, TO_BLOCK_END, shapes, zigzag,
};
use crate::anatomy::{Block, FrameReader, Recent, Token};
use crate::checksum::Xxh64;
use crate::encoders::KnownEncoder;
use crate::error::ZstdError;
use crate::format::BlockKind;
use crate::klauspost::MIN_MATCH;

/// How much smaller numbers become at most when they are packed, about.
const PACKED_SHARE: usize = 4;
/// The bytes of numbers that a part of a frame may have more than its share.
const SLACK_BYTES: usize = 16 << 10;
/// The bytes behind the last block.
const CHECKSUM_BYTES: usize = 4;
/// The piece of plain bytes that an encoder is given at a time.
const PIECE_BYTES: usize = 128 << 10;

/// Finds the corrections of what an encoder makes of a frame's plain bytes, so that the frame follows from them.
///
/// The plain bytes and those of the frame arrive in pieces, at about the same pace: what is ahead is held.
#[derive(Debug)]
pub struct Differ {
    predicted: Predicted,
    reader: FrameReader,
    blocks: VecDeque<Block>,
    writer: BlockWriter,
    numbers: NumberWriter,
    recent: Recent,
    waiting: Vec<u8>,
    place: u64,
    plain_bytes: u64,
    checksum: Xxh64,
    most: usize,
    has_header: bool,
    is_over: bool,
}

impl Differ {
    /// Starts with a frame of this many plain bytes, of which the corrections have at most `most` bytes.
    #[must_use]
    pub fn new(known: KnownEncoder, plain_bytes: u64, most: usize) -> Self {
        Self {
            predicted: Predicted::new(known, plain_bytes),
            reader: FrameReader::default(),
            blocks: VecDeque::new(),
            writer: BlockWriter::new(),
            numbers: NumberWriter::default(),
            recent: Recent::default(),
            waiting: Vec::new(),
            place: 0,
            plain_bytes,
            checksum: Xxh64::new(),
            most,
            has_header: false,
            is_over: false,
        }
    }

    /// Takes the next bytes of the frame.
    pub fn push_stored(&mut self, stored: &[u8]) {
        if !self.is_over {
            self.reader.push(stored);
            self.is_over = self.read().is_err() || self.advance().is_none();
        }
    }

    /// Whether more of the frame is needed, so that the plain bytes that were pushed do not have to be held.
    #[must_use]
    pub fn wants_stored(&self) -> bool {
        let is_whole = self.reader.has_ended() && self.reader.rest().len() >= self.checksum_bytes();
        !self.is_over && self.blocks.is_empty() && !is_whole
    }

    fn checksum_bytes(&self) -> usize {
        let has_checksum = self.reader.header().is_some_and(|(header, _)| header.has_checksum);
        if has_checksum { CHECKSUM_BYTES } else { 0 }
    }

    /// Takes the next plain bytes.
    pub fn push_plain(&mut self, plain: &[u8]) {
        if !self.is_over {
            self.checksum.update(plain);
            self.waiting.extend_from_slice(plain);
            self.is_over = self.predicted.write(plain).is_err() || self.advance().is_none();
        }
    }

    /// Ends the plain bytes. An encoder may hold back many of them until then, so the rest of the frame comes after this.
    pub fn end_plain(&mut self) {
        if !self.is_over {
            self.is_over = self.predicted.finish().is_err() || self.advance().is_none();
        }
    }

    /// Whether it is settled that there are no such corrections.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Ends both. The result is `None` if the frame cannot be made like this, or if the corrections are too large.
    #[must_use]
    pub fn finish(mut self) -> Option<Vec<u8>> {
        self.end_plain();
        if self.is_over {
            return None;
        }
        let has_checksum = self.reader.header()?.0.has_checksum;
        let checksum = self.checksum.checksum().to_le_bytes();
        let end: &[u8] = if has_checksum { &checksum } else { &[] };
        let is_whole = self.reader.has_ended() && self.blocks.is_empty() && self.place == self.plain_bytes;
        if !is_whole || self.reader.rest() != end {
            return None;
        }
        Some(self.numbers.pack()).filter(|packed| packed.len() <= self.most)
    }

    fn read(&mut self) -> Result<(), ZstdError> {
        while let Some(block) = self.reader.next_block()? {
            self.blocks.push_back(block);
        }
        let is_more = self.reader.has_ended() && self.reader.rest().len() > self.checksum_bytes();
        if is_more { Err(ZstdError::Corrections) } else { Ok(()) }
    }

    /// Looks at the blocks for which all is there; `None` if they cannot be made.
    fn advance(&mut self) -> Option<()> {
        if let (false, Some((_, stored)), Some(predicted)) =
            (self.has_header, self.reader.header(), self.predicted.header())
        {
            self.has_header = true;
            let is_same = stored == predicted;
            self.numbers.put(Channel::Blocks, u64::from(!is_same));
            if !is_same {
                self.numbers.put_bytes(stored);
            }
        }
        let mut read = 0;
        while self.has_header
            && let Some(block) = self.blocks.front()
        {
            // A rebuilder looks at a block's end when its first byte is there.
            let (end, next) = (block.end(), self.place.saturating_add(1));
            let is_there = self.predicted.covers(end.max(next)) && self.waiting.len() >= read + block.plain_bytes;
            if !is_there {
                break;
            }
            let block = self.blocks.pop_front()?;
            let plain = self.waiting.get(read..read + block.plain_bytes)?.to_vec();
            self.put_block(&block, &plain)?;
            read += plain.len();
            self.place = block.end();
            self.predicted.pass_blocks(self.place);
            if self.numbers.bytes() > self.allowed() {
                return None;
            }
        }
        self.waiting.drain(..read);
        Some(())
    }

    /// The bytes of numbers that there may be so far: in proportion, so that it is soon clear where they are too many.
    fn allowed(&self) -> usize {
        let all = self.most.saturating_mul(PACKED_SHARE).min(MAX_BYTES) as u128;
        let so_far = all * u128::from(self.place) / u128::from(self.plain_bytes.max(1));
        (so_far as usize + SLACK_BYTES).min(all as usize)
    }

    fn put_block(&mut self, block: &Block, plain: &[u8]) -> Option<()> {
        let end = block.end();
        let full = self.place.saturating_add(BLOCK_BYTES).min(self.plain_bytes);
        let ending = if end == full {
            Ending::Full
        } else if self.predicted.block_end(self.place) == Some(end) {
            Ending::Predicted
        } else {
            Ending::Stated
        };
        let kind = match block.kind {
            BlockKind::Compressed => 0,
            BlockKind::Raw => 1,
            BlockKind::OneByte => 2,
        };
        let is_unusual = block.is_last != (end == self.plain_bytes);
        self.numbers.put(Channel::Blocks, kind + 3 * ending as u64 + 9 * u64::from(is_unusual));
        if ending == Ending::Stated {
            self.numbers.put(Channel::Blocks, block.plain_bytes as u64);
        }
        let mut made = Vec::with_capacity(block.stored.len());
        if block.kind == BlockKind::Compressed {
            self.put_tokens(&block.tokens, end);
            let middle = self.place + (end - self.place) / 2;
            let predicted = self.predicted.block_at(middle).and_then(|block| block.shape.as_ref());
            shapes::put(&block.shape, predicted, !block.tokens.is_empty(), &mut self.numbers);
            let content = Content { plain, start: self.place, tokens: &block.tokens };
            self.writer.put(&block.shape, &content, block.is_last, &mut made)?;
        } else {
            put_plain(block.kind, plain, block.is_last, &mut made)?;
        }
        (made == block.stored).then_some(())
    }

    fn put_tokens(&mut self, mut tokens: &[Token], end: u64) {
        let mut at = self.place;
        loop {
            let mut run = 0;
            let predicted = loop {
                let predicted = self.predicted.match_from(at).filter(|token| token.end() <= end);
                let (Some(near), Some((token, rest))) = (predicted, tokens.split_first()) else { break predicted };
                let repeat = predicted_repeat(&near, near.place > at, &self.recent);
                if *token != (Token { repeat, ..near }) {
                    break predicted;
                }
                (at, tokens, run) = (self.pass(token, at), rest, run + 1);
            };
            if tokens.is_empty() && predicted.is_none() {
                self.numbers.put(Channel::Runs, 0);
                return;
            }
            self.numbers.put(Channel::Runs, 1 + run);
            let Some((token, rest)) = tokens.split_first() else {
                self.numbers.put(Channel::Kinds, BLOCK_ENDS);
                return;
            };
            if predicted.is_some_and(|near| near.end() <= token.place) {
                self.numbers.put(Channel::Kinds, PASSED);
                self.predicted.pass_match();
                continue;
            }
            self.list(token, at, end);
            (at, tokens) = (self.pass(token, at), rest);
        }
    }

    fn pass(&mut self, token: &Token, at: u64) -> u64 {
        self.recent.push(token.repeat, token.place > at, token.distance);
        token.end()
    }

    /// Lists a match that begins behind a place.
    fn list(&mut self, token: &Token, at: u64, end: u64) {
        let predicted = self.predicted.match_from(at).filter(|near| near.place < end);
        let mut kind = LISTED;
        if predicted.is_none_or(|near| near.place != token.place) {
            kind += OTHER_PLACE;
            let near = predicted.map_or(at, |near| near.place);
            self.numbers.put(Channel::Places, zigzag(near, token.place));
        }
        kind += LENGTH
            * if predicted.is_some_and(|near| near.end() == token.end()) {
                SAME_END
            } else if token.end() == end {
                TO_BLOCK_END
            } else {
                self.numbers.put(Channel::Lengths, u64::from(token.length - MIN_MATCH));
                OTHER_LENGTH
            };
        let has_literals = token.place > at;
        let is_same = predicted.is_some_and(|near| {
            near.distance == token.distance && predicted_repeat(&near, has_literals, &self.recent) == token.repeat
        });
        kind += DISTANCE
            * match token.repeat {
                _ if is_same => SAME_DISTANCE,
                0 => {
                    self.numbers.put(Channel::Distances, u64::from(token.distance));
                    OTHER_DISTANCE
                }
                repeat => u64::from(repeat),
            };
        self.numbers.put(Channel::Kinds, kind);
    }
}

/// The corrections by which `stored`, a whole frame, follows from what an encoder makes of its plain bytes; `None` if there
/// are none of at most `most` bytes.
#[must_use]
pub fn corrections(known: KnownEncoder, plain: &[u8], stored: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut differ = Differ::new(known, plain.len() as u64, most);
    differ.push_stored(stored);
    for piece in plain.chunks(PIECE_BYTES) {
        differ.push_plain(piece);
        if differ.is_over() {
            return None;
        }
    }
    differ.finish()
}
