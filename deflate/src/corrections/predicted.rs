//! The predicted stream as both sides see it: its tokens and blocks from the place on that was reached.

use std::collections::VecDeque;

use super::history::History;
use super::plain::Plain;
use crate::DeflateError;
use crate::format::dynamic_header::DynamicHeader;
use crate::format::parser::Parser;
use crate::format::structure::{BlockKind, BlockStart, MAX_MATCH, Sink, Token};

/// The memory that a block is taken to need, with its header.
pub(super) const BLOCK_BYTES: usize = 1 << 10;

/// A match is near if fewer tokens come before it.
const MAX_NEAR_TOKENS: usize = 16;

/// A block and where its plain bytes lie.
pub(super) struct Placed {
    pub(super) block: BlockStart,
    pub(super) start: u64,
    /// `None` as long as it was not reached.
    pub(super) end: Option<u64>,
}

/// A stream that is taken apart, and its parts that were not passed.
pub(super) struct Predicted {
    parser: Parser,
    pub(super) parts: Parts,
}

/// Bytes of stored blocks are literals here.
pub(super) struct Parts {
    tokens: VecDeque<Token>,
    /// The number of tokens whose plain bytes are in `plain`.
    expanded: usize,
    /// The place where the first of them begins.
    tokens_at: u64,
    /// The place where the last of them ends.
    pub(super) parsed: u64,
    blocks: VecDeque<Placed>,
    /// The header of the last dynamic block that was passed.
    passed_header: Option<Box<DynamicHeader>>,
    /// The header of the last dynamic block behind the first that was passed.
    later_header: Option<Box<DynamicHeader>>,
    plain: Plain,
    history: History,
    pub(super) is_ended: bool,
}

impl Predicted {
    pub(super) fn new() -> Self {
        let parts = Parts {
            tokens: VecDeque::new(),
            expanded: 0,
            tokens_at: 0,
            parsed: 0,
            blocks: VecDeque::new(),
            passed_header: None,
            later_header: None,
            plain: Plain::new(),
            history: History::new(),
            is_ended: false,
        };
        Self { parser: Parser::new(), parts }
    }

    pub(super) fn push(&mut self, stored: &[u8]) -> Result<(), DeflateError> {
        self.parser.push(stored, &mut self.parts)
    }
}

impl Sink for Parts {
    fn block(&mut self, block: BlockStart) {
        self.blocks.push_back(Placed { block, start: self.parsed, end: None });
    }

    fn token(&mut self, token: Token) {
        self.tokens.push_back(token);
        self.parsed += u64::from(token.plain_bytes());
    }

    fn stored(&mut self, bytes: &[u8]) {
        self.tokens.extend(bytes.iter().map(|&byte| Token::literal(byte)));
        self.parsed += bytes.len() as u64;
    }

    fn end_of_block(&mut self, _end_bit: u64) {
        if let Some(placed) = self.blocks.back_mut() {
            placed.end = Some(self.parsed);
        }
    }

    fn end(&mut self, _padding: u8) {
        self.is_ended = true;
    }
}

impl Parts {
    /// The token that covers a place, and where it begins. Those before are passed.
    pub(super) fn covering(&mut self, place: u64) -> Option<(Token, u64)> {
        while let Some(&token) = self.tokens.front() {
            let end = self.tokens_at + u64::from(token.plain_bytes());
            if end > place {
                return Some((token, self.tokens_at));
            }
            self.expand_to(end);
            self.tokens_at = end;
            self.tokens.pop_front();
            self.expanded = self.expanded.saturating_sub(1);
        }
        None
    }

    /// Makes plain bytes of tokens up to a place, as far as there are any.
    fn expand_to(&mut self, place: u64) {
        while self.plain.end() < place
            && let Some(&token) = self.tokens.get(self.expanded)
        {
            self.plain.token(token);
            self.expanded += 1;
        }
    }

