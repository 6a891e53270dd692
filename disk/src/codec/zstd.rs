//! Blocks by zstd's own library, each a whole frame (RFC 8878).

use regrow_zstd::{Beginning, KnownEncoder, Reencoder};

use super::BlockError;

pub(super) fn decode(stored: &[u8], most: usize) -> Result<Vec<u8>, BlockError> {
    let plain = zstd::bulk::decompress(stored, most).map_err(|_| BlockError::Damaged)?;
    if plain.is_empty() { Err(BlockError::Damaged) } else { Ok(plain) }
}

/// The encoders that make this block, the likelier ones first. No file system is written by klauspost's library.
pub(super) fn candidates(stored: &[u8]) -> Vec<KnownEncoder> {
    let Some(beginning) = Beginning::of(stored) else { return Vec::new() };
    beginning.encoders().filter(|known| matches!(known, KnownEncoder::Libzstd(_))).collect()
}

pub(super) fn encode(known: KnownEncoder, plain: &[u8]) -> Result<Vec<u8>, BlockError> {
    let (mut encoder, mut made) = (Reencoder::new(known, plain.len() as u64), Vec::new());
    encoder.write(plain, &mut made);
    encoder.finish(&mut made);
    if made.is_empty() { Err(BlockError::NotMade("libzstd")) } else { Ok(made) }
}
