//! Reading: a coded body and a base into the target.

use std::io::{self, Read};

use crate::base::Base;
use crate::coder::{BitCoder, BitDecoder};
use crate::coding::Coding;
use crate::error::PatchError;
use crate::model::Model;
use crate::op::Op;
use crate::pieces::Pieces;
use crate::streams;

/// Makes a target of `target_bytes` bytes, piece by piece, each handed to `sink`, of all that `input` gives. Memory: 24 MiB at most, whatever
/// the sizes. `base` is read once for each copy or run between changes: if that is dear, a cache before it pays.
///
/// What comes out is as good as what goes in: whoever takes it checks it.
///
/// # Errors
/// [`PatchError`]; what was handed on before may be wrong too.
pub fn decode<B: Base + ?Sized>(
    base: &B,
    mut input: impl Read,
    target_bytes: u64,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), PatchError> {
    let mut byte = [0];
    let coding = match input.read_exact(&mut byte) {
        Ok(()) => Coding::of_byte(byte[0]).ok_or(PatchError::Damaged("no such coding"))?,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(PatchError::Damaged("it is empty")),
        Err(error) => return Err(PatchError::Input(error)),
    };
    let pieces = Pieces::new(&mut sink);
    match coding {
        Coding::Mixed => decode_mixed(base, input, target_bytes, pieces),
        Coding::Streams => streams::decode(base, input, target_bytes, pieces),
    }
}

fn decode_mixed<B: Base + ?Sized>(
    base: &B,
    input: impl Read,
    target_bytes: u64,
    mut pieces: Pieces<'_>,
) -> Result<(), PatchError> {
    let mut model = Model::new(base);
    let mut coder = BitDecoder::new(input);
    let nothing = Op::default();
    while model.target_at() < target_bytes {
        model.code_op(&mut coder, &nothing, target_bytes, &mut pieces)?;
        coder.check()?;
    }
    pieces.finish()?;
    coder.finish()
}
