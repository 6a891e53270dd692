//! How coded stretches are made of the plain image, piece by piece. docs/format/index-2.md, section 6.
//!
//! The format is more general than what this version uses: gzip files, of which each member is a literal, a stream
//! and a trailer; zstd files, of which each frame is a stream, with literals between; and disk images, which have plain
//! pieces, runs of blocks, kept blocks, and streams of a kind of their own. Anything else is refused by name.

mod disk;
mod filled;

use std::sync::Arc;

use regrow_chunker::varint;

use crate::coding::{MAX_CORRECTIONS_BYTES, MAX_ENCODER_BYTES};
use crate::disk_coding::MAX_KEPT_BYTES;
use crate::primitives::{end, put_bytes, take, take_bytes, take_count, take_u8};
use crate::{CodedFormat, CodedStretch, Coding, IndexError, MAX_FRINGE_BYTES, MemberCoding};

/// The largest number of pieces in all stretches together.
const MAX_PIECES: u64 = 1 << 22;
/// The largest size in bytes of all literals together, without those that repeat another.
const MAX_LITERAL_BYTES: u64 = 16 << 20;

const MANY_PIECES: &str = "more than 2^22 pieces of coded files";
const MANY_LITERALS: &str = "more than 16 MiB of literals in coded files";

const LITERAL: u8 = 0;
const PLAIN: u8 = 1;
const STREAM: u8 = 2;
const GZIP_TRAILER: u8 = 3;
const KEPT: u8 = 4;
const RUN: u8 = 5;
const DISK_STREAM: u8 = 6;
const FILLED: u8 = 7;
/// Only the codings of a patch have this kind.
const HELD: u8 = 8;
const HASH_TREE: u8 = 9;

/// The last literal and encoder, which an empty field repeats.
#[derive(Default)]
struct Last {
    literal: Arc<[u8]>,
    encoder: Arc<[u8]>,
}

/// A piece of a gzip or zstd file.
enum Piece {
    Literal(Arc<[u8]>),
    /// A stream without what comes before it.
    Stream(MemberCoding),
    GzipTrailer,
}

/// Encodes codings. There are no bytes if there are none.
pub(crate) fn encode(codings: &[CodedStretch]) -> Vec<u8> {
    let mut out = Vec::new();
    if codings.is_empty() {
        return out;
    }
    varint::put(&mut out, codings.len() as u64);
    let mut last = Last::default();
    for coding in codings {
        match coding {
            CodedStretch::File(coding) if coding.format == CodedFormat::Gzip => put_gzip(&mut out, coding, &mut last),
            CodedStretch::File(coding) => put_zstd(&mut out, coding, &mut last),
            CodedStretch::Disk(coding) => disk::put(&mut out, coding, &mut last),
        }
    }
    out
}

fn put_gzip(out: &mut Vec<u8>, coding: &Coding, last: &mut Last) {
    let has_tail = !coding.tail.is_empty();
    varint::put(out, 3 * coding.members.len() as u64 + u64::from(has_tail));
    for member in &coding.members {
        put_literal(out, &member.header, last);
        put_stream(out, member, last);
        out.push(GZIP_TRAILER);
    }
    if has_tail {
        put_literal(out, &coding.tail, last);
    }
}

fn put_zstd(out: &mut Vec<u8>, coding: &Coding, last: &mut Last) {
    let count = |bytes: &[u8]| bytes.len().div_ceil(MAX_FRINGE_BYTES) as u64;
    let headers: u64 = coding.members.iter().map(|member| count(&member.header)).sum();
    varint::put(out, headers + coding.members.len() as u64 + count(&coding.tail));
    for member in &coding.members {
        put_literals(out, &member.header, last);
        put_stream(out, member, last);
    }
    put_literals(out, &coding.tail, last);
}

