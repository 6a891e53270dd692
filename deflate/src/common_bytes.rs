//! Comparing bytes.

/// The number of bytes that `a` and `b` have in common at their beginnings. `a` is no longer than `b`.
#[inline(always)]
pub(crate) fn common_bytes(a: &[u8], b: &[u8]) -> usize {
    let b = &b[..a.len()];
    let mut length = 0;
    for (x, y) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        let difference = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if difference != 0 {
            return length + (difference.trailing_zeros() >> 3) as usize;
        }
        length += 8;
    }
    length + a[length..].iter().zip(&b[length..]).take_while(|(x, y)| x == y).count()
}
