//! The header of a dynamic block as it is coded, bit by bit as it comes. RFC 1951, section 3.2.7.

use super::dynamic_header::{DynamicHeader, LengthStep};
use super::tables::{DISTANCE_SYMBOLS, FIRST_LENGTH, LITERAL_SYMBOLS, MAX_CODE_LENGTH_BITS, repetition};
use crate::DeflateError;
use crate::format::bit_reader::BitReader;
use crate::format::decode_table::{DecodeTable, EntryKind};

/// The most bits of a code length: its code, and the extra bits of a repetition.
const MAX_STEP_BITS: u32 = (MAX_CODE_LENGTH_BITS + 7) as u32;
/// The most lengths that one code of code lengths stands for.
const MAX_REPEATED: usize = 138;

/// A header that is being read.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeaderReader {
    header: DynamicHeader,
    own_read: usize,
    /// The number of lengths that the header announces.
    lengths: usize,
    table: Option<DecodeTable>,
}

impl HeaderReader {
    /// Reads on; the header when it is whole, `None` where more bits are needed.
    pub(crate) fn read(&mut self, bits: &mut BitReader<'_>) -> Result<Option<DynamicHeader>, DeflateError> {
        if self.header.literals == 0 {
            let Some(counts) = bits.take(14) else { return Ok(None) };
            self.header.literals = (counts & 31) as usize + FIRST_LENGTH;
            let distances = (counts >> 5 & 31) as usize + 1;
            self.header.own_coded = (counts >> 10) as usize + 4;
            self.lengths = self.header.literals + distances;
            self.header.lengths.reserve_exact(self.lengths + MAX_REPEATED);
            self.header.steps.reserve_exact(self.lengths);
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
            None if self.header.own.iter().all(|&bits| bits == 0) => DecodeTable::of_no_code_lengths(),
            None => DecodeTable::of_code_lengths(&self.header.own_by_symbol())?,
        };
        let is_whole = self.read_lengths(&table, bits)?;
        self.table = Some(table);
        if !is_whole {
            return Ok(None);
        }
        if !self.header.has_end() {
            return Err(DeflateError::Damaged);
        }
        Ok(Some(std::mem::take(&mut self.header)))
    }

    fn read_lengths(&mut self, table: &DecodeTable, bits: &mut BitReader<'_>) -> Result<bool, DeflateError> {
        while self.header.lengths.len() < self.lengths {
            if bits.count() < MAX_STEP_BITS {
                bits.fill();
            }
            let entry = table.first(bits.held());
            let symbol = entry.value as u8;
            let (extra, base) = repetition(symbol);
            let (code_bits, held) = (entry.bits(), bits.held());
            if code_bits + extra > bits.count() {
                return Ok(false);
            }
            if entry.kind == EntryKind::None {
                return Err(DeflateError::Damaged);
            }
            bits.drop(code_bits + extra);
            let times = base + (held >> code_bits & ((1 << extra) - 1)) as u8;
            self.header.push(LengthStep { symbol, times }).ok_or(DeflateError::Damaged)?;
        }
        if self.header.lengths.len() > self.lengths {
            return Err(DeflateError::Damaged);
        }
        Ok(true)
    }
}
