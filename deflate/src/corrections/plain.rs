//! The last plain bytes, and a checksum of all.

use zlib_rs::crc32::crc32;

use crate::format::structure::{MAX_DISTANCE, Token};

/// Bytes that are not needed any more are dropped when there are this many.
const SLACK_BYTES: usize = 64 << 10;

pub(super) struct Plain {
    bytes: Vec<u8>,
    /// The place where these begin.
    start: u64,
    sum: u32,
    /// The number of these that are in the checksum.
    hashed: usize,
}

impl Plain {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, sum: 0, hashed: 0 }
    }

    /// Adds a token's bytes; its distance is within what there is.
    pub(super) fn token(&mut self, token: Token) {
        let Some((_, distance)) = token.as_match() else { return self.bytes.extend(token.as_literal()) };
        let (mut left, distance) = (usize::from(token.plain_bytes()), usize::from(distance));
        let start = self.bytes.len().saturating_sub(distance);
        while left > 0 {
            // What was repeated already is repeated too.
            let now = left.min(self.bytes.len() - start);
            if now == 0 {
                return;
            }
            self.bytes.extend_from_within(start..start + now);
            left -= now;
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The place where what is known ends.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The bytes from a place on.
    pub(super) fn from(&self, place: u64) -> &[u8] {
        let at = place.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.bytes.get(at..)).unwrap_or_default()
    }

    /// Drops what lies before a place and beyond the reach of matches.
    pub(super) fn trim(&mut self, place: u64) {
        let needed = place.saturating_sub(MAX_DISTANCE.into());
        let passed = needed.saturating_sub(self.start).min(self.bytes.len() as u64) as usize;
        if passed >= SLACK_BYTES {
            self.hash();
            self.bytes.drain(..passed);
            (self.start, self.hashed) = (self.start + passed as u64, self.bytes.len());
        }
    }

    fn hash(&mut self) {
        self.sum = crc32(self.sum, &self.bytes[self.hashed..]);
        self.hashed = self.bytes.len();
    }

    /// The number of bytes, and their checksum.
    pub(super) fn sum(mut self) -> (u64, u32) {
        self.hash();
        (self.start + self.bytes.len() as u64, self.sum)
    }
}
