//! Compressed blocks (RFC 8878, 3.1.1.3).

use super::bits::BackwardBits;
use super::tables::{MAX_SYMBOLS, Norms, State, one_state, read_code_lengths, states};
use super::{Recent, Token};
use crate::format::MAX_BLOCK_BYTES;
use crate::klauspost::{EXTRA_BITS, MIN_MATCH, PREDEFINED};

/// The kinds of literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LiteralsKind {
    #[default]
    Raw = 0,
    OneByte = 1,
    Compressed = 2,
    /// Compressed with the codes of an earlier block.
    Treeless = 3,
}

impl LiteralsKind {
    pub(crate) fn of(number: u8) -> Self {
        match number & 3 {
            0 => Self::Raw,
            1 => Self::OneByte,
            2 => Self::Compressed,
            _ => Self::Treeless,
        }
    }
}

/// How the codes of a block's sequences are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Predefined = 0,
    OneSymbol = 1,
    New = 2,
    Repeat = 3,
}

impl Mode {
    fn of(number: u8) -> Self {
        match number & 3 {
            0 => Self::Predefined,
            1 => Self::OneSymbol,
            2 => Self::New,
            _ => Self::Repeat,
        }
    }
}

/// The form of a compressed block: all that does not follow from its plain bytes and its matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shape {
    pub(crate) literals: LiteralsKind,
    /// The two bits behind the kind in the header of literals; of raw literals and of one byte, the bytes of the header.
    pub(crate) format: u8,
    /// The table of prefix codes, if the block has one.
    pub(crate) codes: Vec<u8>,
    /// The byte of the modes of the three tables; 0 for a block without sequences.
    pub(crate) modes: u8,
    /// The tables of literals, offsets and lengths of matches, where they are new, or the symbol where there is only one.
    pub(crate) tables: [Vec<u8>; 3],
}

impl Shape {
    /// The modes of the tables of literals, offsets and lengths of matches.
    pub(crate) fn modes(&self) -> [Mode; 3] {
        [self.modes >> 6, self.modes >> 4, self.modes >> 2].map(Mode::of)
    }
}

/// The largest accuracy and the most symbols of the tables of literals, offsets and lengths of matches.
pub(crate) const SEQUENCE_LIMITS: [(u32, usize); 3] = [(9, 36), (8, 32), (9, 53)];

/// Takes the compressed blocks of a frame apart.
#[derive(Debug, Default)]
pub(crate) struct BlockReader {
    /// The tables that the last blocks left: of literals, offsets and lengths of matches.
    tables: [Option<Vec<State>>; 3],
    recent: Recent,
}

/// A number of literals, and of the bytes that were read.
struct Literals {
    bytes: usize,
    taken: usize,
}

impl BlockReader {
    /// Reads a block that begins at a place of the plain bytes: its matches, its form and the number of its plain bytes.
    pub(crate) fn read(&mut self, body: &[u8], place: u64, tokens: &mut Vec<Token>) -> Option<(Shape, usize)> {
        let mut shape = Shape::default();
        let literals = read_literals(body, &mut shape)?;
        let mut rest = body.get(literals.taken..)?;
        let number = take_count(&mut rest)?;
        if number == 0 {
            return rest.is_empty().then_some((shape, literals.bytes));
        }
        self.read_tables(&mut rest, &mut shape)?;
        let matched = self.read_sequences(rest, number, (place, literals.bytes), tokens)?;
        Some((shape, literals.bytes + matched))
    }

    fn read_tables(&mut self, rest: &mut &[u8], shape: &mut Shape) -> Option<()> {
        shape.modes = take(rest, 1)?[0];
        if shape.modes & 3 != 0 {
            return None;
        }
        for (kind, mode) in shape.modes().into_iter().enumerate() {
            let (max_log, max_symbols) = SEQUENCE_LIMITS[kind];
            match mode {
                Mode::Repeat => {}
                Mode::Predefined => {
                    let (shares, log) = PREDEFINED[kind];
                    let mut all = [0; MAX_SYMBOLS];
                    all[..shares.len()].copy_from_slice(shares);
                    self.tables[kind] = states(&Norms { log, shares: all, symbols: shares.len() });
                }
                Mode::OneSymbol => {
                    shape.tables[kind] = take(rest, 1)?.to_vec();
                    let symbol = shape.tables[kind][0];
                    self.tables[kind] = Some(one_state(symbol)).filter(|_| usize::from(symbol) < max_symbols);
                }
                Mode::New => {
                    let (norms, taken) = Norms::read(rest, max_log, max_symbols)?;
                    shape.tables[kind] = take(rest, taken)?.to_vec();
                    self.tables[kind] = states(&norms);
                }
            }
            self.tables[kind].as_ref()?;
        }
        Some(())
    }

