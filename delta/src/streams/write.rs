//! Writing: ops become blocks.

use super::block::put_number;
use super::meter::StreamMeter;
use super::packer::Packer;
use super::{
    CHANGES_MAX, COPY_LENS, DIFFERENCES, GAPS, LITERAL_LENS, LITERALS, PIECE_MAX, PLACES, STREAM_FULL, STREAMS,
};
use crate::alignments::{Alignments, KNOWN};
use crate::base::{Base, Window, byte_at};
use crate::error::DeltaError;
use crate::meter::Shares;
use crate::number::zigzag;
use crate::op::{Change, Op};

/// A writer of blocks.
pub(crate) struct Writer<'b, B: Base + ?Sized> {
    window: Window<'b, B>,
    target_bytes: u64,
    packers: [Packer; STREAMS],
    meter: Option<Box<StreamMeter>>,
    level: u8,
    streams: [Vec<u8>; STREAMS],
    ops: u64,
    /// The number of copied bytes since the last change, or since the block began.
    gap: u64,
    alignments: Alignments,
    target_at: u64,
    /// The plain and compressed sizes of the blocks so far.
    plain: u64,
    packed: u64,
}

impl<'b, B: Base + ?Sized> Writer<'b, B> {
    pub(crate) fn new(base: &'b B, target_bytes: u64, level: u8) -> Result<Self, DeltaError> {
        Ok(Self {
            window: Window::new(base),
            target_bytes,
            packers: Packer::for_all(level)?,
            meter: None,
            level,
            streams: Default::default(),
            ops: 0,
            gap: 0,
            alignments: Alignments::default(),
            target_at: 0,
            plain: 0,
            packed: 0,
        })
    }

    /// Counts the costs of the target's parts from now on. They end at these offsets.
    pub(crate) fn meter(&mut self, ends: Vec<u64>) -> Result<(), DeltaError> {
        self.meter = Some(Box::new(StreamMeter::new(ends, self.level)?));
        Ok(())
    }

    /// The costs, if they were counted.
    pub(crate) fn into_shares(self) -> Option<Shares> {
        self.meter.map(|meter| meter.shares)
    }

    /// The number of target bytes so far.
    pub(crate) fn target_at(&self) -> u64 {
        self.target_at
    }

    /// The approximate compressed size of the unfinished block.
    pub(crate) fn pending(&self) -> u64 {
        let pending: usize = self.streams.iter().map(Vec::len).sum();
        let (packed, plain) = if self.plain == 0 { (1, 2) } else { (self.packed, self.plain) };
        (pending as u128 * u128::from(packed) / u128::from(plain)) as u64
    }

    /// Takes in an op, and appends finished blocks to `out`.
    pub(crate) fn push(&mut self, op: &Op, out: &mut Vec<u8>) -> Result<(), DeltaError> {
        if op.target_bytes() > self.target_bytes - self.target_at {
            return Err(DeltaError::Damaged("an op goes beyond the target's end"));
        }
        let mut literal = op.literal.as_slice();
        while literal.len() > PIECE_MAX {
            let (piece, rest) = literal.split_at(PIECE_MAX);
            self.part(piece, op.base_at, 0, 0, &[], out)?;
            literal = rest;
        }
        let (mut changes, mut from) = (op.changes.as_slice(), 0);
        loop {
            let cut = changes.get(CHANGES_MAX).map_or(op.len, |change| change.at);
            let (now, later) = changes.split_at(changes.len().min(CHANGES_MAX));
            self.part(literal, op.base_at + from, from, cut - from, now, out)?;
            (changes, literal, from) = (later, &[], cut);
            if from >= op.len {
                return Ok(());
            }
        }
    }

    /// Writes a part of an op. The changes' places count from `shift` on.
    fn part(
        &mut self,
        literal: &[u8],
        base_at: u64,
        shift: u64,
        len: u64,
        changes: &[Change],
        out: &mut Vec<u8>,
    ) -> Result<(), DeltaError> {
        if literal.is_empty() && len == 0 {
            return Ok(());
        }
        put_number(&mut self.streams[LITERAL_LENS], literal.len() as u64);
        self.streams[LITERALS].extend_from_slice(literal);
        if let Some(meter) = &mut self.meter {
            meter.note_literals(LITERALS, self.target_at, literal.len());
        }
        self.note(&[LITERAL_LENS], self.target_at);
        self.target_at += literal.len() as u64;
        put_number(&mut self.streams[COPY_LENS], len);
        if len > 0 {
            let way = self.alignments.way(base_at, self.target_at);
            let distance = base_at.wrapping_sub(self.alignments.base_at) as i64;
            put_number(&mut self.streams[PLACES], if way < KNOWN { way } else { KNOWN + zigzag(distance) });
            self.note(&[COPY_LENS, PLACES], self.target_at);
            self.alignments.begin(base_at, self.target_at);
            self.changes(base_at, shift, len, changes)?;
            self.alignments.base_at = base_at + len;
            self.target_at += len;
        }
        self.note(&[COPY_LENS], self.target_at);
        self.ops += 1;
        if self.streams.iter().any(|stream| stream.len() >= STREAM_FULL) { self.block(out) } else { Ok(()) }
    }

    fn changes(&mut self, base_at: u64, shift: u64, len: u64, changes: &[Change]) -> Result<(), DeltaError> {
        let mut from = 0;
        for change in changes {
            let at = change.at.checked_sub(shift).filter(|&at| at >= from && at < len);
            let at = at.ok_or(DeltaError::Damaged("changes of a copy out of order"))?;
            put_number(&mut self.streams[GAPS], self.gap + at - from);
            let around = self.window.around(base_at + at).map_err(DeltaError::Base)?;
            self.streams[DIFFERENCES].push(change.byte.wrapping_sub(byte_at(around, 0)));
            (self.gap, from) = (0, at + 1);
            self.note(&[GAPS, DIFFERENCES], self.target_at + at);
        }
        self.gap += len - from;
        Ok(())
    }

    /// Notes for which byte of the target the last bytes of these streams are.
    #[inline]
    fn note(&mut self, streams: &[usize], target_at: u64) {
        if let Some(meter) = &mut self.meter {
            streams.iter().for_each(|&stream| meter.note(stream, target_at, self.streams[stream].len()));
        }
    }

    /// Finishes the block, if there is one.
    pub(crate) fn block(&mut self, out: &mut Vec<u8>) -> Result<(), DeltaError> {
        if self.ops == 0 {
            return Ok(());
        }
        let start = out.len();
        put_number(out, self.ops);
        let mut packed = Vec::new();
        for (number, (packer, stream)) in self.packers.iter_mut().zip(&mut self.streams).enumerate() {
            let before = packed.len();
            packer.pack(stream, &mut packed)?;
            if let Some(meter) = &mut self.meter {
                meter.block(number, stream, packed.len() - before)?;
            }
            put_number(out, stream.len() as u64);
            put_number(out, (packed.len() - before) as u64);
            self.plain += stream.len() as u64;
            stream.clear();
        }
        out.extend_from_slice(&packed);
        self.packed += (out.len() - start) as u64;
        (self.ops, self.gap) = (0, 0);
        Ok(())
    }
}
