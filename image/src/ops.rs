//! The operations of a skeleton stream. FORMAT.md, section 2.1.

use regrow_chunker::varint;

/// The largest number of bytes in a literal.
pub const MAX_LITERAL_BYTES: usize = 64 << 10;

/// The kind of the two marks, and the values that stand in the place of a length in them.
const MARK: u64 = 2;
const BEGIN_CODED: u64 = 1;
const END_CODED: u64 = 2;

/// The source of the next bytes of the plain image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// This many bytes of the skeleton stream, which follow the operation.
    Literal(u32),
    /// This many bytes of the contents stream.
    Contents(u64),
    /// The beginning of a coded stretch: the image has a coded file in place of the plain image's bytes.
    BeginCoded,
    /// The end of a coded stretch.
    EndCoded,
}

/// The skeleton stream breaks its format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// The kind is one that this version does not know.
    #[error("skeleton operation of kind {0}: made by a newer regrow?")]
    UnknownKind(u64),
    /// The length is one that no operation has.
    #[error("skeleton operation of {0} bytes")]
    Length(u64),
    /// The number is not in its shortest form.
    #[error("skeleton operation with a malformed length")]
    Number,
    /// The stream ends within an operation.
    #[error("skeleton stream ends within an operation")]
    CutOff,
}

/// Appends an operation's number to `out`.
pub fn put_op(out: &mut Vec<u8>, op: Op) {
    varint::put(out, code(op));
}

/// The length of an operation's number in bytes.
#[must_use]
pub fn op_len(op: Op) -> usize {
    varint::len(code(op))
}

fn code(op: Op) -> u64 {
    match op {
        Op::Literal(len) => u64::from(len) << 2,
        Op::Contents(len) => len << 2 | 1,
        Op::BeginCoded => BEGIN_CODED << 2 | MARK,
        Op::EndCoded => END_CODED << 2 | MARK,
    }
}

fn decode(code: u64) -> Result<Op, OpError> {
    let len = code >> 2;
    match code & 3 {
        0 if (1..=MAX_LITERAL_BYTES as u64).contains(&len) => Ok(Op::Literal(len as u32)),
        1 if len > 0 => Ok(Op::Contents(len)),
        MARK if len == BEGIN_CODED => Ok(Op::BeginCoded),
        MARK if len == END_CODED => Ok(Op::EndCoded),
        0..=MARK => Err(OpError::Length(len)),
        kind => Err(OpError::UnknownKind(kind)),
    }
}

/// Reads a skeleton stream that arrives in pieces.
#[derive(Debug, Default)]
pub struct OpDecoder {
    number: Vec<u8>,
    literal_left: usize,
}

impl OpDecoder {
    /// Takes in bytes, and passes each operation and each piece of a literal's bytes to `each`.
    pub fn push<E: From<OpError>>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(OpOrLiteral<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.literal_left > 0 {
                let (literal, rest) = bytes.split_at(bytes.len().min(self.literal_left));
                self.literal_left -= literal.len();
                bytes = rest;
                each(OpOrLiteral::Bytes(literal))?;
                continue;
            }
            let (byte, rest) = (bytes[0], &bytes[1..]);
            bytes = rest;
            self.number.push(byte);
            if byte & 0x80 != 0 && self.number.len() < 10 {
                continue;
            }
            let number = varint::take(&mut self.number.as_slice()).ok_or(OpError::Number)?;
            self.number.clear();
            let op = decode(number)?;
            if let Op::Literal(len) = op {
                self.literal_left = len as usize;
            }
            each(OpOrLiteral::Op(op))?;
        }
        Ok(())
    }

    /// Ends the stream.
    pub fn finish(&self) -> Result<(), OpError> {
        if self.literal_left > 0 || !self.number.is_empty() { Err(OpError::CutOff) } else { Ok(()) }
    }
}

/// A find of [`OpDecoder::push`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpOrLiteral<'a> {
    /// An operation begins.
    Op(Op),
    /// Bytes of the literal that began last.
    Bytes(&'a [u8]),
}
