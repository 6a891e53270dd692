//! Blocks by zstd's own library, each a whole frame (RFC 8878).

use regrow_zstd::{Beginning, FrameHeader, KnownEncoder, LIBZSTD_VERSION, Rebuilder, Reencoder};

use super::BlockError;
use regrow_zstd::put_number;

/// What stands for an encoder of libzstd, one that is called once for each frame, and its flags (docs/format/zstd.md).
const LIBZSTD_NUMBER: u64 = 0x1800;
const ONE_CALL: u64 = 0;
const HAS_CONTENT_SIZE: u64 = 1;
const HAS_CHECKSUM: u64 = 2;
const LEVELS: std::ops::RangeInclusive<u64> = 1..=22;
/// An encoder is near to a block if the corrections have at most this share of it.
const NEAR_SHARE: usize = 10;

pub(super) fn decode(stored: &[u8], most: usize) -> Result<Vec<u8>, BlockError> {
    let plain = zstd::bulk::decompress(stored, most).map_err(|_| BlockError::Damaged)?;
    if plain.is_empty() { Err(BlockError::Damaged) } else { Ok(plain) }
}

/// The bytes of the frame that begins here. Unless it states that it holds another number of plain bytes, it is taken to
/// hold these.
pub(super) fn measure(bytes: &[u8], plain_bytes: usize) -> Result<usize, BlockError> {
    let header = FrameHeader::parse(bytes).ok().flatten().ok_or(BlockError::Damaged)?;
    if header.plain_bytes.is_some_and(|stated| stated != plain_bytes as u64) {
        return Err(BlockError::Damaged);
    }
    let frame_bytes = zstd::zstd_safe::find_frame_compressed_size(bytes).map_err(|_| BlockError::Damaged)?;
    if frame_bytes > bytes.len() { Err(BlockError::Damaged) } else { Ok(frame_bytes) }
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

/// The encoder that comes nearest to this block of another version of libzstd, if one comes near.
pub(super) fn nearest(stored: &[u8], plain: &[u8]) -> Option<KnownEncoder> {
    let header = FrameHeader::parse(stored).ok()??;
    let flag = |is_set: bool, flag| if is_set { flag } else { 0 };
    let flags = flag(header.plain_bytes.is_some(), HAS_CONTENT_SIZE) | flag(header.has_checksum, HAS_CHECKSUM);
    let (mut most, mut nearest) = (stored.len() / NEAR_SHARE, None);
    for level in LEVELS {
        let mut written = Vec::new();
        for number in [LIBZSTD_NUMBER, LIBZSTD_VERSION.into(), level, ONE_CALL, flags, 0] {
            put_number(&mut written, number);
        }
        let known = KnownEncoder::take(&mut written.as_slice())?;
        let corrections = known.unavailable(plain.len() as u64).is_none();
        let corrections = corrections.then(|| regrow_zstd::corrections(known, plain, stored, most)).flatten();
        if let Some(corrections) = corrections {
            most = corrections.len().saturating_sub(1);
            nearest = Some(known);
        }
    }
    nearest
}

pub(super) fn encode_corrected(known: KnownEncoder, plain: &[u8], corrections: &[u8]) -> Result<Vec<u8>, BlockError> {
    let unfit = |_| BlockError::Corrections;
    let mut rebuilder = Rebuilder::new(known, plain.len() as u64, corrections).map_err(unfit)?;
    let mut made = Vec::new();
    rebuilder.write(plain, &mut made).map_err(unfit)?;
    rebuilder.finish(&mut made).map_err(unfit)?;
    Ok(made)
}
