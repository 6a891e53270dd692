//! Inflating with bounds.

use flate2::{Decompress, FlushDecompress, Status};

use crate::error::DeflateError;

const PIECE_BYTES: usize = 32 << 10;

/// The plain bytes of a raw deflate stream (RFC 1951).
///
/// Memory follows the plain bytes that there are, not what is allowed.
///
/// # Errors
///
/// [`DeflateError::TooLong`] for more than `max_plain` plain bytes, [`DeflateError::Trailing`] where the stream does
/// not fill `stored`, and those of bytes that are no stream.
pub fn inflate(stored: &[u8], max_plain: usize) -> Result<Vec<u8>, DeflateError> {
    let mut plain = Vec::new();
    let stream_bytes = inflate_start(stored, max_plain, |piece| plain.extend_from_slice(piece))?;
    if stream_bytes < stored.len() {
        return Err(DeflateError::Trailing(stored.len() - stream_bytes));
    }
    Ok(plain)
}

/// The number of bytes of the raw deflate stream at the start of `bytes`, and that of its plain bytes.
///
/// # Errors
///
/// [`DeflateError::TooLong`] for more than `max_plain` plain bytes, and those of bytes that are no stream.
pub fn measure(bytes: &[u8], max_plain: usize) -> Result<(usize, usize), DeflateError> {
    let mut plain_bytes = 0;
    let stream_bytes = inflate_start(bytes, max_plain, |piece| plain_bytes += piece.len())?;
    Ok((stream_bytes, plain_bytes))
}

/// Inflates the stream at the start of `bytes`, giving `sink` its plain bytes in pieces; the stream's length.
pub(crate) fn inflate_start(
    bytes: &[u8],
    max_plain: usize,
    mut sink: impl FnMut(&[u8]),
) -> Result<usize, DeflateError> {
    let mut decompress = Decompress::new(false);
    let mut piece = vec![0; PIECE_BYTES];
    let (mut taken, mut plain_bytes) = (0, 0);
    loop {
        let (taken_before, given_before) = (decompress.total_in(), decompress.total_out());
        let status = decompress
            .decompress(&bytes[taken..], &mut piece, FlushDecompress::None)
            .map_err(|_| DeflateError::Damaged)?;
        // Both are differences within a slice.
        let (took, gave) =
            ((decompress.total_in() - taken_before) as usize, (decompress.total_out() - given_before) as usize);
        taken += took;
        plain_bytes += gave;
        if plain_bytes > max_plain {
            return Err(DeflateError::TooLong(max_plain));
        }
        sink(&piece[..gave]);
        match status {
            Status::StreamEnd => return Ok(taken),
            _ if took == 0 && gave == 0 => return Err(DeflateError::Cut),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One fixed block holding "a".
    const A: [u8; 3] = [0x4b, 0x04, 0x00];

    #[test]
    fn exactly_one_stream() {
        assert_eq!(inflate(&A, 1).unwrap(), b"a");
        assert_eq!(inflate(&A, 0), Err(DeflateError::TooLong(0)));
        assert_eq!(inflate(&A[..2], 9), Err(DeflateError::Cut));
        assert_eq!(inflate(&[A.as_slice(), &A].concat(), 9), Err(DeflateError::Trailing(3)));
        assert_eq!(inflate(&[7], 9), Err(DeflateError::Damaged));
        assert_eq!(inflate(&[], 9), Err(DeflateError::Cut));
        assert_eq!(measure(&[A.as_slice(), &A].concat(), 9).unwrap(), (3, 1));
        assert_eq!(measure(&A, 0), Err(DeflateError::TooLong(0)));
    }

    #[test]
    fn a_bomb_is_bounded() {
        let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
        let mut bomb = Vec::with_capacity(1 << 20);
        compress.compress_vec(&vec![0; 64 << 20], &mut bomb, flate2::FlushCompress::Finish).unwrap();
        assert!(bomb.len() < 100 << 10);
        assert_eq!(inflate(&bomb, 1 << 20), Err(DeflateError::TooLong(1 << 20)));
    }
}
