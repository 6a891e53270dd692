//! The tokens of a block, as bits, and how many bits a stored block takes.

use super::tokens::Token;
use crate::encoders::huffman::{DistanceCodes, LiteralCodes};
use crate::format::bit_writer::BitWriter;
use crate::format::tables::MAX_STORED_BYTES;

/// The number of bits a stored block of this many bytes takes, if one may hold them.
pub(super) fn stored_size(bytes: usize) -> Option<usize> {
    (bytes <= MAX_STORED_BYTES).then_some((bytes + 5) * 8)
}

/// Writes all the tokens; not the end of the block.
pub(super) fn write_tokens(bits: &mut BitWriter, tokens: &[Token], literals: &LiteralCodes, distances: &DistanceCodes) {
    let mut run = bits.run();
    for &token in tokens {
        match token.literal() {
            Some(literal) => run.put_code(literals.0[usize::from(literal)]),
            None => {
                let matched = (token.length(), token.distance(), token.distance_symbol());
                run.put_match(matched, &literals.0, &distances.0);
            }
        }
    }
    run.done();
}
