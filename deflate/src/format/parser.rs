//! A deflate stream that arrives in pieces, as its parts.

use super::header_reader::HeaderReader;
use super::structure::{BlockKind, BlockStart, LONGEST_OTHERWISE, Sink, Token};
use super::tables::{FIXED_DISTANCE_BITS, FIXED_LITERAL_BITS};
use crate::DeflateError;
use crate::format::bit_reader::BitReader;
use crate::format::decode_table::{DecodeTable, Entry, EntryKind};

/// A match of 258 may be coded as this base and extra bits.
const OTHER_BASE_OF_LONGEST: u16 = 227;

/// Takes a stream apart. It needs the memory of a block's tables.
pub(crate) struct Parser {
    state: State,
    is_last: bool,
    ahead: (u64, u32),
    /// Bits of the pieces before the one at hand.
    bits_before: u64,
    plain_bytes: u64,
}

enum State {
    Start,
    /// The padding before a stored block's length.
    StoredLength(u8),
    Stored(usize),
    Header(Box<HeaderReader>),
    Codes(Box<Codes>),
    Padding,
    Ended,
    Broken,
}

struct Codes {
    literals: DecodeTable,
    distances: DecodeTable,
}

impl Codes {
    fn new(literals: &[u8], distances: &[u8]) -> Result<Self, DeflateError> {
        Ok(Self { literals: DecodeTable::of_literals(literals)?, distances: DecodeTable::of_distances(distances)? })
    }
}

