//! Bits of a frame, read forwards and backwards.

/// The most bits that are taken at a time.
const MAX_BITS: u32 = 32;

/// The eight bytes from `at` on; zeros where there are none.
fn load(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => rest.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    }
}

fn bits_at(bytes: &[u8], at: usize, bits: u32) -> u32 {
    debug_assert!(bits <= MAX_BITS);
    (load(bytes, at >> 3) >> (at & 7) & ((1 << bits) - 1)) as u32
}

/// Reads bits from the beginning, the lowest of each byte first.
pub(super) struct ForwardBits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ForwardBits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next bits, which are not taken; zeros behind the end.
    pub(super) fn peek(&self, bits: u32) -> u32 {
        bits_at(self.bytes, self.at, bits)
    }

    /// Takes bits; `None` if there are not that many.
    pub(super) fn take(&mut self, bits: u32) -> Option<u32> {
        let value = self.peek(bits);
        self.at += bits as usize;
        (self.at <= 8 * self.bytes.len()).then_some(value)
    }

    /// The number of bytes of which bits were taken.
    pub(super) fn bytes_taken(&self) -> usize {
        self.at.div_ceil(8)
    }
}

/// Reads bits from the end, where a bit that is set closes the stream.
pub(super) struct BackwardBits<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> BackwardBits<'a> {
    /// `None`: the last byte has no bit that is set.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let last = bytes.last().filter(|last| **last > 0)?;
        Some(Self { bytes, left: 8 * bytes.len() - last.leading_zeros() as usize - 1 })
    }

    /// The number of bits that are left.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Takes bits; `None` if there are not that many.
    #[inline(always)]
    pub(super) fn take(&mut self, bits: u32) -> Option<u32> {
        self.left = self.left.checked_sub(bits as usize)?;
        Some(bits_at(self.bytes, self.left, bits))
    }
}