    /// Reads sequences behind a place, with this number of literals, and gives the sum of the matches' lengths.
    fn read_sequences(
        &mut self,
        stream: &[u8],
        number: usize,
        (mut place, mut literals_left): (u64, usize),
        tokens: &mut Vec<Token>,
    ) -> Option<usize> {
        let mut bits = BackwardBits::new(stream)?;
        let [Some(literals), Some(offsets), Some(matches)] = &self.tables else { return None };
        let log = |table: &[State]| table.len().ilog2();
        let mut at =
            [bits.take(log(literals))? as usize, bits.take(log(offsets))? as usize, bits.take(log(matches))? as usize];
        let mut matched = 0;
        for left in (0..number).rev() {
            let states = [literals[at[0]], offsets[at[1]], matches[at[2]]];
            let value = value(&mut bits, 1, states[1].symbol)?;
            let length = code_value(&mut bits, 2, states[2].symbol)? + MIN_MATCH;
            let skipped = code_value(&mut bits, 0, states[0].symbol)?;
            if left > 0 {
                for kind in [0, 2, 1] {
                    at[kind] = usize::from(states[kind].base) + bits.take(u32::from(states[kind].bits))? as usize;
                }
            }
            literals_left = literals_left.checked_sub(skipped as usize)?;
            matched += length as usize;
            if matched > MAX_BLOCK_BYTES {
                return None;
            }
            place += u64::from(skipped);
            let repeat = if value > 3 { 0 } else { value as u8 };
            let distance = if value > 3 { value - 3 } else { self.recent.distance(repeat, skipped > 0) };
            if distance == 0 {
                return None;
            }
            self.recent.push(repeat, skipped > 0, distance);
            tokens.push(Token { place, length, distance, repeat });
            place += u64::from(length);
        }
        (bits.left() == 0).then_some(matched)
    }
}

/// The value of an offset's code.
fn value(bits: &mut BackwardBits<'_>, kind: usize, symbol: u8) -> Option<u32> {
    let extra = u32::from(*EXTRA_BITS[kind].get(usize::from(symbol))?);
    Some((1u32.checked_shl(extra)?).wrapping_add(bits.take(extra)?))
}

/// The value of a code for a number of literals, or for a length less that of the shortest match.
fn code_value(bits: &mut BackwardBits<'_>, kind: usize, symbol: u8) -> Option<u32> {
    let extra = &EXTRA_BITS[kind];
    let symbol = usize::from(symbol);
    Some(BASES[kind / 2].get(symbol)?.wrapping_add(bits.take(u32::from(*extra.get(symbol)?))?))
}

/// The values at which the codes for literals and for lengths of matches begin.
const BASES: [[u32; MAX_SYMBOLS]; 2] = [bases(0, 36), bases(2, 53)];

const fn bases(kind: usize, codes: usize) -> [u32; MAX_SYMBOLS] {
    let mut bases = [0; MAX_SYMBOLS];
    let mut code = 1;
    while code < codes {
        bases[code] = bases[code - 1] + (1 << EXTRA_BITS[kind][code - 1]);
        code += 1;
    }
    bases
}

fn read_literals(body: &[u8], shape: &mut Shape) -> Option<Literals> {
    let first = *body.first()?;
    shape.literals = LiteralsKind::of(first);
    let number =
        |bytes: usize| Some(body.get(..bytes)?.iter().rev().fold(0u64, |all, byte| all << 8 | u64::from(*byte)));
    let format = first >> 2 & 3;
    if matches!(shape.literals, LiteralsKind::Raw | LiteralsKind::OneByte) {
        let header = [1, 2, 1, 3][usize::from(format)];
        shape.format = header as u8;
        let bytes = (number(header)? >> if header == 1 { 3 } else { 4 }) as usize;
        let stored = if shape.literals == LiteralsKind::Raw { bytes } else { 1 };
        return (bytes <= MAX_BLOCK_BYTES).then_some(Literals { bytes, taken: header + stored });
    }
    shape.format = format;
    let (header, width) = [(3, 10), (3, 10), (4, 14), (5, 18)][usize::from(format)];
    let value = number(header)? >> 4;
    let (bytes, stored) = ((value & ((1 << width) - 1)) as usize, (value >> width) as usize);
    let coded = body.get(header..header + stored)?;
    if shape.literals == LiteralsKind::Compressed {
        let (_, taken) = read_code_lengths(coded)?;
        shape.codes = coded.get(..taken)?.to_vec();
    }
    (bytes <= MAX_BLOCK_BYTES).then_some(Literals { bytes, taken: header + stored })
}

/// Takes the number of sequences.
fn take_count(rest: &mut &[u8]) -> Option<usize> {
    let first = usize::from(take(rest, 1)?[0]);
    Some(match first {
        0..128 => first,
        128..255 => ((first - 128) << 8) + usize::from(take(rest, 1)?[0]),
        _ => {
            let more = take(rest, 2)?;
            usize::from(more[0]) + (usize::from(more[1]) << 8) + 0x7f00
        }
    })
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(taken)
}
