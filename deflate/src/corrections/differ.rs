//! The side that knows both streams.

use super::actual::{Actual, ActualParts, BLOCK_MARK};
use super::channels::{Channel, MAX_BYTES, NumberWriter};
use super::headers::{Likes, put_header};
use super::marks::*;
use super::predicted::{Parts, Predicted};
use crate::format::dynamic_header::DynamicHeader;
use crate::format::structure::{BlockKind, BlockStart, Token};
use crate::format::symbols::Counts;

/// Pieces are taken in parts of this size, so that little of a stream is held at once.
const PIECE_BYTES: usize = 4 << 10;
/// The memory that the parts of one stream may take which the other one has not got to.
const MAX_APART_BYTES: usize = 8 << 20;
/// Numbers may take this many times the bytes that are allowed, as they are compressed in the end.
const MAX_PACKING: usize = 8;

/// Compares a deflate stream with a predicted one of the same plain bytes: what [`super::Patcher`] needs to make the
/// one of the other.
///
/// Both are raw streams, and arrive in pieces of any size. A few MB of either may be ahead of the other.
pub struct Differ {
    limit_bytes: usize,
    is_over: bool,
    actual: Actual,
    predicted: Predicted,
    comparison: Comparison,
}

/// The state of a comparison.
struct Comparison {
    numbers: NumberWriter,
    /// Plain bytes that were passed.
    place: u64,
    /// Tokens are listed, rather than counted as long as they are as predicted.
    is_listing: bool,
    run: u64,
    literals: u64,
    /// Blocks that are as predicted.
    same_blocks: u64,
    block: Option<OpenBlock>,
    /// Tokens of the last block that had any, and the last header.
    last_tokens: u64,
    last_header: Option<Box<DynamicHeader>>,
}

struct OpenBlock {
    block: BlockStart,
    start: u64,
    tokens: u64,
    counts: Box<Counts>,
}

impl Differ {
    /// A comparison at the start of both streams, which gives up where corrections take more than `limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            is_over: false,
            actual: Actual::new(),
            predicted: Predicted::new(),
            comparison: Comparison {
                numbers: NumberWriter::default(),
                place: 0,
                is_listing: true,
                run: 0,
                literals: 0,
                same_blocks: 0,
                block: None,
                last_tokens: 0,
                last_header: None,
            },
        }
    }

    /// Takes the next bytes of the stream itself.
    pub fn push_actual(&mut self, piece: &[u8]) {
        for piece in piece.chunks(PIECE_BYTES) {
            if self.is_over {
                return;
            }
            let pushed = self.actual.push(piece);
            self.go_on(pushed.is_ok());
        }
    }

    /// Takes the next bytes of the predicted stream.
    pub fn push_predicted(&mut self, piece: &[u8]) {
        for piece in piece.chunks(PIECE_BYTES) {
            if self.is_over {
                return;
            }
            let pushed = self.predicted.push(piece);
            self.go_on(pushed.is_ok());
        }
    }

    /// There will be no corrections: more than allowed were needed, a stream is broken, or one is too far ahead.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The corrections, once both streams were pushed whole.
    #[must_use]
    pub fn finish(mut self) -> Option<Vec<u8>> {
        self.go_on(true);
        let (actual, predicted) = (self.actual, self.predicted.parts);
        let is_whole = actual.is_ended() && predicted.is_ended && actual.parts.tokens.is_empty();
        if self.is_over || !is_whole || actual.parts.plain.sum() != predicted.sum() {
            return None;
        }
        let packed = self.comparison.finished().pack(actual.parts.padding);
        (packed.len() <= self.limit_bytes).then_some(packed)
    }

    fn go_on(&mut self, is_sound: bool) {
        let (actual, predicted) = (&mut self.actual.parts, &mut self.predicted.parts);
        let fits = is_sound && self.comparison.advance(actual, predicted).is_some();
        actual.plain.trim(actual.parsed);
        let most = self.limit_bytes.saturating_mul(MAX_PACKING).saturating_add(PIECE_BYTES).min(MAX_BYTES);
        self.is_over |= !fits
            || self.comparison.numbers.bytes() > most
            || predicted.bytes() > MAX_APART_BYTES
            || actual.bytes() > MAX_APART_BYTES;
    }
}

