//! Comparing bytes.

/// The number of bytes that `a` and `b` have in common at their beginnings. `a` is no longer than `b`.
#[inline(always)]
pub(crate) fn common_bytes(a: &[u8], b: &[u8]) -> usize {
    let b = &b[..a.len()];
    let (a_words, a_rest) = a.as_chunks::<8>();
    let (b_words, b_rest) = b.as_chunks::<8>();
    for (number, (a, b)) in a_words.iter().zip(b_words).enumerate() {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return number * 8 + (difference.trailing_zeros() / 8) as usize;
        }
    }
    a_words.len() * 8 + a_rest.iter().zip(b_rest).take_while(|(a, b)| a == b).count()
}
