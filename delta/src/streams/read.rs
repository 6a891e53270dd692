//! Reading: blocks become the target.

use std::io::Read;

use super::block::{self, Cursor};
use super::packer::Unpacker;
use super::{COPY_LENS, DIFFERENCES, GAPS, LITERAL_LENS, LITERALS, PLACES, STREAMS};
use crate::alignments::{Alignments, KNOWN};
use crate::base::Base;
use crate::error::DeltaError;
use crate::number::unzigzag;
use crate::pieces::Pieces;

/// A reader of blocks.
struct Reader<'b, 's, B: Base + ?Sized> {
    base: &'b B,
    base_len: u64,
    cursors: [Cursor; STREAMS],
    alignments: Alignments,
    pieces: Pieces<'s>,
    target_bytes: u64,
    /// The number of unchanged bytes before the next change, if there is one in this block.
    gap: Option<u64>,
}

/// Makes the target from blocks.
pub(crate) fn decode<B: Base + ?Sized>(
    base: &B,
    mut input: impl Read,
    target_bytes: u64,
    pieces: Pieces<'_>,
) -> Result<(), DeltaError> {
    let unpackers: Result<Vec<_>, _> = (0..STREAMS).map(Unpacker::new).collect();
    // Invariant: there is one for each stream.
    let mut unpackers = unpackers?.try_into().ok().expect("an unpacker for each stream");
    let (cursors, alignments) = (Default::default(), Alignments::default());
    let mut reader = Reader { base, base_len: base.len(), cursors, alignments, pieces, target_bytes, gap: None };
    while reader.pieces.target_at() < target_bytes {
        let ops = block::read(&mut input, &mut unpackers, &mut reader.cursors)?;
        reader.block(ops)?;
    }
    reader.pieces.finish()?;
    block::end(&mut input)
}

impl<B: Base + ?Sized> Reader<'_, '_, B> {
    fn block(&mut self, ops: u64) -> Result<(), DeltaError> {
        if ops == 0 {
            return Err(DeltaError::Damaged("a block without ops"));
        }
        self.next_gap()?;
        for _ in 0..ops {
            self.op()?;
        }
        if self.cursors.iter().all(Cursor::is_empty) && self.gap.is_none() {
            Ok(())
        } else {
            Err(DeltaError::Damaged("a block's streams are longer than its ops"))
        }
    }

    fn next_gap(&mut self) -> Result<(), DeltaError> {
        let gaps = &mut self.cursors[GAPS];
        self.gap = if gaps.is_empty() { None } else { Some(gaps.number()?) };
        Ok(())
    }

    fn op(&mut self) -> Result<(), DeltaError> {
        let literal = self.cursors[LITERAL_LENS].number()?;
        let len = self.cursors[COPY_LENS].number()?;
        let rest = self.target_bytes - self.pieces.target_at();
        if literal > rest || len > rest - literal {
            return Err(DeltaError::Damaged("an op goes beyond the target's end"));
        }
        if literal == 0 && len == 0 {
            return Err(DeltaError::Damaged("an empty op"));
        }
        self.pieces.push(self.cursors[LITERALS].take(literal)?)?;
        if len == 0 {
            return Ok(());
        }
        let target_at = self.pieces.target_at();
        let way = self.cursors[PLACES].number()?;
        let place = if way < KNOWN {
            self.alignments.place(way, target_at)
        } else {
            self.alignments.base_at.wrapping_add(unzigzag(way - KNOWN) as u64)
        };
        if place >= self.base_len || len > self.base_len - place {
            return Err(DeltaError::Damaged("a copy goes beyond the base"));
        }
        self.alignments.begin(place, target_at);
        self.alignments.base_at = place + len;
        self.copy(place, len)
    }

    fn copy(&mut self, place: u64, len: u64) -> Result<(), DeltaError> {
        let mut done = 0;
        while done < len {
            let unchanged = self.gap.unwrap_or(u64::MAX).min(len - done);
            if self.pieces.tell_copy(place + done, unchanged)? {
                self.gap = self.gap.map(|gap| gap - unchanged);
                done += unchanged;
                continue;
            }
            let piece = self.pieces.room(len - done)?;
            self.base.read_at(place + done, piece).map_err(DeltaError::Base)?;
            done += piece.len() as u64;
            let mut at = 0;
            while let Some(gap) = self.gap {
                let left = (piece.len() - at) as u64;
                if gap >= left {
                    self.gap = Some(gap - left);
                    break;
                }
                at += gap as usize;
                piece[at] = piece[at].wrapping_add(self.cursors[DIFFERENCES].byte()?);
                at += 1;
                let gaps = &mut self.cursors[GAPS];
                self.gap = if gaps.is_empty() { None } else { Some(gaps.number()?) };
            }
        }
        Ok(())
    }
}
