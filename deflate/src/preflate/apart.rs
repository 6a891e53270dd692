//! Taking a stream apart, and putting it together again.

use cabac::Budget;
use preflate_rs::{PreflateConfig, PreflateStreamProcessor, recreate_whole_deflate_stream};

use crate::error::DeflateError;
use crate::inflate::whole::inflate;
use crate::preflate::contained::contained;
use crate::preflate::packed;

/// Stands in patch files: which rebuilder the corrections are for. Goes up with each change of what [`rebuild`] makes
/// of the same bytes, so with each other version of preflate-rs.
pub const REBUILDER_VERSION: u32 = 1;

/// Longer hash chains than gzip's and zlib's level 9 are not followed: time for one byte is bounded by this.
pub(crate) const MAX_CHAIN: u32 = 4096;

/// Blocks that do not end as the compressor's buffer makes them are as long as this, on average, or few: for each
/// preflate-rs takes 3 KB.
const BLOCK_BYTES: usize = 64;
const FEW_BLOCKS: usize = 64;

/// A deflate stream's two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    /// The plain bytes.
    pub plain: Vec<u8>,
    /// The corrections that [`rebuild`] needs besides.
    pub corrections: Vec<u8>,
}

/// Takes a raw deflate stream apart so that [`rebuild`] gives exactly it again, which is verified.
///
/// `None` where that does not work: what is no stream, one of more than `max_plain` plain bytes, and one whose
/// compressor is foreign, so that the corrections would be more than a quarter of it and 64 bytes.
#[must_use]
pub fn take_apart(stored: &[u8], max_plain: usize) -> Option<Apart> {
    let plain = inflate(stored, max_plain).ok()?;
    let exact = |corrections: &Vec<u8>| rebuild(&plain, corrections, stored.len()).is_ok_and(|back| back == stored);
    let corrections = packed::candidates(stored, &plain).find(exact)?;
    Some(Apart { plain, corrections })
}

/// The deflate stream that `plain` and `corrections` were taken from. The same on every machine.
///
/// # Errors
///
/// [`DeflateError::TooLong`] where it is longer than `max_stored` bytes; [`DeflateError::Corrections`] where the two do
/// not belong together. Not every mismatch is noticed: the caller must verify what is rebuilt by its hash.
pub fn rebuild(plain: &[u8], corrections: &[u8], max_stored: usize) -> Result<Vec<u8>, DeflateError> {
    if corrections.len() > max_corrections(max_stored) {
        return Err(DeflateError::Corrections);
    }
    let theirs = packed::unpacked(corrections, budget(plain.len(), max_stored)).ok_or(DeflateError::Corrections)?;
    let stored = recreated(plain, &theirs).ok_or(DeflateError::Corrections)?;
    if stored.len() > max_stored {
        return Err(DeflateError::TooLong(max_stored));
    }
    Ok(stored)
}

/// How much preflate-rs may read of corrections: a bit for each bit of the stream, a block for each [`BLOCK_BYTES`],
/// and a token for each plain byte, since no token stands for less. Each costs it a bounded time and memory, but not
/// the input a byte: wrong corrections could keep it busy for ever.
fn budget(plain_bytes: usize, max_stored: usize) -> Budget {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Budget {
        bits: number(max_stored.saturating_mul(8)).saturating_add(4096),
        blocks: number(max_stored / BLOCK_BYTES + FEW_BLOCKS),
        tokens: number(plain_bytes),
    }
}

/// preflate-rs's own corrections, by the parameters that it estimates.
pub(crate) fn predicted(stored: &[u8], plain_bytes: usize) -> Option<Vec<u8>> {
    let config =
        PreflateConfig { max_chain_length: MAX_CHAIN, plain_text_limit: plain_bytes + 1024, verify_compression: false };
    contained(|| {
        let mut processor = PreflateStreamProcessor::new(&config);
        let chunk = processor.decompress(stored).ok()?;
        (processor.is_done() && chunk.compressed_size == stored.len()).then_some(chunk.corrections)
    })
    .flatten()
}

/// The stream that preflate-rs rebuilds.
pub(crate) fn recreated(plain: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    contained(|| recreate_whole_deflate_stream(plain, theirs).ok()).flatten()
}

pub(crate) fn max_corrections(stored_bytes: usize) -> usize {
    stored_bytes / 4 + 64
}

#[cfg(test)]
mod tests;