/// Writes bytes as literals of the largest size, and as none if there are no bytes.
fn put_literals(out: &mut Vec<u8>, bytes: &Arc<[u8]>, last: &mut Last) {
    if (1..=MAX_FRINGE_BYTES).contains(&bytes.len()) {
        return put_literal(out, bytes, last);
    }
    bytes.chunks(MAX_FRINGE_BYTES).for_each(|literal| put_literal(out, &literal.into(), last));
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

/// Decodes the codings of an index.
pub(super) fn decode_codings(input: &[u8]) -> Result<Vec<CodedStretch>, IndexError> {
    decode(input, false)
}

/// Decodes codings. Those of a patch may have blocks that its base holds.
pub(crate) fn decode(input: &[u8], may_be_held: bool) -> Result<Vec<CodedStretch>, IndexError> {
    let mut pieces = Pieces { input, last: Last::default(), left: Left::default(), may_be_held };
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
    /// The bytes of literals that stand several in a row, whether they repeat others or not.
    joined: u64,
    kept: u64,
}

impl Default for Left {
    fn default() -> Self {
        Self {
            pieces: MAX_PIECES,
            corrections: MAX_CORRECTIONS_BYTES,
            literals: MAX_LITERAL_BYTES,
            joined: MAX_LITERAL_BYTES,
            kept: MAX_KEPT_BYTES,
        }
    }
}

/// The pieces that are left.
struct Pieces<'a> {
    input: &'a [u8],
    last: Last,
    left: Left,
    /// Whether blocks may be among those that the base of a patch holds.
    may_be_held: bool,
}

impl Pieces<'_> {
    /// Takes a stretch, which must be a gzip or a zstd file or a disk image. Its first piece tells.
    fn take_coding(&mut self) -> Result<CodedStretch, IndexError> {
        let count = take_count(&mut self.input, 1)? as u64;
        use_up(&mut self.left.pieces, count, MANY_PIECES)?;
        let mut stretch = Stretch::default();
        for number in 0..count {
            let kind = self.take_kind()?;
            if number == 0 && matches!(kind, PLAIN | KEPT | RUN | DISK_STREAM | FILLED | HELD) {
                return self.take_disk(kind, count).map(CodedStretch::Disk);
            }
            let piece = self.take_piece(kind)?;
            stretch.add(piece, &mut self.left.joined)?;
        }
        let coding = stretch.finish(&mut self.left.joined)?;
        coding.check()?;
        Ok(coding.into())
    }

    fn take_kind(&mut self) -> Result<u8, IndexError> {
        let kind = take_u8(&mut self.input)?;
        if kind <= FILLED || kind == HASH_TREE || (kind == HELD && self.may_be_held) {
            return Ok(kind);
        }
        Err(IndexError::UnknownKind { what: "a piece of a coded file", kind: u64::from(kind) })
    }

    /// Takes a piece of a gzip or zstd file, of which the kind was taken already.
    fn take_piece(&mut self, kind: u8) -> Result<Piece, IndexError> {
        match kind {
            LITERAL => self.take_literal().map(Piece::Literal),
            STREAM => self.take_stream().map(Piece::Stream),
            GZIP_TRAILER => Ok(Piece::GzipTrailer),
            PLAIN => Err(IndexError::Unsupported("a coded file with plain pieces")),
            _ => Err(IndexError::Unsupported("a coded file with blocks of a disk image")),
        }
    }

    fn take_literal(&mut self) -> Result<Arc<[u8]>, IndexError> {
        let bytes = take_bytes(&mut self.input, MAX_FRINGE_BYTES, "a part of a coded file is too long")?;
        use_up(&mut self.left.literals, bytes.len() as u64, MANY_LITERALS)?;
        or_same(bytes, &mut self.last.literal)
    }

    fn take_encoder(&mut self) -> Result<Arc<[u8]>, IndexError> {
        let encoder = take_bytes(&mut self.input, MAX_ENCODER_BYTES, "a part of a coded file is too long")?;
        or_same(encoder, &mut self.last.encoder)
    }

    fn take_stream(&mut self) -> Result<MemberCoding, IndexError> {
        let encoder = self.take_encoder()?;
        let (plain_bytes, stream_bytes) = (take(&mut self.input)?, take(&mut self.input)?);
        let corrections =
            take_bytes(&mut self.input, MAX_CORRECTIONS_BYTES as usize, "more than 16 MiB of corrections")?;
        use_up(&mut self.left.corrections, corrections.len() as u64, "more than 16 MiB of corrections")?;
        let corrections = corrections.to_vec();
        Ok(MemberCoding { header: Arc::default(), encoder, plain_bytes, stream_bytes, corrections })
    }
}

