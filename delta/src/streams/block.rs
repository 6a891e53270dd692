//! Blocks: the number of ops, then each stream's plain and compressed size, then the compressed streams.

use std::io::{self, Read};

use super::packer::Unpacker;
use super::{STREAM_MAX, STREAMS};
use crate::error::DeltaError;

const TOO_LONG: DeltaError = DeltaError::Damaged("a number of more than 64 bits");

/// Appends a number, seven bits a byte, the lowest first.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a number whose bytes come one by one.
pub(crate) fn take_number(mut byte: impl FnMut() -> Result<u8, DeltaError>) -> Result<u64, DeltaError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte()?;
        if shift == 63 && byte > 1 {
            return Err(TOO_LONG);
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(TOO_LONG)
}

/// The rest of one stream of a block.
#[derive(Default)]
pub(super) struct Cursor {
    bytes: Vec<u8>,
    at: usize,
}

impl Cursor {
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn byte(&mut self) -> Result<u8, DeltaError> {
        let byte = *self.bytes.get(self.at).ok_or(DeltaError::Damaged("a stream ends early"))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn number(&mut self) -> Result<u64, DeltaError> {
        take_number(|| self.byte())
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&[u8], DeltaError> {
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        let taken =
            end.and_then(|end| self.bytes.get(self.at..end)).ok_or(DeltaError::Damaged("a stream ends early"))?;
        self.at += taken.len();
        Ok(taken)
    }
}

/// Reads a block's head and streams, and returns its number of ops.
pub(super) fn read(
    input: &mut impl Read,
    unpackers: &mut [Unpacker; STREAMS],
    cursors: &mut [Cursor; STREAMS],
) -> Result<u64, DeltaError> {
    let mut number = || {
        take_number(|| {
            let mut byte = [0];
            input.read_exact(&mut byte).map_err(early)?;
            Ok(byte[0])
        })
    };
    let ops = number()?;
    let mut sizes = [(0, 0); STREAMS];
    for size in &mut sizes {
        *size = (within_block(number()?)?, within_block(number()?)?);
    }
    let mut packed = Vec::new();
    for ((unpacker, cursor), (plain, compressed)) in unpackers.iter_mut().zip(cursors).zip(sizes) {
        packed.resize(compressed, 0);
        input.read_exact(&mut packed).map_err(early)?;
        cursor.at = 0;
        unpacker.unpack(&packed, plain, &mut cursor.bytes)?;
    }
    Ok(ops)
}

/// Checks that nothing follows.
pub(super) fn end(input: &mut impl Read) -> Result<(), DeltaError> {
    match input.read_exact(&mut [0]) {
        Ok(()) => Err(DeltaError::Damaged("bytes follow its end")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(DeltaError::Input(error)),
    }
}

fn within_block(number: u64) -> Result<usize, DeltaError> {
    // Twice the plain limit is allowed, because bytes that LZMA cannot compress grow a little.
    let number = usize::try_from(number).ok().filter(|&number| number <= STREAM_MAX * 2);
    number.ok_or(DeltaError::Damaged("a block is longer than it may be"))
}

fn early(error: io::Error) -> DeltaError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        DeltaError::Damaged("it ends early")
    } else {
        DeltaError::Input(error)
    }
}
