//! Writing: ops into the bytes of a patch.

use crate::base::Base;
use crate::coder::BitEncoder;
use crate::error::PatchError;
use crate::model::Model;
use crate::op::Op;

/// Writes the ops of a target of known length, in order.
pub struct Encoder<'b, B: Base + ?Sized> {
    model: Model<'b, B>,
    coder: BitEncoder,
    target_bytes: u64,
}

impl<'b, B: Base + ?Sized> Encoder<'b, B> {
    /// For a target of `target_bytes` bytes.
    #[must_use]
    pub fn new(base: &'b B, target_bytes: u64) -> Self {
        Self { model: Model::new(base), coder: BitEncoder::new(), target_bytes }
    }

    /// Appends an op. Only the last one may be without a copy.
    ///
    /// # Errors
    /// [`PatchError::Base`]; [`PatchError::Damaged`] for an op that leads beyond base or target.
    pub fn push(&mut self, op: &Op) -> Result<(), PatchError> {
        self.model.code_op(&mut self.coder, op, self.target_bytes, &mut |_| Ok(()))
    }

    /// Bytes of the patch so far, about.
    #[must_use]
    pub fn written(&self) -> usize {
        self.coder.len()
    }

    /// The patch's bytes.
    ///
    /// # Errors
    /// [`PatchError::Damaged`] if the ops do not make a target of the length that was said.
    pub fn finish(self) -> Result<Vec<u8>, PatchError> {
        if self.model.target_at() != self.target_bytes {
            return Err(PatchError::Damaged("the ops make another length than was said"));
        }
        Ok(self.coder.finish())
    }
}
