//! Decoding: a coded body and a base become the target.

use std::io::{self, Read};

use crate::base::Base;
use crate::coder::{BitCoder, BitDecoder};
use crate::coding::Coding;
use crate::error::DeltaError;
use crate::model::Model;
use crate::op::Op;
use crate::pieces::{Pieces, Receiver, Sink};
use crate::streams;

/// Makes a target of `target_bytes` bytes from a base and a coded body, and hands it to `sink` piece by piece.
///
/// `input` must give the body and nothing else. At most 24 MiB of memory are needed, whatever the sizes. `base` is
/// read once for each copy, or for each run between changes; if reading is expensive, put a cache before it.
///
/// The output is only as good as the input. The caller must check it.
///
/// # Errors
/// Any [`DeltaError`]. Pieces that were handed on before the error may be wrong too.
pub fn decode<B: Base + ?Sized>(
    base: &B,
    input: impl Read,
    target_bytes: u64,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), DeltaError> {
    decode_pieces(base, input, target_bytes, Pieces::new(Sink::Bytes(&mut sink)))
}

/// Does the same as [`decode`], but only tells `receiver` which bytes of the base are long copies.
///
/// # Errors
/// As [`decode`].
pub fn decode_into<B: Base + ?Sized>(
    base: &B,
    input: impl Read,
    target_bytes: u64,
    receiver: &mut dyn Receiver,
) -> Result<(), DeltaError> {
    decode_pieces(base, input, target_bytes, Pieces::new(Sink::Copies(receiver)))
}

fn decode_pieces<B: Base + ?Sized>(
    base: &B,
    mut input: impl Read,
    target_bytes: u64,
    pieces: Pieces<'_>,
) -> Result<(), DeltaError> {
    let mut byte = [0];
    let coding = match input.read_exact(&mut byte) {
        Ok(()) => Coding::of_byte(byte[0]).ok_or(DeltaError::Damaged("an unknown coding"))?,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(DeltaError::Damaged("it is empty")),
        Err(error) => return Err(DeltaError::Input(error)),
    };
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
) -> Result<(), DeltaError> {
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
