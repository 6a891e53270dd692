//! How coded stretches are made of the plain image, piece by piece. docs/format/index-2.md, section 6.
//!
//! The format is more general than what this version uses: gzip files, of which each member is a literal, a stream
//! and a trailer. Anything else is refused by name.

use std::sync::Arc;

use regrow_chunker::varint;

use crate::coding::{MAX_CORRECTIONS_BYTES, MAX_ENCODER_BYTES};
use crate::primitives::{end, put_bytes, take, take_bytes, take_count, take_u8};
use crate::{Coding, IndexError, MAX_FRINGE_BYTES, MemberCoding};

/// The largest number of pieces in all stretches together.
const MAX_PIECES: u64 = 1 << 22;
/// The largest size in bytes of all literals together, without those that repeat another.
const MAX_LITERAL_BYTES: u64 = 16 << 20;

const LITERAL: u8 = 0;
const PLAIN: u8 = 1;
const STREAM: u8 = 2;
const GZIP_TRAILER: u8 = 3;

/// The last literal and encoder, which an empty field repeats.
#[derive(Default)]
struct Last {
    literal: Arc<[u8]>,
    encoder: Arc<[u8]>,
}

/// A piece of a coded stretch.
enum Piece {
    Literal(Arc<[u8]>),
    /// A stream without what comes before it.
    Stream(MemberCoding),
    GzipTrailer,
}

/// Encodes codings. There are no bytes if there are none.
pub(super) fn encode(codings: &[Coding]) -> Vec<u8> {
    let mut out = Vec::new();
    if codings.is_empty() {
        return out;
    }
    varint::put(&mut out, codings.len() as u64);
    let mut last = Last::default();
    for coding in codings {
        let has_tail = !coding.tail.is_empty();
        varint::put(&mut out, 3 * coding.members.len() as u64 + u64::from(has_tail));
        for member in &coding.members {
            put_literal(&mut out, &member.header, &mut last);
            put_stream(&mut out, member, &mut last);
            out.push(GZIP_TRAILER);
        }
        if has_tail {
            put_literal(&mut out, &coding.tail, &mut last);
        }
    }
    out
}

fn put_literal(out: &mut Vec<u8>, literal: &Arc<[u8]>, last: &mut Last) {
    out.push(LITERAL);
    put_or_same(out, literal, &mut last.literal);
}

fn put_stream(out: &mut Vec<u8>, member: &MemberCoding, last: &mut Last) {
    out.push(STREAM);
    put_or_same(out, &member.encoder, &mut last.encoder);
    varint::put(out, member.plain_bytes);
    varint::put(out, member.stream_bytes);
    put_bytes(out, &member.corrections);
}

fn put_or_same(out: &mut Vec<u8>, bytes: &Arc<[u8]>, last: &mut Arc<[u8]>) {
    if bytes == last {
        varint::put(out, 0);
    } else {
        put_bytes(out, bytes);
        *last = Arc::clone(bytes);
    }
}

/// Decodes codings.
pub(super) fn decode_codings(input: &[u8]) -> Result<Vec<Coding>, IndexError> {
    let mut pieces = Pieces { input, last: Last::default(), left: Left::default() };
    // A stretch takes at least its count and a trailer.
    let count = take_count(&mut pieces.input, 2)?;
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(pieces.take_coding()?);
    }
    end(pieces.input)?;
    Ok(found)
}

/// What may still come, of everything that is limited for all stretches together.
struct Left {
    pieces: u64,
    corrections: u64,
    literals: u64,
}

impl Default for Left {
    fn default() -> Self {
        Self { pieces: MAX_PIECES, corrections: MAX_CORRECTIONS_BYTES, literals: MAX_LITERAL_BYTES }
    }
}

/// The pieces that are left.
struct Pieces<'a> {
    input: &'a [u8],
    last: Last,
    left: Left,
}

impl Pieces<'_> {
    /// Takes a stretch, which must be a gzip file.
    fn take_coding(&mut self) -> Result<Coding, IndexError> {
        let count = take_count(&mut self.input, 1)? as u64;
        use_up(&mut self.left.pieces, count, "more than 2^22 pieces of coded files")?;
        let (mut members, mut literal, mut stream) = (Vec::new(), None, None);
        for _ in 0..count {
            match (self.take_piece()?, literal.take(), stream.take()) {
                (Piece::Literal(bytes), None, None) => literal = Some(bytes),
                (Piece::Stream(member), Some(header), None) => stream = Some(MemberCoding { header, ..member }),
                (Piece::GzipTrailer, None, Some(member)) => members.push(member),
                _ => return Err(IndexError::Unsupported("a coded file that is not gzip")),
            }
        }
        if members.is_empty() || stream.is_some() {
            return Err(IndexError::Unsupported("a coded file that is not gzip"));
        }
        let coding = Coding { members, tail: literal.unwrap_or_default() };
        coding.check()?;
        Ok(coding)
    }

    fn take_piece(&mut self) -> Result<Piece, IndexError> {
        match take_u8(&mut self.input)? {
            LITERAL => self.take_literal().map(Piece::Literal),
            STREAM => self.take_stream().map(Piece::Stream),
            GZIP_TRAILER => Ok(Piece::GzipTrailer),
            PLAIN => Err(IndexError::Unsupported("a coded file with plain pieces")),
            kind => Err(IndexError::UnknownKind { what: "a piece of a coded file", kind: u64::from(kind) }),
        }
    }

    fn take_literal(&mut self) -> Result<Arc<[u8]>, IndexError> {
        let bytes = take_bytes(&mut self.input, MAX_FRINGE_BYTES, "a part of a coded file is too long")?;
        use_up(&mut self.left.literals, bytes.len() as u64, "more than 16 MiB of literals in coded files")?;
        or_same(bytes, &mut self.last.literal)
    }

    fn take_stream(&mut self) -> Result<MemberCoding, IndexError> {
        let encoder = take_bytes(&mut self.input, MAX_ENCODER_BYTES, "a part of a coded file is too long")?;
        let encoder = or_same(encoder, &mut self.last.encoder)?;
        let (plain_bytes, stream_bytes) = (take(&mut self.input)?, take(&mut self.input)?);
        let corrections =
            take_bytes(&mut self.input, MAX_CORRECTIONS_BYTES as usize, "more than 16 MiB of corrections")?;
        use_up(&mut self.left.corrections, corrections.len() as u64, "more than 16 MiB of corrections")?;
        let corrections = corrections.to_vec();
        let member = MemberCoding { header: Arc::default(), encoder, plain_bytes, stream_bytes, corrections };
        member.check()?;
        Ok(member)
    }
}

fn use_up(left: &mut u64, used: u64, what: &'static str) -> Result<(), IndexError> {
    *left = left.checked_sub(used).ok_or(IndexError::Malformed(what))?;
    Ok(())
}

fn or_same(bytes: &[u8], last: &mut Arc<[u8]>) -> Result<Arc<[u8]>, IndexError> {
    if !bytes.is_empty() {
        *last = bytes.into();
    } else if last.is_empty() {
        return Err(IndexError::Malformed("the first gzip member has no header or no encoder"));
    }
    Ok(Arc::clone(last))
}