/// The result of comparing a part.
enum Became {
    Passed,
    /// More of the predicted stream must be known.
    Waits,
}

impl Comparison {
    /// Compares as far as both streams are known; `None` if they do not have the same plain bytes.
    fn advance(&mut self, actual: &mut ActualParts, predicted: &mut Parts) -> Option<()> {
        while let Some(&token) = actual.tokens.front() {
            let became = match token.as_mark() {
                None => self.token(token, predicted)?,
                Some(BLOCK_MARK) => self.begin(actual.blocks.front()?, predicted),
                Some(_) => self.end(predicted)?,
            };
            if let Became::Waits = became {
                break;
            }
            if token.as_mark() == Some(BLOCK_MARK) {
                let block = actual.blocks.pop_front()?;
                let plain_bytes = if let BlockKind::Stored { len, .. } = block.kind { len } else { 0 };
                let counts = Box::new(Counts::new());
                self.block = Some(OpenBlock { block, start: self.place, tokens: 0, counts });
                self.place += u64::from(plain_bytes);
            }
            actual.tokens.pop_front();
        }
        // Parts that are passed need no memory.
        predicted.pass(self.place);
        Some(())
    }

    /// A block begins: finds the predicted one that it may be like.
    fn begin(&mut self, block: &BlockStart, predicted: &mut Parts) -> Became {
        loop {
            if !predicted.settle(self.place) {
                return Became::Waits;
            }
            let is_skipped = predicted.first_block().is_some_and(|first| {
                first.end == Some(first.start) && first.start == self.place && !may_be_same(&first.block, block)
            });
            if !is_skipped {
                return Became::Passed;
            }
            self.put_same_blocks();
            self.numbers.put(Channel::Blocks, NO_BLOCK);
            predicted.pass_block();
        }
    }

    /// A block ended.
    fn end(&mut self, predicted: &mut Parts) -> Option<Became> {
        if !predicted.knows_end_before(self.place) {
            return Some(Became::Waits);
        }
        let open = self.block.take()?;
        let first = predicted.first_block();
        let ends_alike = first.is_some_and(|first| first.end == Some(self.place));
        if ends_alike && first.is_some_and(|first| first.start == open.start && first.block == open.block) {
            self.same_blocks += 1;
            self.remember(open);
            predicted.pass_block();
            return Some(Became::Passed);
        }
        self.put_same_blocks();
        self.put_block(&open, ends_alike, predicted.header());
        self.remember(open);
        Some(Became::Passed)
    }

    fn put_block(&mut self, open: &OpenBlock, ends_alike: bool, predicted: Option<&DynamicHeader>) {
        let (block, tokens) = (&open.block, open.tokens);
        let end = match block.kind {
            BlockKind::Stored { padding: 0, .. } => 0,
            BlockKind::Stored { .. } => 1,
            _ if ends_alike => END_SAME_PLACE,
            _ if tokens == self.last_tokens => END_SAME_TOKENS,
            _ => END_TOKENS,
        };
        let kind = match &block.kind {
            BlockKind::Stored { .. } => STORED,
            BlockKind::Fixed => FIXED,
            BlockKind::Dynamic(header) if Some(&**header) == predicted => SAME_HEADER,
            BlockKind::Dynamic(_) => OTHER_HEADER,
        };
        let fields = u64::from(block.is_last) | kind << KIND_SHIFT | end << END_SHIFT;
        self.numbers.put(Channel::Blocks, BLOCK + fields);
        match &block.kind {
            &BlockKind::Stored { padding, len } => {
                self.numbers.put(Channel::Blocks, len.into());
                if padding != 0 {
                    self.numbers.put(Channel::Blocks, padding.into());
                }
            }
            BlockKind::Fixed | BlockKind::Dynamic(_) if end == END_TOKENS => self.numbers.put(Channel::Blocks, tokens),
            _ => {}
        }
        if let (OTHER_HEADER, BlockKind::Dynamic(header)) = (kind, &block.kind) {
            let counts = (tokens <= MAX_BUFFERED_TOKENS).then_some(&*open.counts);
            let likes = Likes { predicted, last: self.last_header.as_deref(), counts };
            put_header(&mut self.numbers, header, likes);
        }
    }

