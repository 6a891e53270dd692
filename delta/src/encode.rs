//! Encoding: ops become the bytes of a coded body.

use std::io::Write;

use crate::base::Base;
use crate::coder::BitEncoder;
use crate::coding::Coding;
use crate::error::DeltaError;
use crate::meter::MeteredEncoder;
use crate::model::Model;
use crate::op::Op;
use crate::pieces::Pieces;
use crate::streams::Writer;

/// The number of bytes that are gathered before they are written.
const OUTPUT_BYTES: usize = 64 << 10;

enum State<'b, B: Base + ?Sized> {
    Mixed(Box<(Model<'b, B>, BitEncoder)>),
    Metered(Box<(Model<'b, B>, MeteredEncoder)>),
    Streams(Box<Writer<'b, B>>),
}

/// Encodes the ops of a target of known length, in order.
pub struct DeltaEncoder<'b, B: Base + ?Sized, W: Write> {
    state: State<'b, B>,
    pieces: Pieces<'static>,
    base_len: u64,
    target_bytes: u64,
    out: W,
    written: u64,
}

impl<'b, B: Base + ?Sized, W: Write> DeltaEncoder<'b, B, W> {
    /// Makes an encoder for a target of `target_bytes` bytes. It takes 12 MiB of memory, or about 190 MiB for
    /// streams.
    ///
    /// `level` says how hard [`Coding::Streams`] looks for repetitions, from 1 to 9 as for xz. The other coding
    /// ignores it.
    ///
    /// # Errors
    /// [`DeltaError::Output`] and [`DeltaError::Coder`].
    pub fn new(base: &'b B, target_bytes: u64, coding: Coding, level: u8, mut out: W) -> Result<Self, DeltaError> {
        out.write_all(&[coding.byte()]).map_err(DeltaError::Output)?;
        let state = match coding {
            Coding::Mixed => State::Mixed(Box::new((Model::new(base), BitEncoder::new()))),
            Coding::Streams => State::Streams(Box::new(Writer::new(base, target_bytes, level)?)),
        };
        Ok(Self { state, pieces: Pieces::nowhere(), base_len: base.len(), target_bytes, out, written: 1 })
    }

    /// Counts from now on what parts of the target cost. The parts end at these offsets of the target, in order. The
    /// first op must not have been pushed yet. Coding then takes up to twice the time, and for streams twice the
    /// memory.
    ///
    /// # Errors
    /// [`DeltaError::Coder`].
    pub fn metered(mut self, ends: Vec<u64>) -> Result<Self, DeltaError> {
        self.state = match self.state {
            State::Mixed(mixed) => State::Metered(Box::new((mixed.0, MeteredEncoder::new(ends)))),
            State::Metered(_) => self.state,
            State::Streams(mut writer) => {
                writer.meter(ends)?;
                State::Streams(writer)
            }
        };
        Ok(self)
    }

    /// Appends an op. Only the last op may lack a copy.
    ///
    /// # Errors
    /// [`DeltaError::Base`], [`DeltaError::Output`] and [`DeltaError::Coder`]; [`DeltaError::Damaged`] for an op
    /// that leads beyond base or target.
    pub fn push(&mut self, op: &Op) -> Result<(), DeltaError> {
        self.check(op)?;
        match &mut self.state {
            State::Mixed(mixed) => {
                let (model, coder) = &mut **mixed;
                model.code_op(coder, op, self.target_bytes, &mut self.pieces)?;
                if coder.out.len() >= OUTPUT_BYTES {
                    put(&mut self.out, &mut self.written, &mut coder.out)?;
                }
            }
            State::Metered(metered) => {
                let (model, coder) = &mut **metered;
                model.code_op(coder, op, self.target_bytes, &mut self.pieces)?;
                if coder.encoder.out.len() >= OUTPUT_BYTES {
                    put(&mut self.out, &mut self.written, &mut coder.encoder.out)?;
                }
            }
            State::Streams(writer) => {
                let mut blocks = Vec::new();
                writer.push(op, &mut blocks)?;
                put(&mut self.out, &mut self.written, &mut blocks)?;
            }
        }
        Ok(())
    }

    fn check(&self, op: &Op) -> Result<(), DeltaError> {
        if op.len > self.base_len || op.base_at > self.base_len - op.len {
            return Err(DeltaError::Damaged("a copy goes beyond the base"));
        }
        let in_order = op.changes.is_sorted_by(|one, next| one.at < next.at);
        if !in_order || op.changes.last().is_some_and(|change| change.at >= op.len) {
            return Err(DeltaError::Damaged("changes out of order, or behind their copy"));
        }
        Ok(())
    }

    /// The approximate size of the body so far in bytes. The size of streams that are not compressed yet is
    /// estimated.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
            + match &self.state {
                State::Mixed(mixed) => mixed.1.out.len() as u64,
                State::Metered(metered) => metered.1.encoder.out.len() as u64,
                State::Streams(writer) => writer.pending(),
            }
    }

    /// Whether something was written behind the coding's byte. Before that, the size of streams is hardly known.
    #[must_use]
    pub fn has_blocks(&self) -> bool {
        self.written > 1
    }

    /// Writes the rest, and returns the writer.
    ///
    /// # Errors
    /// [`DeltaError::Output`] and [`DeltaError::Coder`]; [`DeltaError::Damaged`] if the ops do not make a target of
    /// the announced length.
    pub fn finish(self) -> Result<W, DeltaError> {
        self.finish_metered().map(|(out, _)| out)
    }

    /// Writes the rest, and returns the writer and the number of the body's bytes that each part of the target took.
    /// They add up to the size of the body. Without [`Self::metered`] there are none.
    ///
    /// # Errors
    /// Those of [`Self::finish`].
    pub fn finish_metered(mut self) -> Result<(W, Vec<u64>), DeltaError> {
        let (made, mut rest, shares) = match self.state {
            State::Mixed(mixed) => (mixed.0.target_at(), mixed.1.finish(), None),
            State::Metered(metered) => {
                let (model, MeteredEncoder { encoder, shares, .. }) = *metered;
                (model.target_at(), encoder.finish(), Some(shares))
            }
            State::Streams(mut writer) => {
                let mut rest = Vec::new();
                writer.block(&mut rest)?;
                (writer.target_at(), rest, writer.into_shares())
            }
        };
        if made != self.target_bytes {
            return Err(DeltaError::Damaged("the ops do not make the announced length"));
        }
        put(&mut self.out, &mut self.written, &mut rest)?;
        let costs = shares.map_or_else(Vec::new, |shares| shares.divide(self.written));
        Ok((self.out, costs))
    }
}

fn put(out: &mut impl Write, written: &mut u64, bytes: &mut Vec<u8>) -> Result<(), DeltaError> {
    out.write_all(bytes).map_err(DeltaError::Output)?;
    *written += bytes.len() as u64;
    bytes.clear();
    Ok(())
}