/// A stretch, as far as its pieces were taken.
#[derive(Default)]
struct Stretch {
    format: Option<CodedFormat>,
    members: Vec<MemberCoding>,
    /// The literals since the last stream.
    literals: Vec<Arc<[u8]>>,
    /// A deflate stream that waits for its trailer.
    stream: Option<MemberCoding>,
}

impl Stretch {
    /// Adds a piece. Literals in a row are joined, as long as there are `joined_left` bytes.
    fn add(&mut self, piece: Piece, joined_left: &mut u64) -> Result<(), IndexError> {
        match piece {
            Piece::Literal(bytes) if self.stream.is_none() => self.literals.push(bytes),
            Piece::Stream(member) if self.stream.is_none() => self.add_stream(member, joined_left)?,
            Piece::GzipTrailer => self.members.push(self.stream.take().ok_or(OTHER_FORMAT)?),
            _ => return Err(OTHER_FORMAT),
        }
        Ok(())
    }

    fn add_stream(&mut self, member: MemberCoding, joined_left: &mut u64) -> Result<(), IndexError> {
        let format = CodedFormat::of_encoder(&member.encoder)?;
        if *self.format.get_or_insert(format) != format {
            return Err(OTHER_FORMAT);
        }
        member.check(format)?;
        match format {
            CodedFormat::Gzip => {
                let header = self.literals.pop().filter(|_| self.literals.is_empty()).ok_or(OTHER_FORMAT)?;
                self.stream = Some(MemberCoding { header, ..member });
            }
            CodedFormat::Zstd => {
                let header = joined(std::mem::take(&mut self.literals), joined_left)?;
                self.members.push(MemberCoding { header, ..member });
            }
        }
        Ok(())
    }

    fn finish(self, joined_left: &mut u64) -> Result<Coding, IndexError> {
        let Self { format: Some(format), members, literals, stream: None } = self else { return Err(OTHER_FORMAT) };
        if format == CodedFormat::Gzip && literals.len() > 1 {
            return Err(OTHER_FORMAT);
        }
        Ok(Coding { format, members, tail: joined(literals, joined_left)? })
    }
}

const OTHER_FORMAT: IndexError = IndexError::Unsupported("a coded file that is neither gzip nor zstd");

/// Joins literals that stand in a row. Several of them take memory even if they repeat others.
fn joined(mut literals: Vec<Arc<[u8]>>, left: &mut u64) -> Result<Arc<[u8]>, IndexError> {
    if literals.len() <= 1 {
        return Ok(literals.pop().unwrap_or_default());
    }
    use_up(left, literals.iter().map(|literal| literal.len() as u64).sum(), MANY_LITERALS)?;
    Ok(literals.concat().into())
}

fn use_up(left: &mut u64, used: u64, what: &'static str) -> Result<(), IndexError> {
    *left = left.checked_sub(used).ok_or(IndexError::Malformed(what))?;
    Ok(())
}

fn or_same(bytes: &[u8], last: &mut Arc<[u8]>) -> Result<Arc<[u8]>, IndexError> {
    if !bytes.is_empty() {
        *last = bytes.into();
    } else if last.is_empty() {
        return Err(IndexError::Malformed("the first member of a coded file has no header or no encoder"));
    }
    Ok(Arc::clone(last))
}
