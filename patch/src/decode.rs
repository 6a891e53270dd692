//! Reading: a patch's bytes and a base into the target.

use std::io;

use crate::base::Base;
use crate::coder::BitDecoder;
use crate::error::PatchError;
use crate::model::Model;
use crate::op::Op;

/// Makes a target of `target_bytes` bytes, piece by piece, each handed to `sink`. Memory: 25 MiB, whatever the sizes.
///
/// What comes out is as good as what goes in: whoever takes it checks it.
///
/// # Errors
/// [`PatchError`]; what was handed on before may be wrong too.
pub fn decode<B: Base + ?Sized>(
    base: &B,
    patch: &[u8],
    target_bytes: u64,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), PatchError> {
    let mut model = Model::new(base);
    let mut coder = BitDecoder::new(patch);
    let nothing = Op::default();
    while model.target_at() < target_bytes {
        model.code_op(&mut coder, &nothing, target_bytes, &mut sink)?;
        if coder.is_exhausted() {
            return Err(PatchError::Damaged("it ends early"));
        }
    }
    if coder.is_at_end() { Ok(()) } else { Err(PatchError::Damaged("more follows than it says")) }
}
