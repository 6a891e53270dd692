//! One block of a frame: raw, of one byte, or of coded literals and sequences (RFC 8878, 3.1.1.2 and 3.1.1.3).

use super::finder::{Found, new_offset};
use super::literals::{Coded, FOUR_STREAMS_FROM, LiteralsCoder};
use super::sequences::SequencesCoder;
use super::version::Version;

const HEADER_BYTES: usize = 3;

/// The kinds of blocks, as their headers have them.
#[derive(Debug, Clone, Copy)]
pub(super) enum BlockKind {
    Raw = 0,
    OneByte = 1,
    Compressed = 2,
}

/// The kinds of literals, as their headers have them.
#[derive(Debug, Clone, Copy)]
enum LiteralsKind {
    Raw = 0,
    OneByte = 1,
    Compressed = 2,
    /// Compressed with the codes of an earlier block.
    Treeless = 3,
}

/// How blocks are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockStyle {
    pub(super) version: Version,
    /// Literals of blocks with matches are not coded.
    pub(super) plain_literals: bool,
    /// Blocks without matches are coded.
    pub(super) codes_all_literals: bool,
    /// The plain bytes of a block that is not the last one.
    pub(super) block_bytes: usize,
}

/// Writes blocks, and keeps what they leave to those after them.
#[derive(Debug)]
pub(super) struct BlockCoder {
    style: BlockStyle,
    literals: LiteralsCoder,
    sequences: SequencesCoder,
}

impl BlockCoder {
    pub(super) fn new(style: BlockStyle) -> Self {
        Self { style, literals: LiteralsCoder::default(), sequences: SequencesCoder::new() }
    }

    /// Forgets what earlier blocks left.
    pub(super) fn restart(&mut self) {
        self.literals.forbid_reuse();
        self.sequences.restart();
    }

    /// Appends a block: `plain` are its bytes, in which `found` are the matches.
    pub(super) fn put(&mut self, found: &mut Found, plain: &[u8], is_last: bool, out: &mut Vec<u8>) {
        let version = self.style.version;
        if version.leaves_full_literals()
            && found.literals.len() == plain.len()
            && plain.len() == self.style.block_bytes
        {
            put_raw(plain, is_last, out);
            return;
        }
        if found.sequences.is_empty() {
            self.put_literals_only(plain, is_last, out);
            return;
        }
        if version.finds_one_byte() && is_one_byte(found) {
            put_header(BlockKind::OneByte, plain.len(), is_last, out);
            out.extend(plain.first());
            return;
        }
        let least = 16 + (plain.len() >> version.least_gain_shift());
        if plain.len() < found.literals.len() + least {
            found.offsets = found.offsets_before;
            self.put_literals_only(plain, is_last, out);
            return;
        }
        self.put_compressed(found, plain, is_last, out);
    }

    fn put_compressed(&mut self, found: &mut Found, plain: &[u8], is_last: bool, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        self.put_literals(&found.literals, out);
        let chosen = self.sequences.put(&found.sequences, out);
        let size = out.len() - start - HEADER_BYTES;
        if size >= plain.len() {
            out.truncate(start);
            put_raw(plain, is_last, out);
            if !self.style.version.leaves_full_literals() {
                found.offsets = found.offsets_before;
            }
            self.literals.forbid_reuse();
            return;
        }
        let header = header(BlockKind::Compressed, size, is_last);
        out[start..start + HEADER_BYTES].copy_from_slice(&header);
        self.sequences.keep(chosen);
    }

    /// The literals of a block with matches.
    fn put_literals(&mut self, literals: &[u8], out: &mut Vec<u8>) {
        let version = self.style.version;
        let mut coded = Coded::No;
        if literals.len() > version.most_plain_literals() && !self.style.plain_literals {
            coded = self.literals.code(literals);
        }
        if let Coded::Codes { .. } = coded {
            let size = self.literals.out.len();
            let with_header = size + compressed_header_bytes(size, literals.len());
            if version.compares_with_raw() && with_header >= literals.len() + raw_header_bytes(literals.len()) {
                coded = Coded::No;
            }
        }
        match coded {
            Coded::No => {
                put_raw_literals_header(LiteralsKind::Raw, literals.len(), out);
                out.extend_from_slice(literals);
            }
            Coded::OneByte => {
                put_raw_literals_header(LiteralsKind::OneByte, literals.len(), out);
                out.extend(literals.first());
            }
            Coded::Codes { reused } => {
                put_compressed_header(reused, self.literals.out.len(), literals.len(), out);
                out.extend_from_slice(self.literals.out.bytes());
                self.literals.allow_reuse();
            }
        }
    }

