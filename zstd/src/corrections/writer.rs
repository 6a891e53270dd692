//! Compressed blocks, written again from their form, matches and literals.

use crate::anatomy::{LiteralsKind, Mode, Norms, Recent, SEQUENCE_LIMITS, Shape, Token, read_code_lengths};
use crate::format::{BLOCK_HEADER_BYTES, BlockKind, MAX_BLOCK_BYTES};
use crate::klauspost::{BitWriter, Codes, MIN_MATCH, PREDEFINED, Sequence, Table, put_count, put_sequences};

/// Writes blocks, and keeps the tables that they leave to those after them.
#[derive(Debug)]
pub(super) struct BlockWriter {
    codes: Option<Box<Codes>>,
    /// The tables of literals, offsets and lengths of matches.
    tables: [Option<Box<Table>>; 3],
    bits: BitWriter,
}

/// What a block holds.
pub(super) struct Content<'a> {
    pub(super) plain: &'a [u8],
    /// The place of the first plain byte.
    pub(super) start: u64,
    pub(super) tokens: &'a [Token],
}

impl BlockWriter {
    pub(super) fn new() -> Self {
        Self { codes: None, tables: [None, None, None], bits: BitWriter::default() }
    }

    /// Appends a compressed block; `None` if it cannot have this form, or if it is not smaller than what it holds.
    pub(super) fn put(&mut self, shape: &Shape, content: &Content<'_>, is_last: bool, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.extend_from_slice(&[0; BLOCK_HEADER_BYTES]);
        let (literals, sequences) = content.divided()?;
        self.put_literals(shape, &literals, out)?;
        put_count(sequences.len(), out);
        if !sequences.is_empty() {
            out.push(shape.modes);
            for (kind, mode) in shape.modes().into_iter().enumerate() {
                self.take_table(kind, mode, &shape.tables[kind])?;
                out.extend_from_slice(&shape.tables[kind]);
            }
            let [Some(literals), Some(offsets), Some(matches)] = &self.tables else { return None };
            put_sequences(&sequences, [literals, offsets, matches], &mut self.bits)?;
            out.extend_from_slice(self.bits.bytes());
        }
        let bytes = out.len() - start - BLOCK_HEADER_BYTES;
        if bytes >= content.plain.len() {
            return None;
        }
        let header = header(BlockKind::Compressed, bytes, is_last)?;
        out[start..start + BLOCK_HEADER_BYTES].copy_from_slice(&header);
        Some(())
    }

    fn take_table(&mut self, kind: usize, mode: Mode, bytes: &[u8]) -> Option<()> {
        let table = match mode {
            Mode::Repeat => return self.tables[kind].is_some().then_some(()),
            Mode::OneSymbol => Some(Table::of_one_symbol()).filter(|_| bytes.len() == 1),
            Mode::Predefined => {
                let (shares, log) = PREDEFINED[kind];
                let mut all = [0; 64];
                all[..shares.len()].copy_from_slice(shares);
                Table::of_norms(all, shares.len(), log)
            }
            Mode::New => {
                let (max_log, max_symbols) = SEQUENCE_LIMITS[kind];
                let (norms, taken) = Norms::read(bytes, max_log, max_symbols)?;
                Table::of_norms(norms.shares, norms.symbols, norms.log).filter(|_| taken == bytes.len())
            }
        };
        self.tables[kind] = Some(Box::new(table?));
        Some(())
    }

