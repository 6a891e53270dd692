//! The header of a dynamic block as it is coded, bit by bit as it comes. RFC 1951, section 3.2.7.

use super::structure::{Header, LengthStep};
use super::tables::{
    CODE_LENGTH_ORDER, CODE_LENGTH_SYMBOLS, DISTANCE_SYMBOLS, END_OF_BLOCK, FEW_ZEROS, FIRST_LENGTH, LITERAL_SYMBOLS,
    MANY_ZEROS, MAX_CODE_LENGTH_BITS, REPEAT, repetition,
};
use crate::DeflateError;
use crate::format::bit_reader::BitReader;
use crate::format::codes::{Kind, Table};

/// A header that is being read.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeaderReader {
    header: Header,
    own_read: usize,
    /// How many lengths there are to be.
    lengths: usize,
    table: Option<Table>,
}

impl HeaderReader {
    /// Reads on; the header when it is whole, `None` where more bits are needed.
    pub(crate) fn read(&mut self, bits: &mut BitReader<'_>) -> Result<Option<Header>, DeflateError> {
        if self.header.literals == 0 {
            let Some(counts) = bits.take(14) else { return Ok(None) };
            self.header.literals = (counts & 31) as usize + FIRST_LENGTH;
            let distances = (counts >> 5 & 31) as usize + 1;
            self.header.own_coded = (counts >> 10) as usize + 4;
            self.lengths = self.header.literals + distances;
            if self.header.literals > LITERAL_SYMBOLS || distances > DISTANCE_SYMBOLS {
                return Err(DeflateError::Damaged);
            }
        }
        while self.own_read < self.header.own_coded {
            let Some(length) = bits.take(3) else { return Ok(None) };
            self.header.own[self.own_read] = length as u8;
            self.own_read += 1;
        }
        let table = match self.table.take() {
            Some(table) => table,
            None => Table::of_code_lengths(&by_symbol(&self.header.own))?,
        };
        let is_whole = self.read_lengths(&table, bits)?;
        self.table = Some(table);
        if !is_whole {
            return Ok(None);
        }
        // Without an end no block ends.
        if self.header.lengths[END_OF_BLOCK] == 0 {
            return Err(DeflateError::Damaged);
        }
        Ok(Some(std::mem::take(&mut self.header)))
    }

    fn read_lengths(&mut self, table: &Table, bits: &mut BitReader<'_>) -> Result<bool, DeflateError> {
        while self.header.lengths.len() < self.lengths {
            bits.fill();
            let entry = table.first(bits.held());
            if entry.kind == Kind::None {
                return if bits.count() < MAX_CODE_LENGTH_BITS as u32 { Ok(false) } else { Err(DeflateError::Damaged) };
            }
            let symbol = entry.value as u8;
            let (extra, base) = repetition(symbol);
            if entry.bits() + extra > bits.count() {
                return Ok(false);
            }
            bits.drop(entry.bits());
            let times = base + bits.take(extra).unwrap_or(0) as u8;
            self.header.push(LengthStep { symbol, times }).ok_or(DeflateError::Damaged)?;
            if self.header.lengths.len() > self.lengths {
                return Err(DeflateError::Damaged);
            }
        }
        Ok(true)
    }
}

impl Header {
    /// Adds the lengths of a step; `None` if it repeats what is not there.
    pub(crate) fn push(&mut self, step: LengthStep) -> Option<()> {
        let length = match step.symbol {
            REPEAT => *self.lengths.last()?,
            FEW_ZEROS | MANY_ZEROS => 0,
            length => length,
        };
        self.lengths.resize(self.lengths.len() + usize::from(step.times), length);
        self.steps.push(step);
        Some(())
    }
}

/// Lengths in the order in which they are coded, by symbol.
pub(crate) fn by_symbol(own: &[u8; CODE_LENGTH_SYMBOLS]) -> [u8; CODE_LENGTH_SYMBOLS] {
    let mut lengths = [0; CODE_LENGTH_SYMBOLS];
    CODE_LENGTH_ORDER.iter().zip(own).for_each(|(&symbol, &length)| lengths[symbol] = length);
    lengths
}