impl Parser {
    pub(crate) fn new() -> Self {
        Self { state: State::Start, is_last: false, ahead: (0, 0), bits_before: 0, plain_bytes: 0 }
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`DeflateError::Damaged`] by zlib's rules, [`DeflateError::Trailing`] for bytes behind the end.
    pub(crate) fn push(&mut self, stored: &[u8], sink: &mut impl Sink) -> Result<(), DeflateError> {
        let mut bits = BitReader::new(self.ahead, stored);
        loop {
            match std::mem::replace(&mut self.state, State::Broken) {
                State::Ended => {
                    self.state = State::Ended;
                    self.ahead = (0, 0);
                    let left = bits.unread().len() + (bits.count() / 8) as usize;
                    return if left > 0 { Err(DeflateError::Trailing(left)) } else { Ok(()) };
                }
                state => {
                    let (state, goes_on) = self.advance(state, &mut bits, sink)?;
                    self.state = state;
                    if !goes_on && bits.is_exhausted() {
                        self.ahead = bits.ahead();
                        self.bits_before += 8 * stored.len() as u64;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The next state, and whether it was reached: otherwise bits are lacking.
    fn advance(
        &mut self,
        state: State,
        bits: &mut BitReader<'_>,
        sink: &mut impl Sink,
    ) -> Result<(State, bool), DeflateError> {
        Ok(match state {
            State::Start => self.start(bits, sink)?,
            State::StoredLength(padding) => self.stored_length(padding, bits, sink)?,
            State::Stored(left) => self.stored(left, bits, sink),
            State::Header(mut reader) => match reader.read(bits)? {
                Some(header) => {
                    let codes = Codes::new(header.literal_lengths(), header.distance_lengths())?;
                    sink.block(BlockStart { is_last: self.is_last, kind: BlockKind::Dynamic(Box::new(header)) });
                    (State::Codes(Box::new(codes)), true)
                }
                None => (State::Header(reader), false),
            },
            State::Codes(codes) => {
                if self.codes(&codes, bits, sink)? {
                    sink.end_of_block(self.place(bits));
                    (self.after_block(), true)
                } else {
                    (State::Codes(codes), false)
                }
            }
            State::Padding => {
                let padding = bits.take(bits.count() % 8).unwrap_or(0) as u8;
                sink.end(padding);
                (State::Ended, true)
            }
            State::Ended | State::Broken => return Err(DeflateError::Damaged),
        })
    }

    /// The number of bits of the stream that were taken.
    fn place(&self, bits: &BitReader<'_>) -> u64 {
        self.bits_before + 8 * bits.taken() as u64 - u64::from(bits.count())
    }

    fn after_block(&self) -> State {
        if self.is_last { State::Padding } else { State::Start }
    }

    fn start(&mut self, bits: &mut BitReader<'_>, sink: &mut impl Sink) -> Result<(State, bool), DeflateError> {
        let Some(first) = bits.take(3) else { return Ok((State::Start, false)) };
        self.is_last = first & 1 == 1;
        let state = match first >> 1 {
            0 => State::StoredLength(bits.take(bits.count() % 8).unwrap_or(0) as u8),
            1 => {
                sink.block(BlockStart { is_last: self.is_last, kind: BlockKind::Fixed });
                State::Codes(Box::new(Codes::new(&FIXED_LITERAL_BITS, &FIXED_DISTANCE_BITS)?))
            }
            2 => State::Header(Box::default()),
            _ => return Err(DeflateError::Damaged),
        };
        Ok((state, true))
    }

    fn stored_length(
        &mut self,
        padding: u8,
        bits: &mut BitReader<'_>,
        sink: &mut impl Sink,
    ) -> Result<(State, bool), DeflateError> {
        let Some(lengths) = bits.take(32) else { return Ok((State::StoredLength(padding), false)) };
        let (len, check) = (lengths as u16, (lengths >> 16) as u16);
        if len != !check {
            return Err(DeflateError::Damaged);
        }
        sink.block(BlockStart { is_last: self.is_last, kind: BlockKind::Stored { padding, len } });
        Ok((State::Stored(len.into()), true))
    }

    fn stored(&mut self, mut left: usize, bits: &mut BitReader<'_>, sink: &mut impl Sink) -> (State, bool) {
        while left > 0
            && bits.count() >= 8
            && let Some(byte) = bits.take(8)
        {
            sink.stored(&[byte as u8]);
            (left, self.plain_bytes) = (left - 1, self.plain_bytes + 1);
        }
        let bytes = bits.take_bytes(left);
        if !bytes.is_empty() {
            sink.stored(bytes);
            (left, self.plain_bytes) = (left - bytes.len(), self.plain_bytes + bytes.len() as u64);
        }
        if left > 0 {
            return (State::Stored(left), false);
        }
        sink.end_of_block(self.place(bits));
        (self.after_block(), true)
    }

    /// Tokens; whether the block ended.
    fn codes(&mut self, codes: &Codes, bits: &mut BitReader<'_>, sink: &mut impl Sink) -> Result<bool, DeflateError> {
        loop {
            bits.fill();
            let (entry, passed) = symbol(&codes.literals, bits.held());
            match entry.kind {
                _ if passed > bits.count() => return Ok(false),
                EntryKind::Literal => {
                    bits.drop(passed);
                    sink.token(Token::literal(entry.value as u8));
                    self.plain_bytes += 1;
                }
                EntryKind::Base => match self.a_match(codes, bits, entry, passed)? {
                    Some(token) => sink.token(token),
                    None => return Ok(false),
                },
                EntryKind::End => {
                    bits.drop(passed);
                    return Ok(true);
                }
                _ => return Err(DeflateError::Damaged),
            }
        }
    }

    /// The match whose length's code, of `passed` bits, is at hand; `None` where bits are lacking.
    fn a_match(
        &mut self,
        codes: &Codes,
        bits: &mut BitReader<'_>,
        length: Entry,
        passed: u32,
    ) -> Result<Option<Token>, DeflateError> {
        let held = bits.held() >> passed;
        let bytes = length.value + (held & ((1 << length.extra()) - 1)) as u16;
        let is_otherwise = length.value == OTHER_BASE_OF_LONGEST && bytes == 258;
        let held = held >> length.extra();
        let (entry, code_bits) = symbol(&codes.distances, held);
        let used = passed + length.extra() + code_bits + entry.extra();
        let distance = u32::from(entry.value) + (held >> code_bits & ((1 << entry.extra()) - 1)) as u32;
        let is_base = entry.kind == EntryKind::Base;
        // With fewer bits, the entry may stem from bits that are not of the stream at all.
        if used > bits.count() {
            return Ok(None);
        }
        if !is_base || u64::from(distance) > self.plain_bytes {
            return Err(DeflateError::Damaged);
        }
        bits.drop(used);
        self.plain_bytes += u64::from(bytes);
        let bytes = if is_otherwise { LONGEST_OTHERWISE } else { bytes };
        Token::new_match(bytes, distance as u16).ok_or(DeflateError::Damaged).map(Some)
    }
}

/// The entry for the next code, and the bits of that.
#[inline(always)]
fn symbol(table: &DecodeTable, held: u64) -> (Entry, u32) {
    let first = table.first(held);
    if first.kind != EntryKind::Longer {
        return (first, first.bits());
    }
    let second = table.second(first, held >> first.bits());
    (second, first.bits() + second.bits())
}