    /// A block without matches.
    fn put_literals_only(&mut self, plain: &[u8], is_last: bool, out: &mut Vec<u8>) {
        let version = self.style.version;
        let mut coded = Coded::No;
        if plain.len() >= 32 && self.style.codes_all_literals && plain.len() > version.most_plain_literals() {
            coded = self.literals.code(plain);
        }
        let size = self.literals.out.len();
        if let Coded::Codes { .. } = coded
            && version.compares_with_raw()
            && size + compressed_header_bytes(size, plain.len()) >= plain.len()
        {
            coded = Coded::No;
        }
        match coded {
            Coded::No => put_raw(plain, is_last, out),
            Coded::OneByte => {
                put_header(BlockKind::OneByte, plain.len(), is_last, out);
                out.extend(plain.first());
            }
            Coded::Codes { reused } => {
                let bytes = size + compressed_header_bytes(size, plain.len()) + 1;
                put_header(BlockKind::Compressed, bytes, is_last, out);
                put_compressed_header(reused, size, plain.len(), out);
                out.extend_from_slice(self.literals.out.bytes());
                // No sequences.
                out.push(0);
                self.literals.allow_reuse();
            }
        }
    }
}

/// Whether the one match of a block repeats its first byte.
fn is_one_byte(found: &Found) -> bool {
    match found.sequences.as_slice() {
        [one] => {
            let literals = found.literals.len();
            literals <= 1 && one.literals as usize == literals && one.offset == new_offset(1)
        }
        _ => false,
    }
}

fn header(kind: BlockKind, size: usize, is_last: bool) -> [u8; HEADER_BYTES] {
    let [a, b, c, _] = ((size as u32) << 3 | (kind as u32) << 1 | u32::from(is_last)).to_le_bytes();
    [a, b, c]
}

fn put_header(kind: BlockKind, size: usize, is_last: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&header(kind, size, is_last));
}

/// Appends a raw block.
pub(super) fn put_raw(plain: &[u8], is_last: bool, out: &mut Vec<u8>) {
    put_header(BlockKind::Raw, plain.len(), is_last, out);
    out.extend_from_slice(plain);
}

fn raw_header_bytes(literals: usize) -> usize {
    match literals {
        0..16 => 1,
        16..2048 => 2,
        _ => 3,
    }
}

/// The header of literals that are not coded, or of one byte.
fn put_raw_literals_header(kind: LiteralsKind, literals: usize, out: &mut Vec<u8>) {
    let bytes = raw_header_bytes(literals);
    let value = match bytes {
        1 => literals << 3,
        2 => 1 << 2 | literals << 4,
        _ => 3 << 2 | literals << 4,
    };
    out.extend_from_slice(&((value | kind as usize) as u64).to_le_bytes()[..bytes]);
}

fn compressed_header_bytes(size: usize, literals: usize) -> usize {
    match size.max(literals) {
        0..0x400 => 3,
        0x400..0x4000 => 4,
        _ => 5,
    }
}

fn put_compressed_header(reused: bool, size: usize, literals: usize, out: &mut Vec<u8>) {
    let kind = if reused { LiteralsKind::Treeless } else { LiteralsKind::Compressed };
    let bytes = compressed_header_bytes(size, literals);
    let (format, bits) = match bytes {
        3 => (u64::from(literals >= FOUR_STREAMS_FROM), 10),
        4 => (2, 14),
        _ => (3, 18),
    };
    let value = kind as u64 | format << 2 | (literals as u64) << 4 | (size as u64) << (4 + bits);
    out.extend_from_slice(&value.to_le_bytes()[..bytes]);
}
