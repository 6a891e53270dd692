//! Bytes and numbers that follow from a name.

/// Bytes that do not compress and that differ for each `name`.
pub fn noise(name: &str, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut out);
    out
}

/// A number below `below` that follows from `name`.
pub fn pick(name: &str, below: u64) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(number) % below
}
