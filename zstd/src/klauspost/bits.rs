//! Bits, the lowest of a byte first.

/// Writes bits into a buffer that it keeps from one stream to the next.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// The number of whole bytes that were written.
    at: usize,
    pending: u64,
    pending_bits: u32,
}

/// The bytes by which the buffer grows at least.
const ROOM_BYTES: usize = 1 << 14;

impl BitWriter {
    /// Starts from an empty buffer.
    pub(crate) fn clear(&mut self) {
        (self.at, self.pending, self.pending_bits) = (0, 0, 0);
    }

    /// The number of bytes, right after [`BitWriter::close`] or [`BitWriter::put_bytes`].
    pub(crate) fn len(&self) -> usize {
        self.at
    }

    /// The bytes, right after [`BitWriter::close`] or [`BitWriter::put_bytes`].
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.at).unwrap_or_default()
    }

    /// Writes whole bytes. No bits are pending.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.at);
        self.bytes.extend_from_slice(bytes);
        self.at = self.bytes.len();
    }

    /// Overwrites bytes that were written.
    pub(super) fn set_bytes(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// Adds the lowest bits of a value that has no higher ones. There are at most 56 bits between two flushes.
    #[inline(always)]
    pub(super) fn put(&mut self, value: u64, bits: u32) {
        self.pending |= value << (self.pending_bits & 63);
        self.pending_bits += bits;
    }

    /// Adds the lowest bits of a value.
    #[inline(always)]
    pub(super) fn put_low(&mut self, value: u64, bits: u32) {
        self.put(value & ((1 << (bits & 63)) - 1), bits);
    }

    /// Writes whole bytes out: less than a byte is pending then.
    #[inline(always)]
    pub(super) fn flush(&mut self) {
        if self.at + 8 > self.bytes.len() {
            self.grow();
        }
        if let Some(place) = self.bytes.get_mut(self.at..self.at + 8) {
            place.copy_from_slice(&self.pending.to_le_bytes());
        }
        let bits = self.pending_bits & 0x38;
        self.at += (bits >> 3) as usize;
        self.pending >>= bits;
        self.pending_bits &= 7;
    }

    #[cold]
    fn grow(&mut self) {
        self.bytes.resize(2 * self.at + ROOM_BYTES, 0);
    }

    /// Ends a stream: a bit that is set, then zeros up to the end of the byte.
    pub(super) fn close(&mut self) {
        self.flush();
        self.put(1, 1);
        self.pending_bits = self.pending_bits.next_multiple_of(8);
        self.flush();
    }
}
