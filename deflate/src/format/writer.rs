//! The way back: exactly the bits of a stream from its parts.

use super::header_reader::by_symbol;
use super::structure::{Block, Header, Kind, Token};
use super::symbols::Symbol;
use super::tables::{END_OF_BLOCK, FIXED_DISTANCE_BITS, FIXED_LITERAL_BITS, MAX_CODE_BITS, repetition};
use crate::DeflateError;
use crate::format::codes::Table;

/// Writes parts as bits. What cannot be written is [`DeflateError::Corrections`].
pub(crate) struct Writer {
    held: u64,
    count: u32,
    literals: Vec<Code>,
    distances: Vec<Code>,
}

/// Bits, the first one lowest, and how many; 0 for no code.
type Code = (u16, u8);

impl Writer {
    pub(crate) fn new() -> Self {
        Self { held: 0, count: 0, literals: Vec::new(), distances: Vec::new() }
    }

    /// At most 32 bits.
    #[inline]
    fn put(&mut self, bits: u64, count: u32, out: &mut Vec<u8>) {
        self.held |= bits << self.count;
        self.count += count;
        if self.count >= 32 {
            out.extend_from_slice(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.count -= 32;
        }
    }

    fn put_code(&mut self, code: Option<&Code>, out: &mut Vec<u8>) -> Result<(), DeflateError> {
        match code {
            Some(&(bits, count)) if count > 0 => self.put(bits.into(), count.into(), out),
            _ => return Err(DeflateError::Corrections),
        }
        Ok(())
    }

    /// A block's beginning.
    pub(crate) fn block(&mut self, block: &Block, out: &mut Vec<u8>) -> Result<(), DeflateError> {
        let kind = match block.kind {
            Kind::Stored { .. } => 0,
            Kind::Fixed => 1,
            Kind::Dynamic(_) => 2,
        };
        self.put(u64::from(block.is_last) | kind << 1, 3, out);
        match &block.kind {
            &Kind::Stored { padding, len } => {
                self.pad(padding, out);
                self.put(len.into(), 16, out);
                self.put((!len).into(), 16, out);
            }
            Kind::Fixed => {
                (self.literals, self.distances) = (codes(&FIXED_LITERAL_BITS), codes(&FIXED_DISTANCE_BITS));
            }
            Kind::Dynamic(header) => self.header(header, out)?,
        }
        Ok(())
    }

    fn header(&mut self, header: &Header, out: &mut Vec<u8>) -> Result<(), DeflateError> {
        let own = by_symbol(&header.own);
        let is_sound = Table::of_code_lengths(&own).is_ok()
            && Table::of_literals(header.of_literals()).is_ok()
            && Table::of_distances(header.of_distances()).is_ok();
        if !is_sound {
            return Err(DeflateError::Corrections);
        }
        let own = codes(&own);
        self.put(header.literals as u64 - 257, 5, out);
        self.put(header.of_distances().len() as u64 - 1, 5, out);
        self.put(header.own_coded as u64 - 4, 4, out);
        for &length in header.own.iter().take(header.own_coded) {
            self.put(length.into(), 3, out);
        }
        for step in &header.steps {
            self.put_code(own.get(usize::from(step.symbol)), out)?;
            let (extra, base) = repetition(step.symbol);
            self.put(step.times.saturating_sub(base).into(), extra, out);
        }
        self.literals = codes(header.of_literals());
        self.distances = codes(header.of_distances());
        Ok(())
    }

    pub(crate) fn token(&mut self, token: Token, out: &mut Vec<u8>) -> Result<(), DeflateError> {
        let Some((length, distance)) = token.as_match() else {
            let code = token.as_literal().and_then(|byte| self.literals.get(usize::from(byte)).copied());
            return self.put_code(code.as_ref(), out);
        };
        let symbol = Symbol::of_length(length);
        let code = self.literals.get(symbol.number).copied();
        self.put_code(code.as_ref(), out)?;
        self.put((token.plain_bytes() - symbol.base).into(), symbol.extra.into(), out);
        let symbol = Symbol::of_distance(distance);
        let code = self.distances.get(symbol.number).copied();
        self.put_code(code.as_ref(), out)?;
        self.put((distance - symbol.base).into(), symbol.extra.into(), out);
        Ok(())
    }

    /// Bytes of a stored block.
    pub(crate) fn stored(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        // They begin at a whole byte.
        out.extend_from_slice(bytes);
    }

    /// The end of a block with codes.
    pub(crate) fn end_of_block(&mut self, out: &mut Vec<u8>) -> Result<(), DeflateError> {
        let code = self.literals.get(END_OF_BLOCK).copied();
        self.put_code(code.as_ref(), out)
    }

    /// The rest of the last byte.
    pub(crate) fn pad(&mut self, padding: u8, out: &mut Vec<u8>) {
        let count = (8 - self.count % 8) % 8;
        self.put(u64::from(padding) & ((1 << count) - 1), count, out);
        let bytes = (self.count / 8) as usize;
        out.extend_from_slice(&self.held.to_le_bytes()[..bytes]);
        (self.held, self.count) = (0, 0);
    }
}

/// Codes by their lengths, which are sound.
fn codes(lengths: &[u8]) -> Vec<Code> {
    let mut counts = [0u32; MAX_CODE_BITS + 1];
    lengths.iter().filter(|&&bits| bits > 0).for_each(|&bits| counts[usize::from(bits)] += 1);
    let mut next = [0u32; MAX_CODE_BITS + 2];
    for bits in 1..=MAX_CODE_BITS {
        next[bits + 1] = (next[bits] + counts[bits]) << 1;
    }
    let code = |&bits: &u8| {
        let code = next[usize::from(bits)];
        next[usize::from(bits)] += 1;
        if bits == 0 { (0, 0) } else { ((code.reverse_bits() >> (32 - u32::from(bits))) as u16, bits) }
    };
    lengths.iter().map(code).collect()
}
