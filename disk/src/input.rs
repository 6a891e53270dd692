//! Checked reading of an image, and numbers in what was read.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::{DiskError, DiskKind, ReadAt};

/// An image that is read as a format. Nothing is allocated for bytes that it does not have.
pub(crate) struct Input<'i> {
    pub(crate) image: &'i dyn ReadAt,
    pub(crate) kind: DiskKind,
    /// The block that was read last by [`Input::near()`], and where it lies.
    near: RefCell<(u64, Vec<u8>)>,
}

/// The number of bytes that [`Input::near()`] reads at a time.
const NEAR_BYTES: u64 = 4096;

impl<'i> Input<'i> {
    pub(crate) fn new(image: &'i dyn ReadAt, kind: DiskKind) -> Self {
        Self { image, kind, near: RefCell::default() }
    }

    /// Reads bytes, which the image must have, and not as holes alone.
    pub(crate) fn read(&self, at: u64, bytes: u64, what: &'static str) -> Result<Vec<u8>, DiskError> {
        let there = at.checked_add(bytes).is_some_and(|end| end <= self.image.bytes());
        let there = there && bytes <= self.image.most_bytes();
        let len = usize::try_from(bytes).ok().filter(|_| there).ok_or_else(|| self.damaged(what))?;
        let mut out = vec![0; len];
        self.image.read_exact_at(&mut out, at)?;
        Ok(out)
    }

    /// Reads a few bytes near those that were read before, such as the next inode of a table.
    pub(crate) fn near(&self, at: u64, bytes: usize, what: &'static str) -> Result<Vec<u8>, DiskError> {
        let mut near = self.near.borrow_mut();
        let within = |near: &(u64, Vec<u8>)| {
            let from = usize::try_from(at.checked_sub(near.0)?).ok()?;
            near.1.get(from..from.checked_add(bytes)?).map(<[u8]>::to_vec)
        };
        if let Some(found) = within(&near) {
            return Ok(found);
        }
        let start = at - at % NEAR_BYTES;
        let len = NEAR_BYTES.min(self.image.bytes().saturating_sub(start));
        *near = (start, self.read(start, len, what)?);
        match within(&near) {
            Some(found) => Ok(found),
            None => self.read(at, bytes as u64, what),
        }
    }

    pub(crate) fn damaged(&self, what: &'static str) -> DiskError {
        DiskError::Damaged { kind: self.kind, what }
    }

    pub(crate) fn unsupported(&self, feature: &'static str) -> DiskError {
        DiskError::Unsupported { kind: self.kind, feature }
    }
}

/// Two little-endian bytes; 0 if they are not there.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |&found| u16::from_le_bytes(found))
}

/// Four little-endian bytes; 0 if they are not there.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |&found| u32::from_le_bytes(found))
}

/// Eight little-endian bytes; 0 if they are not there.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |&found| u64::from_le_bytes(found))
}

/// Four big-endian bytes; 0 if they are not there.
pub(crate) fn u32_be_at(bytes: &[u8], at: usize) -> u32 {
    u32_at(bytes, at).swap_bytes()
}

/// Eight big-endian bytes; 0 if they are not there.
pub(crate) fn u64_be_at(bytes: &[u8], at: usize) -> u64 {
    u64_at(bytes, at).swap_bytes()
}

/// A set of numbers below a bound. Its memory follows the numbers that it has, since an image may be nearly all holes.
#[derive(Debug)]
pub(crate) struct NumberSet {
    bound: u64,
    /// Of 64 numbers that follow each other, a bit for each.
    words: HashMap<u64, u64>,
}

impl NumberSet {
    /// An empty set of numbers below `bound`.
    pub(crate) fn new(bound: u64) -> Self {
        Self { bound, words: HashMap::new() }
    }

    /// Adds a number. Returns whether it is new, and below the bound.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if number >= self.bound {
            return false;
        }
        let (word, bit) = (self.words.entry(number / 64).or_default(), 1 << (number % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}
