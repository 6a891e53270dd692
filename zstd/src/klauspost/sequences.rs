//! Sequences of a block (RFC 8878, 3.1.1.3.2): their codes, and tables for them.

use super::bits::BitWriter;
use super::fse::{Histogram, MAX_SYMBOLS, Table, table_log};

/// A stretch of literals and the match behind it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sequence {
    pub(crate) literals: u32,
    /// The length of the match, less [`MIN_MATCH`].
    pub(crate) match_length: u32,
    /// 1 to 3 stand for recent offsets; others are 3 more than the offset.
    pub(crate) offset: u32,
}

/// The shortest match of the format.
pub(crate) const MIN_MATCH: u32 = 3;

const WANTED_LOG: u32 = 8;

/// The extra bits of each code for a number of literals; the first 16 have none.
const LITERALS_BITS: [u8; MAX_SYMBOLS] =
    extra_bits(16, &[1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
/// The same for the length of a match; the first 32 have none.
const MATCH_BITS: [u8; MAX_SYMBOLS] =
    extra_bits(32, &[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
/// The same for an offset: as many as the code says.
const OFFSET_BITS: [u8; MAX_SYMBOLS] = {
    let mut bits = [0; MAX_SYMBOLS];
    let mut code = 0;
    while code < MAX_SYMBOLS {
        bits[code] = code as u8;
        code += 1;
    }
    bits
};

/// The extra bits of the codes of literals, offsets and lengths of matches.
pub(crate) const EXTRA_BITS: [[u8; MAX_SYMBOLS]; 3] = [LITERALS_BITS, OFFSET_BITS, MATCH_BITS];

/// The codes of numbers of literals, and of lengths of matches, that are small.
const LITERALS_CODES: [u8; 64] = codes(&LITERALS_BITS);
const MATCH_CODES: [u8; 128] = codes(&MATCH_BITS);

const fn extra_bits(first: usize, of_codes: &[u8]) -> [u8; MAX_SYMBOLS] {
    let mut bits = [0; MAX_SYMBOLS];
    let mut code = 0;
    while code < of_codes.len() {
        bits[first + code] = of_codes[code];
        code += 1;
    }
    bits
}

const fn codes<const N: usize>(bits: &[u8; MAX_SYMBOLS]) -> [u8; N] {
    let mut codes = [0; N];
    let (mut code, mut value) = (0, 0);
    while value < N {
        let end = value + (1 << bits[code]);
        while value < end && value < N {
            codes[value] = code as u8;
            value += 1;
        }
        code += 1;
    }
    codes
}

/// The three codes of a sequence.
#[derive(Debug, Clone, Copy, Default)]
struct SequenceCodes {
    literals: u8,
    offset: u8,
    match_length: u8,
}

impl SequenceCodes {
    #[inline(always)]
    fn of(sequence: &Sequence) -> Self {
        let literals = match LITERALS_CODES.get(sequence.literals as usize) {
            Some(code) => *code,
            None => sequence.literals.ilog2() as u8 + 19,
        };
        let match_length = match MATCH_CODES.get(sequence.match_length as usize) {
            Some(code) => *code,
            None => sequence.match_length.ilog2() as u8 + 36,
        };
        let offset = sequence.offset.checked_ilog2().unwrap_or_default() as u8;
        Self { literals, offset, match_length }
    }
}

/// The bits of matches by the predefined tables.
#[derive(Debug)]
pub(super) struct Costs {
    offsets: [u8; MAX_SYMBOLS],
    matches: [u8; MAX_SYMBOLS],
}

impl Costs {
    pub(super) fn predefined() -> Self {
        let of = |coder: Coder, extra: &[u8; MAX_SYMBOLS]| {
            let mut bits = [0; MAX_SYMBOLS];
            for (symbol, bits) in bits.iter_mut().enumerate().take(coder.predefined.symbols) {
                *bits = coder.predefined.least_bits(symbol as u8) as u8 + extra[symbol];
            }
            bits
        };
        let offsets = of(Coder::new(&PREDEFINED_OFFSETS, 5), &OFFSET_BITS);
        Self { offsets, matches: of(Coder::new(&PREDEFINED_MATCHES, 6), &MATCH_BITS) }
    }

    /// The bits of a match of this length with an offset as it is coded.
    #[inline(always)]
    pub(super) fn bits(&self, offset: u32, length: u32) -> i64 {
        let codes = SequenceCodes::of(&Sequence { literals: 0, match_length: length.wrapping_sub(MIN_MATCH), offset });
        let offset = self.offsets[usize::from(codes.offset) & (MAX_SYMBOLS - 1)];
        i64::from(offset) + i64::from(self.matches[usize::from(codes.match_length) & (MAX_SYMBOLS - 1)])
    }
}

/// How the codes of a block's sequences are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Predefined = 0,
    OneSymbol = 1,
    New = 2,
    Repeat = 3,
}

/// One of the three kinds of codes, and the table that a decoder has of it.
#[derive(Debug)]
struct Coder {
    predefined: Table,
    last: Option<Box<Table>>,
    of_one: Table,
}

/// The table that a block is written with.
#[derive(Debug)]
struct Choice {
    mode: Mode,
    symbol: u8,
    new: Option<Box<Table>>,
}

impl Coder {
    fn new(norms: &[i16], log: u32) -> Self {
        let mut all = [0; MAX_SYMBOLS];
        all[..norms.len()].copy_from_slice(norms);
        let of_one = Table::of_one_symbol();
        let predefined = Table::of_norms(all, norms.len(), log).unwrap_or_else(|| of_one.clone());
        Self { predefined, last: None, of_one }
    }

    fn choose(&self, histogram: &Histogram) -> Choice {
        let symbol = histogram.symbols.saturating_sub(1) as u8;
        if histogram.most() == histogram.total {
            return Choice { mode: Mode::OneSymbol, symbol, new: None };
        }
        let log = table_log(histogram, WANTED_LOG, histogram.total.ilog2() + 1);
        let new = Table::of_histogram(histogram, log).map(Box::new);
        let new_size = new.as_ref().map_or(u32::MAX, |new| {
            let header = ((((new.symbols as u32 * new.log) >> 3) + 3) * 8).wrapping_add(new.estimate(histogram));
            header.wrapping_add(header.wrapping_add(2 * 8 * 16) >> 4)
        });
        let predefined_size = self.predefined.estimate(histogram);
        let last_size = self.last.as_ref().map_or(u32::MAX, |last| last.estimate(histogram));
        let mode = if predefined_size <= last_size && predefined_size <= new_size {
            Mode::Predefined
        } else if last_size <= new_size && self.last.is_some() {
            Mode::Repeat
        } else {
            Mode::New
        };
        Choice { mode, symbol, new: new.filter(|_| mode == Mode::New) }
    }

    fn table<'a>(&'a self, choice: &'a Choice) -> &'a Table {
        match choice.mode {
            Mode::Predefined => &self.predefined,
            Mode::OneSymbol => &self.of_one,
            Mode::Repeat => self.last.as_deref().unwrap_or(&self.predefined),
            Mode::New => choice.new.as_deref().unwrap_or(&self.predefined),
        }
    }

    fn keep(&mut self, choice: Choice) {
        match choice.mode {
            Mode::Predefined | Mode::OneSymbol => self.last = None,
            Mode::Repeat => {}
            Mode::New => self.last = choice.new,
        }
    }
}

/// Codes the sequences of blocks, and keeps their tables for the next one.
#[derive(Debug)]
pub(super) struct SequencesCoder {
    literals: Coder,
    offsets: Coder,
    matches: Coder,
    codes: Vec<SequenceCodes>,
    bits: BitWriter,
}

/// What a block leaves to those after it, if it is written in this way.
#[derive(Debug)]
pub(super) struct Chosen([Choice; 3]);

impl SequencesCoder {
    pub(super) fn new() -> Self {
        Self {
            literals: Coder::new(&PREDEFINED_LITERALS, 6),
            offsets: Coder::new(&PREDEFINED_OFFSETS, 5),
            matches: Coder::new(&PREDEFINED_MATCHES, 6),
            codes: Vec::new(),
            bits: BitWriter::default(),
        }
    }

    /// Appends the sequences of a block, of which there is at least one.
    pub(super) fn put(&mut self, sequences: &[Sequence], out: &mut Vec<u8>) -> Chosen {
        put_count(sequences.len(), out);
        let mut counts = [[0u32; MAX_SYMBOLS]; 3];
        self.codes.clear();
        self.codes.extend(sequences.iter().map(|sequence| {
            let codes = SequenceCodes::of(sequence);
            counts[0][usize::from(codes.literals) & (MAX_SYMBOLS - 1)] += 1;
            counts[1][usize::from(codes.offset) & (MAX_SYMBOLS - 1)] += 1;
            counts[2][usize::from(codes.match_length) & (MAX_SYMBOLS - 1)] += 1;
            codes
        }));
        let [literals, offsets, matches] = counts.map(Histogram::of);
        let choices = [self.literals.choose(&literals), self.offsets.choose(&offsets), self.matches.choose(&matches)];
        let [literals, offsets, matches] = &choices;
        out.push((literals.mode as u8) << 6 | (offsets.mode as u8) << 4 | (matches.mode as u8) << 2);
        for choice in &choices {
            match (choice.mode, &choice.new) {
                (Mode::OneSymbol, _) => out.push(choice.symbol),
                (_, Some(new)) => new.put(out),
                _ => {}
            }
        }
        let tables = [self.literals.table(literals), self.offsets.table(offsets), self.matches.table(matches)];
        self.bits.clear();
        put_codes(sequences, &self.codes, tables, &mut self.bits);
        out.extend_from_slice(self.bits.bytes());
        Chosen(choices)
    }

    /// A decoder has no tables of earlier blocks.
    pub(super) fn restart(&mut self) {
        (self.literals.last, self.offsets.last, self.matches.last) = (None, None, None);
    }

    /// A decoder has the tables of this block now.
    pub(super) fn keep(&mut self, chosen: Chosen) {
        let Chosen([literals, offsets, matches]) = chosen;
        self.literals.keep(literals);
        self.offsets.keep(offsets);
        self.matches.keep(matches);
    }
}

pub(crate) fn put_count(count: usize, out: &mut Vec<u8>) {
    const LONG: usize = 0x7f00;
    match count {
        0..128 => out.push(count as u8),
        128..LONG => out.extend_from_slice(&[128 + (count >> 8) as u8, count as u8]),
        _ => {
            let more = (count - LONG) as u16;
            out.push(255);
            out.extend_from_slice(&more.to_le_bytes());
        }
    }
}

/// Writes the codes and their extra bits, the last sequence first.
fn put_codes(sequences: &[Sequence], codes: &[SequenceCodes], tables: [&Table; 3], bits: &mut BitWriter) {
    let [literals, offsets, matches] = tables;
    let mut all = sequences.iter().zip(codes).rev();
    let Some((last, code)) = all.next() else { return };
    let mut literals_state = literals.first_state(code.literals);
    let mut offset_state = offsets.first_state(code.offset);
    let mut match_state = matches.first_state(code.match_length);
    put_extra_bits(last, *code, bits);
    for (sequence, code) in all {
        let (offset_bits, offset_next) = offsets.step(offset_state, code.offset);
        bits.put_low(u64::from(offset_state), offset_bits);
        let (match_bits, match_next) = matches.step(match_state, code.match_length);
        bits.put_low(u64::from(match_state), match_bits);
        let (literals_bits, literals_next) = literals.step(literals_state, code.literals);
        bits.put_low(u64::from(literals_state), literals_bits);
        (offset_state, match_state, literals_state) = (offset_next, match_next, literals_next);
        bits.flush();
        put_extra_bits(sequence, *code, bits);
    }
    bits.put_low(u64::from(match_state), matches.log);
    bits.put_low(u64::from(offset_state), offsets.log);
    bits.put_low(u64::from(literals_state), literals.log);
    bits.close();
}

#[inline(always)]
fn put_extra_bits(sequence: &Sequence, codes: SequenceCodes, bits: &mut BitWriter) {
    let extra = |table: &[u8; MAX_SYMBOLS], code: u8| u32::from(table[usize::from(code) & (MAX_SYMBOLS - 1)]);
    bits.put_low(u64::from(sequence.literals), extra(&LITERALS_BITS, codes.literals));
    bits.put_low(u64::from(sequence.match_length), extra(&MATCH_BITS, codes.match_length));
    bits.flush();
    bits.put_low(u64::from(sequence.offset), extra(&OFFSET_BITS, codes.offset));
    bits.flush();
}

/// Writes the codes of sequences with these tables, if they have all of them.
pub(crate) fn put_sequences(sequences: &[Sequence], tables: [&Table; 3], bits: &mut BitWriter) -> Option<()> {
    let codes: Vec<SequenceCodes> = sequences.iter().map(SequenceCodes::of).collect();
    let has = |table: &Table, symbol: u8| table.has(symbol);
    let [literals, offsets, matches] = tables;
    let has_all = |codes: &SequenceCodes| {
        has(literals, codes.literals) && has(offsets, codes.offset) && has(matches, codes.match_length)
    };
    if !codes.iter().all(has_all) {
        return None;
    }
    bits.clear();
    put_codes(sequences, &codes, tables, bits);
    Some(())
}

/// The predefined tables of literals, offsets and lengths of matches, and their accuracy.
pub(crate) const PREDEFINED: [(&[i16], u32); 3] =
    [(&PREDEFINED_LITERALS, 6), (&PREDEFINED_OFFSETS, 5), (&PREDEFINED_MATCHES, 6)];

/// The tables that each decoder has from the beginning (RFC 8878, 3.1.1.3.2.2).
const PREDEFINED_LITERALS: [i16; 36] =
    [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1];
const PREDEFINED_OFFSETS: [i16; 29] =
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];
const PREDEFINED_MATCHES: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];