    fn remember(&mut self, open: OpenBlock) {
        match open.block.kind {
            BlockKind::Stored { .. } => return,
            BlockKind::Fixed => {}
            BlockKind::Dynamic(header) => self.last_header = Some(header),
        }
        self.last_tokens = open.tokens;
    }

    fn put_same_blocks(&mut self) {
        self.numbers.put(Channel::Blocks, std::mem::take(&mut self.same_blocks));
    }

    fn token(&mut self, token: Token, predicted: &mut Parts) -> Option<Became> {
        let Some(covering) = predicted.covering(self.place) else {
            return if predicted.is_ended { None } else { Some(Became::Waits) };
        };
        if self.is_listing && covering.1 == self.place {
            self.is_listing = false;
            self.put_literals();
        }
        if !predicted.can_find(self.place) {
            return Some(Became::Waits);
        }
        if !self.is_listing && covering == (token, self.place) {
            self.run += 1;
        } else {
            if !self.is_listing {
                self.put_run();
                self.is_listing = true;
            }
            self.list(token, predicted);
        }
        self.place += u64::from(token.plain_bytes());
        let open = self.block.as_mut()?;
        open.tokens += 1;
        open.counts.add(token);
        Some(Became::Passed)
    }

    fn put_run(&mut self) {
        self.numbers.put(Channel::Runs, std::mem::take(&mut self.run));
    }

    fn put_literals(&mut self) {
        if self.literals > 0 {
            self.numbers.put(Channel::Kinds, LITERALS + std::mem::take(&mut self.literals));
        }
    }

    /// A token that is not as predicted.
    fn list(&mut self, token: Token, predicted: &mut Parts) {
        let Some((length, distance)) = token.as_match() else {
            self.literals += 1;
            return;
        };
        let like = like(self.place, predicted.match_near(self.place));
        let (has_length, has_distance) = (like.0 != Some(length), like.1 != Some(distance));
        let way = if has_length { HAS_LENGTH } else { 0 } | if has_distance { HAS_DISTANCE } else { 0 };
        self.put_literals();
        self.numbers.put(Channel::Kinds, way);
        if way == 0 {
            return;
        }
        let history = predicted.find(self.place);
        if has_length {
            let less = (history.longest() + LENGTHS - length) % LENGTHS;
            self.numbers.put(Channel::Lengths, less.into());
        }
        if has_distance {
            let rank = history.rank(token.plain_bytes(), distance).map(|rank| rank as u64);
            self.numbers.put(Channel::Distances, rank.unwrap_or(FIRST_DISTANCE + u64::from(distance)));
        }
    }

    /// The numbers, with what was counted and not put yet.
    fn finished(mut self) -> NumberWriter {
        if !self.is_listing {
            self.put_run();
        }
        self.put_literals();
        if self.same_blocks > 0 {
            self.put_same_blocks();
        }
        self.numbers
    }
}

/// Whether an empty block that was predicted may be this one.
fn may_be_same(empty: &BlockStart, block: &BlockStart) -> bool {
    match (&empty.kind, &block.kind) {
        (BlockKind::Stored { len, .. }, BlockKind::Stored { len: other, .. }) => len == other,
        (empty, kind) => std::mem::discriminant(empty) == std::mem::discriminant(kind),
    }
}
