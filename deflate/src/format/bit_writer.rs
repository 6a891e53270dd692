//! Writing bits, the least significant first (RFC 1951, 3.1.1).

const BUFFER_BYTES: usize = 1 << 12;
/// What one `put` may store at once.
const WORD_BYTES: usize = 8;

/// Collects bits into bytes. Between calls, fewer than eight bits wait.
pub(crate) struct BitWriter {
    waiting: u64,
    waiting_bits: u32,
    buffer: Box<[u8; BUFFER_BYTES + WORD_BYTES]>,
    buffered: usize,
    out: Vec<u8>,
}

impl BitWriter {
    pub(crate) fn new() -> Self {
        Self {
            waiting: 0,
            waiting_bits: 0,
            buffer: Box::new([0; BUFFER_BYTES + WORD_BYTES]),
            buffered: 0,
            out: Vec::new(),
        }
    }

    /// Appends the lowest `bits` bits of `value`, at most 56; those above are zero.
    #[inline(always)]
    pub(crate) fn put(&mut self, value: u64, bits: u32) {
        debug_assert!(bits <= 56 && value >> bits == 0);
        self.waiting |= value << self.waiting_bits;
        self.waiting_bits += bits;
        if self.buffered >= BUFFER_BYTES {
            self.drain();
        }
        self.buffer[self.buffered..self.buffered + WORD_BYTES].copy_from_slice(&self.waiting.to_le_bytes());
        self.buffered += (self.waiting_bits >> 3) as usize;
        self.waiting >>= self.waiting_bits & 56;
        self.waiting_bits &= 7;
    }

    /// Bits that do not fill a byte yet.
    pub(crate) fn odd_bits(&self) -> u32 {
        self.waiting_bits
    }

    /// Fills the last byte with zeros.
    pub(crate) fn align(&mut self) {
        self.put(0, (8 - self.waiting_bits) & 7);
    }

    /// A stored block's content; what is before it ends with a whole byte.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        self.drain();
        self.out.extend_from_slice(bytes);
    }

    /// Moves all whole bytes to the end of `out`.
    pub(crate) fn append_to(&mut self, out: &mut Vec<u8>) {
        self.drain();
        out.append(&mut self.out);
    }

    fn drain(&mut self) {
        self.out.extend_from_slice(&self.buffer[..self.buffered]);
        self.buffered = 0;
    }
}