    /// The plain bytes from a place on that was not passed: at most `most`, or those that are known.
    pub(super) fn plain(&mut self, place: u64, most: usize) -> &[u8] {
        self.expand_to(place.saturating_add(most as u64));
        let bytes = self.plain.from(place);
        &bytes[..bytes.len().min(most)]
    }

    /// Whether enough is known to find matches at a place.
    pub(super) fn can_find(&self, place: u64) -> bool {
        self.is_ended || self.parsed >= place.saturating_add(MAX_MATCH.into())
    }

    /// The first match that ends behind a place, if it begins near it; [`Parts::can_find`] is to say yes.
    pub(super) fn match_near(&self, place: u64) -> Option<(Token, u64)> {
        let mut start = self.tokens_at;
        for &token in self.tokens.iter().take(MAX_NEAR_TOKENS) {
            if start >= place.saturating_add(MAX_MATCH.into()) {
                return None;
            }
            let end = start + u64::from(token.plain_bytes());
            if token.as_match().is_some() && end > place {
                return Some((token, start));
            }
            start = end;
        }
        None
    }

    /// The matches at a place, which was not passed.
    pub(super) fn find(&mut self, place: u64) -> &History {
        self.expand_to(place.saturating_add(MAX_MATCH.into()));
        self.history.find(&self.plain, place);
        &self.history
    }

    /// Forgets what lies before a place.
    pub(super) fn pass(&mut self, place: u64) {
        self.prune(place);
        self.covering(place);
        self.plain.trim(place);
    }

    /// The sum of all plain bytes.
    pub(super) fn sum(mut self) -> (u64, u32) {
        self.covering(u64::MAX);
        self.plain.sum()
    }

    /// Passes the blocks that lie before a place, and says whether the first one that does not is known.
    pub(super) fn settle(&mut self, place: u64) -> bool {
        while self.blocks.front().is_some_and(|first| is_before(first, place)) {
            self.pass_block();
        }
        self.is_ended || self.blocks.front().is_some_and(|first| first.end.is_some() || self.parsed > place)
    }

    /// Forgets the blocks behind the first that would be passed at this place.
    pub(super) fn prune(&mut self, place: u64) {
        while self.blocks.get(1).is_some_and(|second| is_before(second, place)) {
            if let Some(Placed { block: BlockStart { kind: BlockKind::Dynamic(header), .. }, .. }) =
                self.blocks.remove(1)
            {
                self.later_header = Some(header);
            }
        }
    }

    /// The first block that was not passed.
    pub(super) fn first_block(&self) -> Option<&Placed> {
        self.blocks.front()
    }

    /// Whether the first block's end is known, or that it lies behind a place.
    pub(super) fn knows_end_before(&self, place: u64) -> bool {
        self.is_ended || self.parsed > place || self.blocks.front().is_some_and(|first| first.end.is_some())
    }

    pub(super) fn pass_block(&mut self) {
        if let Some(Placed { block: BlockStart { kind: BlockKind::Dynamic(header), .. }, .. }) = self.blocks.pop_front()
        {
            self.passed_header = Some(header);
        }
        if let Some(later) = self.later_header.take() {
            self.passed_header = Some(later);
        }
    }

    /// The header that one at this place may be like.
    pub(super) fn header(&self) -> Option<&DynamicHeader> {
        match self.blocks.front() {
            Some(Placed { block: BlockStart { kind: BlockKind::Dynamic(header), .. }, .. }) => Some(header),
            _ => self.passed_header.as_deref(),
        }
    }

    /// About how much memory the parts take.
    pub(super) fn bytes(&self) -> usize {
        self.tokens.len() * size_of::<Token>() + self.blocks.len() * BLOCK_BYTES
    }
}

/// An empty block at the place itself is not before it.
fn is_before(placed: &Placed, place: u64) -> bool {
    placed.start < place && placed.end.is_some_and(|end| end <= place)
}
