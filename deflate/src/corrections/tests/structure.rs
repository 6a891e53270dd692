//! The parser and the writer.

use proptest::prelude::*;

use super::data::*;
use crate::DeflateError;
use crate::format::parser::Parser;
use crate::format::structure::*;
use crate::format::writer::StreamWriter;

/// Writes what the parser says at once.
struct Copy {
    writer: StreamWriter,
    is_stored: bool,
}

impl Copy {
    fn new() -> Self {
        Self { writer: StreamWriter::new(), is_stored: false }
    }
}

impl Sink for Copy {
    fn block(&mut self, block: BlockStart) {
        self.is_stored = matches!(block.kind, BlockKind::Stored { .. });
        self.writer.block(&block).unwrap();
    }

    fn token(&mut self, token: Token) {
        self.writer.token(token).unwrap();
    }

    fn stored(&mut self, bytes: &[u8]) {
        self.writer.stored(bytes);
    }

    fn end_of_block(&mut self, _end_bit: u64) {
        if !self.is_stored {
            self.writer.end_of_block().unwrap();
        }
    }

    fn end(&mut self, padding: u8) {
        self.writer.pad(padding);
    }
}

fn copied(stream: &[u8], piece_bytes: usize) -> Result<Vec<u8>, DeflateError> {
    let (mut parser, mut copy, mut out) = (Parser::new(), Copy::new(), Vec::new());
    stream.chunks(piece_bytes).try_for_each(|piece| parser.push(piece, &mut copy))?;
    copy.writer.bits.append_to(&mut out);
    if parser.is_ended() { Ok(out) } else { Err(DeflateError::Cut) }
}

#[test]
fn all_encoders() {
    for (seed, len) in [0, 1, 100, 70_000, 300_000].into_iter().enumerate() {
        let plain = mixed(seed as u64, len);
        for number in 0..60 {
            let stream = any_encoder(&plain, number);
            assert!(copied(&stream, [usize::MAX, 1, 7, 1000][usize::from(number) % 4]).unwrap() == stream, "{number}");
        }
    }
}

/// The longest match as 227 and 31, by hand: fixed codes, a literal, the match at distance 1, padding of ones.
#[test]
fn the_longest_match_in_its_other_form() {
    let mut bits = String::new();
    bits += "1"; // last
    bits += "10"; // fixed, the low bit first
    bits += "10010001"; // literal 0x61
    bits += "11000100"; // 284
    bits += "11111";
    bits += "00000";
    bits += "0000000";
    bits += &"1".repeat((8 - bits.len() % 8) % 8);
    let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | (bit - b'0'));
    let stream: Vec<u8> = bits.as_bytes().chunks(8).map(byte).collect();
    assert_eq!(crate::inflate(&stream, 1000).unwrap(), [b'a'; 259]);
    assert_eq!(copied(&stream, 1).unwrap(), stream);
}

/// Whether a stream is copied as it is, or refused for the reason that zlib has.
fn is_copied_or_refused_alike(stream: &[u8], piece_bytes: usize) -> bool {
    match (copied(stream, piece_bytes), crate::inflate(stream, 1 << 20)) {
        (Ok(copy), Ok(_)) => copy == stream,
        // Fewer bytes may be known to be behind the end.
        (Err(found), Err(expected)) => std::mem::discriminant(&found) == std::mem::discriminant(&expected),
        _ => false,
    }
}

/// The bits of a distance that there is none of are the last ones.
#[test]
fn a_distance_that_stands_for_nothing_at_the_end() {
    for piece_bytes in [1, 5] {
        assert_eq!(copied(&[90, 64, 193, 55], piece_bytes), Err(DeflateError::Damaged));
        assert_eq!(copied(&[90, 64, 193], piece_bytes), Err(DeflateError::Cut));
    }
}

proptest! {
    /// A stream that passes is exact; nothing panics.
    #[test]
    fn broken_streams(
        seed in any::<u64>(), len in 0usize..3000, number in any::<u8>(), piece_bytes in 1usize..300,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 0..3),
    ) {
        let mut stream = any_encoder(&mixed(seed, len), number);
        for (at, bit) in flips {
            let at = at.index(stream.len());
            stream[at] ^= 1 << bit;
        }
        prop_assert!(is_copied_or_refused_alike(&stream, piece_bytes));
    }

    #[test]
    fn any_bytes(stream in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(is_copied_or_refused_alike(&stream, 5));
    }
}
