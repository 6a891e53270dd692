//! lzo1x_1 and its kin with tables of other sizes, as liblzo2 has them since 2.06: takes the first match of four bytes and
//! more that a table of places offers, and looks at fewer places where none is found.

use super::stream::{Writer, common_bytes};

/// The plain bytes are coded in pieces, and matches are in their piece.
const PIECE_BYTES: usize = 49_152;
/// Matches do not begin in the last bytes of a piece.
const LAST_BYTES: usize = 20;
/// A piece has at least this many bytes together with the literals before it.
const MIN_BYTES: usize = 32;
/// Before its first match, a stream has more literals than this.
const FIRST_BYTES: usize = 4;
/// The logarithm of the number of literals after which places are looked at with a longer step between them.
const STEP_LOG: u32 = 5;
const MATCH_BYTES: usize = size_of::<u32>();
const MULTIPLIER: u32 = 0x1824_429d;

/// The table of a piece, which is kept from block to block.
pub(super) type Table = Vec<u16>;

/// Makes the stream of some plain bytes with a table of 2^`table_log` places.
pub(super) fn encode(plain: &[u8], table_log: u32, table: &mut Table) -> Vec<u8> {
    let mut parse = Parse { plain, table, table_log, writer: Writer::default(), written: 0 };
    let mut at = 0;
    while plain.len() - at > LAST_BYTES {
        let end = plain.len().min(at + PIECE_BYTES);
        if end - parse.written < MIN_BYTES {
            break;
        }
        parse.piece(at, end);
        at = end;
    }
    parse.writer.put_any_literals(&plain[parse.written..]);
    parse.writer.finish()
}

struct Parse<'a> {
    plain: &'a [u8],
    table: &'a mut Table,
    table_log: u32,
    writer: Writer,
    /// The bytes that are written.
    written: usize,
}

impl Parse<'_> {
    /// Writes the matches of a piece, and the literals before each.
    fn piece(&mut self, start: usize, end: usize) {
        let piece = &self.plain[start..end];
        self.table.clear();
        self.table.resize(1 << self.table_log, 0);
        let step = |at: usize, anchor: usize| 1 + ((at - anchor) >> STEP_LOG);
        let (mut anchor, limit) = (0, piece.len() - LAST_BYTES);
        let mut at = FIRST_BYTES.saturating_sub(start - self.written);
        at += step(at, anchor);
        while at < limit {
            let word = word_at(piece, at);
            let slot = word.wrapping_mul(MULTIPLIER) >> (u32::BITS - self.table_log);
            let there = usize::from(std::mem::replace(&mut self.table[slot as usize], at as u16));
            if word_at(piece, there) != word {
                at += step(at, anchor);
                continue;
            }
            let length = match_bytes(piece, (there, at), limit);
            let literals = &self.plain[self.written..start + at];
            self.writer.put_literals(literals);
            self.writer.put_match(length, at - there, literals.len());
            at += length;
            anchor = at;
            self.written = start + at;
        }
    }
}

/// The four bytes at a place. Behind a piece there are none.
#[inline]
fn word_at(piece: &[u8], at: usize) -> u32 {
    piece[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The length of a match. It is compared eight bytes at a time, as long as it ends before the limit.
fn match_bytes(piece: &[u8], (there, at): (usize, usize), limit: usize) -> usize {
    let room = limit.saturating_sub(at + MATCH_BYTES).div_ceil(8).max(1) * 8;
    let (from, end) = (at + MATCH_BYTES, (at + MATCH_BYTES + room).min(piece.len()));
    MATCH_BYTES + common_bytes(&piece[there + MATCH_BYTES..], &piece[from..end])
}
