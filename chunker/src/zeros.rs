//! Telling zeros from other bytes.

/// How many bytes are looked at between two decisions.
const PIECE_BYTES: usize = 256;

/// Whether all bytes are zero. Bytes that are not are mostly told by the first few.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().take(16).all(|&byte| byte == 0)
        && bytes.chunks(PIECE_BYTES).all(|piece| piece.iter().fold(0, |all, &byte| all | byte) == 0)
}
