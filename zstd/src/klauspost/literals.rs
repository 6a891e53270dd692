//! Literals of a block as prefix codes, new ones or those of an earlier block.

use super::bits::BitWriter;
use super::huffman::{Bytes, Codes};

/// Literals from this number on are written as four streams.
pub(super) const FOUR_STREAMS_FROM: usize = 1024;

/// What became of literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coded {
    /// Codes stand in the buffer, behind their table unless they are `reused`.
    Codes { reused: bool },
    /// All of them are the same byte.
    OneByte,
    /// They are better left as they are.
    No,
}

/// Codes literals, and keeps the codes for the next block.
#[derive(Debug, Default)]
pub(super) struct LiteralsCoder {
    /// The codes that a decoder has.
    last: Option<Box<Codes>>,
    may_reuse: bool,
    pub(super) out: BitWriter,
}

impl LiteralsCoder {
    /// Codes of an earlier block may be used by the next one.
    pub(super) fn allow_reuse(&mut self) {
        self.may_reuse = true;
    }

    /// The next block has codes of its own.
    pub(super) fn forbid_reuse(&mut self) {
        self.may_reuse = false;
    }

    /// Codes literals into the buffer.
    pub(super) fn code(&mut self, literals: &[u8]) -> Coded {
        self.out.clear();
        if !self.may_reuse {
            self.last = None;
        }
        let bytes = Bytes::of(literals);
        // A sixteenth must be saved.
        let wanted = literals.len() - (literals.len() >> 4);
        if bytes.most == bytes.total {
            return if literals.len() == 1 { Coded::No } else { Coded::OneByte };
        }
        if bytes.most == 1 || bytes.most < bytes.total >> 7 {
            return Coded::No;
        }
        let codes = Codes::of(&bytes);
        if let Some(last) = self.last.as_ref().filter(|last| last.cover(&bytes))
            && (last.size(&bytes) <= codes.size(&bytes) || wanted <= 12)
        {
            return match streams(last, literals, &mut self.out) {
                Some(()) if self.out.len() < wanted => Coded::Codes { reused: true },
                _ => Coded::No,
            };
        }
        if codes.put(&mut self.out).is_none() || streams(&codes, literals, &mut self.out).is_none() {
            return Coded::No;
        }
        if self.out.len() >= wanted {
            return Coded::No;
        }
        self.last = Some(Box::new(codes));
        Coded::Codes { reused: false }
    }
}

/// Writes literals as one stream or four; `None` if a stream is too long for the table of their sizes.
fn streams(codes: &Codes, literals: &[u8], out: &mut BitWriter) -> Option<()> {
    if literals.len() < FOUR_STREAMS_FROM {
        codes.put_stream(literals, out);
        return Some(());
    }
    let table = out.len();
    out.put_bytes(&[0; 6]);
    for (number, part) in literals.chunks(literals.len().div_ceil(4)).enumerate() {
        let start = out.len();
        codes.put_stream(part, out);
        let size = u16::try_from(out.len() - start).ok()?;
        if number < 3 {
            out.set_bytes(table + 2 * number, &size.to_le_bytes());
        }
    }
    Some(())
}
