//! Reading bits, the least significant first (RFC 1951, 3.1.1), from a stream that arrives in pieces.

/// Bits of what was read ahead and of a piece of the stream.
pub(crate) struct BitReader<'a> {
    held: u64,
    count: u32,
    stored: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Bits that were read ahead, and the piece that follows them.
    pub(crate) fn new(ahead: (u64, u32), stored: &'a [u8]) -> Self {
        Self { held: ahead.0, count: ahead.1, stored, at: 0 }
    }

    /// The bits that were read ahead of what was taken, once all of the piece was read.
    pub(crate) fn ahead(&self) -> (u64, u32) {
        (if self.count == 0 { 0 } else { self.held & (u64::MAX >> (64 - self.count)) }, self.count)
    }

    /// Bytes of the piece that were not read.
    pub(crate) fn unread(&self) -> &'a [u8] {
        &self.stored[self.at..]
    }

    /// Takes whole bytes of the piece, where no bits of others are held.
    pub(crate) fn take_bytes(&mut self, most: usize) -> &'a [u8] {
        if self.count > 0 {
            return &[];
        }
        let now = most.min(self.stored.len() - self.at);
        (self.at, self.held) = (self.at + now, 0);
        &self.stored[self.at - now..self.at]
    }

    /// The bits that were read ahead with their number, and the bytes of the piece that were not read.
    #[inline(always)]
    pub(crate) fn state(&self) -> (u64, u32, &'a [u8]) {
        (self.held, self.count, self.unread())
    }

    /// Goes on from a later state.
    #[inline(always)]
    pub(crate) fn set_state(&mut self, held: u64, count: u32, unread: &[u8]) {
        (self.held, self.count, self.at) = (held, count, self.stored.len().saturating_sub(unread.len()));
    }

    /// Reads ahead as much as there is room for.
    #[inline(always)]
    pub(crate) fn fill(&mut self) {
        if let Some(word) = self.stored.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            self.held |= u64::from_le_bytes(*word) << self.count;
            self.at += ((63 - self.count) >> 3) as usize;
            self.count |= 56;
            return;
        }
        while self.count < 56 && self.at < self.stored.len() {
            self.held |= u64::from(self.stored[self.at]) << self.count;
            self.at += 1;
            self.count += 8;
        }
    }

    /// The bits that were read ahead, the next one lowest. Above [`BitReader::count`] there may be bits of what comes
    /// then.
    #[inline(always)]
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    #[inline(always)]
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Passes bits by that are there.
    #[inline(always)]
    pub(crate) fn drop(&mut self, count: u32) {
        self.held >>= count;
        self.count -= count;
    }

    /// The next bits, at most 32, if they are there.
    pub(crate) fn take(&mut self, count: u32) -> Option<u64> {
        if self.count < count {
            self.fill();
        }
        if self.count < count {
            return None;
        }
        let bits = self.held & ((1u64 << count) - 1);
        self.drop(count);
        Some(bits)
    }

    /// Whether all of the piece was read.
    #[inline(always)]
    pub(crate) fn is_exhausted(&self) -> bool {
        self.at == self.stored.len()
    }

    /// The number of bytes of the piece that were read.
    pub(crate) fn taken(&self) -> usize {
        self.at
    }

    /// Gives whole bytes that were read ahead back to the piece, as far as they are of it.
    pub(crate) fn give_back(&mut self) {
        let bytes = (self.count / 8).min(self.at as u32);
        self.at -= bytes as usize;
        self.count -= 8 * bytes;
        self.held &= (1 << self.count) - 1;
    }
}
