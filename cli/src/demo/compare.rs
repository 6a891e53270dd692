//! The comparison of two files, byte for byte.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use regrow_sync::SyncError;

const BLOCK_BYTES: usize = 1 << 20;

/// Whether two files hold the same bytes.
pub(super) fn is_identical(one: &Path, other: &Path) -> Result<bool, SyncError> {
    let open = |path: &Path| {
        File::open(path).map(|file| BufReader::with_capacity(BLOCK_BYTES, file)).map_err(SyncError::io(path))
    };
    compare(&mut open(one)?, &mut open(other)?).map_err(SyncError::io(other))
}

fn compare(one: &mut impl BufRead, other: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let common = left.len().min(right.len());
        if common == 0 {
            return Ok(left.len() == right.len());
        }
        if left[..common] != right[..common] {
            return Ok(false);
        }
        one.consume(common);
        other.consume(common);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_bytes_count() {
        let same = |one: &[u8], other: &[u8]| {
            let (mut one, mut other) = (BufReader::with_capacity(3, one), BufReader::with_capacity(5, other));
            compare(&mut one, &mut other).unwrap()
        };
        assert!(same(b"", b"") && same(b"0123456789", b"0123456789"));
        assert!(!same(b"0123456789", b"012345678") && !same(b"", b"0") && !same(b"0123456789", b"0123456x89"));
    }
}
