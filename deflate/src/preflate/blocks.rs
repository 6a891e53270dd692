//! The blocks of a deflate stream: kinds and sizes, by walking its codes (RFC 1951, section 3.2).

/// A block's kind, as the stream's two bits say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stored,
    Fixed,
    Dynamic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    /// Literals and matches, without the end of the block; of a stored block its bytes.
    pub(crate) tokens: usize,
    /// Where in the stream it ends, in bits.
    pub(crate) end_bit: usize,
    /// Where in the plain bytes it ends.
    pub(crate) plain_end: usize,
}

const MAX_CODE_BITS: usize = 15;
const END_OF_BLOCK: usize = 256;
/// The order of the code lengths' own code lengths, 3.2.7.
const CODE_LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Extra bits and smallest length of the length codes, 3.2.5.
const LENGTH_EXTRA: [u8; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const LENGTH_BASE: [u16; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];

/// The blocks of a stream that was already inflated; `None` for what is none.
pub(crate) fn of_stream(stored: &[u8]) -> Option<Vec<Block>> {
    let mut bits = Bits { bytes: stored, at: 0 };
    let (mut blocks, mut plain_end) = (Vec::new(), 0);
    loop {
        let last = bits.take(1)? == 1;
        let (kind, tokens, plain_bytes) = match bits.take(2)? {
            0 => stored_block(&mut bits)?,
            1 => coded_block(&mut bits, Kind::Fixed, &fixed_codes())?,
            2 => {
                let codes = dynamic_codes(&mut bits)?;
                coded_block(&mut bits, Kind::Dynamic, &codes)?
            }
            _ => return None,
        };
        plain_end += plain_bytes;
        blocks.push(Block { kind, tokens, end_bit: bits.at, plain_end });
        if last {
            return Some(blocks);
        }
    }
}

fn stored_block(bits: &mut Bits<'_>) -> Option<(Kind, usize, usize)> {
    bits.at = bits.at.next_multiple_of(8);
    let len = bits.take(16)?;
    bits.take(16)?;
    bits.at += len * 8;
    Some((Kind::Stored, len, len))
}

fn coded_block(bits: &mut Bits<'_>, kind: Kind, codes: &(Code, Code)) -> Option<(Kind, usize, usize)> {
    let (mut tokens, mut plain_bytes) = (0, 0);
    loop {
        let symbol = codes.0.read(bits)?;
        match symbol {
            0..END_OF_BLOCK => plain_bytes += 1,
            END_OF_BLOCK => return Some((kind, tokens, plain_bytes)),
            _ => {
                let length = symbol - END_OF_BLOCK - 1;
                plain_bytes += usize::from(*LENGTH_BASE.get(length)?) + bits.take(LENGTH_EXTRA[length].into())?;
                let distance = codes.1.read(bits)?;
                bits.take((distance / 2).saturating_sub(1))?;
            }
        }
        tokens += 1;
    }
}

fn fixed_codes() -> (Code, Code) {
    let literals: Vec<u8> = (0..288)
        .map(|symbol| match symbol {
            0..144 => 8,
            144..256 => 9,
            256..280 => 7,
            _ => 8,
        })
        .collect();
    (Code::new(&literals), Code::new(&[5; 30]))
}

fn dynamic_codes(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    let literals = bits.take(5)? + 257;
    let distances = bits.take(5)? + 1;
    let mut lengths_code = [0; 19];
    for place in 0..bits.take(4)? + 4 {
        // Four bits and four: 19 at most.
        lengths_code[CODE_LENGTH_ORDER[place]] = bits.take(3)? as u8;
    }
    let code = Code::new(&lengths_code);
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.read(bits)? {
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    Some((Code::new(&lengths[..literals]), Code::new(lengths.get(literals..literals + distances)?)))
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl Bits<'_> {
    /// At most 16 bits, the lowest first.
    fn take(&mut self, count: usize) -> Option<usize> {
        if self.at + count > self.bytes.len() * 8 {
            return None;
        }
        let value = self.peek() & ((1 << count) - 1);
        self.at += count;
        Some(value)
    }

    /// The next 17 bits at least, zeros past the end.
    fn peek(&self) -> usize {
        let byte = |ahead: usize| self.bytes.get(self.at / 8 + ahead).map_or(0, |&byte| usize::from(byte));
        (byte(0) | byte(1) << 8 | byte(2) << 16) >> (self.at % 8)
    }
}

/// A prefix code: for all that the next bits may be, the symbol and its length, or a length of 0 where there is none.
struct Code {
    table: Vec<(u16, u8)>,
    width: usize,
}

impl Code {
    /// The canonical code of these lengths, 3.2.2.
    fn new(lengths: &[u8]) -> Self {
        let width = lengths.iter().copied().max().map_or(0, usize::from).min(MAX_CODE_BITS);
        let mut table = vec![(0, 0); 1 << width];
        let mut next = 0usize;
        for length in 1..=width {
            for symbol in (0..lengths.len()).filter(|&symbol| usize::from(lengths[symbol]) == length) {
                // The codes come highest bit first.
                let first = (next.reverse_bits() >> (usize::BITS as usize - length)) & (table.len() - 1);
                table
                    .iter_mut()
                    .skip(first)
                    .step_by(1 << length)
                    .for_each(|entry| *entry = (symbol as u16, length as u8));
                next += 1;
            }
            next <<= 1;
        }
        Self { table, width }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (symbol, length) = self.table[bits.peek() & ((1 << self.width) - 1)];
        if length == 0 {
            return None;
        }
        bits.take(length.into())?;
        Some(symbol.into())
    }
}