    fn put_literals(&mut self, shape: &Shape, literals: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let (kind, number) = (shape.literals as u64, literals.len() as u64);
        if matches!(shape.literals, LiteralsKind::Raw | LiteralsKind::OneByte) {
            let (format, shift) = [(0, 3), (1, 4), (3, 4)][usize::from(shape.format.checked_sub(1)?).min(2)];
            let header = kind | format << 2 | number << shift;
            put_header(header, usize::from(shape.format), out)?;
            let is_raw = shape.literals == LiteralsKind::Raw;
            out.extend_from_slice(if is_raw { literals } else { literals.get(..1)? });
            return Some(());
        }
        if shape.literals == LiteralsKind::Compressed {
            let (lengths, taken) = read_code_lengths(&shape.codes)?;
            self.codes = Some(Box::new(Codes::of_lengths(&lengths))).filter(|_| taken == shape.codes.len());
        }
        let (bytes, width) = [(3, 10), (3, 10), (4, 14), (5, 18)][usize::from(shape.format & 3)];
        let start = out.len();
        out.resize(start + bytes, 0);
        out.extend_from_slice(&shape.codes);
        self.put_streams(shape.format > 0, literals, out)?;
        let size = (out.len() - start - bytes) as u64;
        let fits = number >> width == 0 && size >> width == 0;
        let header = kind | u64::from(shape.format) << 2 | number << 4 | size << (4 + width);
        out[start..start + bytes].copy_from_slice(&header.to_le_bytes()[..bytes]);
        fits.then_some(())
    }

    /// Writes literals as one stream, or as four behind a table of the first three's sizes.
    fn put_streams(&mut self, are_four: bool, literals: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let codes = self.codes.as_ref().filter(|codes| !literals.is_empty() && codes.have(literals))?;
        let mut put = |part: &[u8], out: &mut Vec<u8>| {
            self.bits.clear();
            codes.put_stream(part, &mut self.bits);
            out.extend_from_slice(self.bits.bytes());
            self.bits.len()
        };
        if !are_four {
            put(literals, out);
            return Some(());
        }
        let (table, part) = (out.len(), literals.len().div_ceil(4));
        out.extend_from_slice(&[0; 6]);
        for number in 0..4 {
            let end = if number < 3 { (number + 1) * part } else { literals.len() };
            let size = u16::try_from(put(literals.get(number * part..end)?, out)).ok()?;
            if number < 3 {
                out[table + 2 * number..][..2].copy_from_slice(&size.to_le_bytes());
            }
        }
        Some(())
    }
}

impl Content<'_> {
    /// The literals, and the sequences that stand between them.
    fn divided(&self) -> Option<(Vec<u8>, Vec<Sequence>)> {
        let (mut literals, mut sequences) = (Vec::new(), Vec::with_capacity(self.tokens.len()));
        let mut at = 0;
        for token in self.tokens {
            let place = usize::try_from(token.place.checked_sub(self.start)?).ok()?;
            let skipped = self.plain.get(at..place)?;
            literals.extend_from_slice(skipped);
            let offset = if token.repeat > 0 { u32::from(token.repeat) } else { token.distance.checked_add(3)? };
            let match_length = token.length.checked_sub(MIN_MATCH)?;
            sequences.push(Sequence { literals: skipped.len() as u32, match_length, offset });
            at = place + token.length as usize;
        }
        literals.extend_from_slice(self.plain.get(at..)?);
        Some((literals, sequences))
    }
}

/// Appends a block that is not compressed: all of its bytes, or one that is repeated.
pub(super) fn put_plain(kind: BlockKind, plain: &[u8], is_last: bool, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&header(kind, plain.len(), is_last)?);
    let is_raw = kind == BlockKind::Raw;
    out.extend_from_slice(if is_raw { plain } else { plain.get(..1)? });
    Some(())
}

fn header(kind: BlockKind, bytes: usize, is_last: bool) -> Option<[u8; BLOCK_HEADER_BYTES]> {
    let [a, b, c, _] = ((bytes as u32) << 3 | (kind as u32) << 1 | u32::from(is_last)).to_le_bytes();
    (bytes <= MAX_BLOCK_BYTES).then_some([a, b, c])
}

fn put_header(header: u64, bytes: usize, out: &mut Vec<u8>) -> Option<()> {
    let taken = header.to_le_bytes();
    out.extend_from_slice(taken.get(..bytes)?);
    taken.get(bytes..)?.iter().all(|byte| *byte == 0).then_some(())
}

/// The number that stands for a distance which is predicted as a recent one or not: of the recent distances the first
/// that is the same, or 0.
pub(super) fn predicted_repeat(token: &Token, has_literals: bool, recent: &Recent) -> u8 {
    if token.repeat == 0 { 0 } else { recent.repeat_of(token.distance, has_literals).unwrap_or_default() }
}
