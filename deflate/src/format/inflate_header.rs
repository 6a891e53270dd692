//! The header of a dynamic block, bit by bit as it comes. RFC 1951, section 3.2.7.

use super::codes::{Kind, Table};
use super::tables::{
    CODE_LENGTH_ORDER as ORDER, DISTANCE_SYMBOLS as MAX_DISTANCES, LITERAL_SYMBOLS as MAX_LITERALS, repetition,
};
use crate::DeflateError;
use crate::inflate::inflater::Bits;

/// A header that is being read.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    literals: usize,
    distances: usize,
    code_lengths: usize,
    own: [u8; 19],
    own_read: usize,
    table: Option<Table>,
    lengths: Vec<u8>,
}

impl Header {
    pub(crate) fn new() -> Self {
        let (literals, lengths) = (0, Vec::with_capacity(MAX_LITERALS + MAX_DISTANCES));
        Self { literals, distances: 0, code_lengths: 0, own: [0; 19], own_read: 0, table: None, lengths }
    }

    /// Reads on; the lengths of both codes when it is whole, `None` where more bits are needed.
    pub(crate) fn read(&mut self, bits: &mut Bits<'_>) -> Result<Option<(Vec<u8>, usize)>, DeflateError> {
        if self.literals == 0 {
            let Some(counts) = bits.take(14) else { return Ok(None) };
            self.literals = (counts & 31) as usize + 257;
            self.distances = (counts >> 5 & 31) as usize + 1;
            self.code_lengths = (counts >> 10) as usize + 4;
            if self.literals > MAX_LITERALS || self.distances > MAX_DISTANCES {
                return Err(DeflateError::Damaged);
            }
        }
        while self.own_read < self.code_lengths {
            let Some(length) = bits.take(3) else { return Ok(None) };
            self.own[ORDER[self.own_read]] = length as u8;
            self.own_read += 1;
        }
        let table = match self.table.take() {
            Some(table) => table,
            None => Table::of_code_lengths(&self.own)?,
        };
        let read = self.read_lengths(&table, bits);
        self.table = Some(table);
        if !read? {
            return Ok(None);
        }
        // Without an end no block ends.
        if self.lengths[256] == 0 {
            return Err(DeflateError::Damaged);
        }
        Ok(Some((std::mem::take(&mut self.lengths), self.literals)))
    }

    fn read_lengths(&mut self, table: &Table, bits: &mut Bits<'_>) -> Result<bool, DeflateError> {
        let count = self.literals + self.distances;
        while self.lengths.len() < count {
            bits.fill();
            let entry = table.first(bits.held());
            if entry.bits() > bits.count() || (entry.kind == Kind::None && bits.count() < 7) {
                return Ok(false);
            }
            if entry.kind == Kind::None {
                return Err(DeflateError::Damaged);
            }
            let (extra, base) = repetition(entry.value as u8);
            if entry.bits() + extra > bits.count() {
                return Ok(false);
            }
            bits.drop(entry.bits());
            let times = usize::from(base) + bits.take(extra).unwrap_or(0) as usize;
            let length = match entry.value {
                16 => *self.lengths.last().ok_or(DeflateError::Damaged)?,
                17 | 18 => 0,
                length => length as u8,
            };
            if self.lengths.len() + times > count {
                return Err(DeflateError::Damaged);
            }
            self.lengths.resize(self.lengths.len() + times, length);
        }
        Ok(true)
    }
}
