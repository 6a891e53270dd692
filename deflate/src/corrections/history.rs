//! The places where plain bytes were met before, which tell the distances of matches in few bits: of the places that a
//! match of some length may come from, encoders mostly take the nearest.

use crate::common_bytes::common_bytes;

use super::plain::Plain;
use crate::format::structure::{MAX_DISTANCE, MAX_MATCH, MIN_MATCH};

/// The most places that are looked at.
pub(super) const MAX_PLACES: usize = 512;
const HASH_BITS: u32 = 15;
const WINDOW: u64 = MAX_DISTANCE as u64;

/// The places by the three bytes that begin there, in chains.
pub(super) struct History {
    heads: Vec<u64>,
    /// The distance from a place to the next one of its chain; 0 for none.
    gaps: Vec<u16>,
    /// Places before this are in.
    next: u64,
    found: Vec<Candidate>,
}

/// A place that a match may come from.
#[derive(Clone, Copy)]
struct Candidate {
    distance: u16,
    /// The longest that the match may be.
    length: u16,
}

impl History {
    pub(super) fn new() -> Self {
        Self { heads: vec![0; 1 << HASH_BITS], gaps: vec![0; WINDOW as usize], next: 0, found: Vec::new() }
    }

    /// Finds matches for the bytes at a place; [`MAX_MATCH`] bytes from there on are known, or all.
    pub(super) fn find(&mut self, plain: &Plain, place: u64) {
        self.found.clear();
        self.add(plain, place);
        let start = place.saturating_sub(WINDOW);
        let window = plain.from(start);
        let Some(bytes) = window.get((place - start) as usize..) else { return };
        let bytes = &bytes[..bytes.len().min(MAX_MATCH.into())];
        let Some(three) = bytes.first_chunk::<3>() else { return };
        // Heads are one too many, so that 0 says none.
        let mut before = self.heads[hash(three)];
        let mut looked_at = 0;
        while let Some(at) = before.checked_sub(1)
            && place - at <= WINDOW
            && looked_at < MAX_PLACES
        {
            looked_at += 1;
            let length = common_bytes(bytes, &window[(at - start) as usize..]) as u16;
            if length >= MIN_MATCH {
                self.found.push(Candidate { distance: (place - at) as u16, length });
            }
            // No encoder looks for more; long runs of a byte would take long.
            if usize::from(length) == bytes.len() {
                return;
            }
            let gap = u64::from(self.gaps[(at % WINDOW) as usize]);
            before = if gap == 0 { 0 } else { before.saturating_sub(gap) };
        }
    }

    /// Adds the places before one.
    fn add(&mut self, plain: &Plain, place: u64) {
        let start = self.next.max(place.saturating_sub(WINDOW));
        let bytes = plain.from(start);
        for (at, three) in (start..place).zip(bytes.windows(3)) {
            let head = &mut self.heads[hash(three)];
            let gap = if *head == 0 { 0 } else { at + 1 - *head };
            self.gaps[(at % WINDOW) as usize] = if gap <= WINDOW { gap as u16 } else { 0 };
            *head = at + 1;
        }
        self.next = self.next.max(place);
    }

    /// The longest match that was found.
    pub(super) fn longest(&self) -> u16 {
        self.found.iter().map(|found| found.length).max().unwrap_or(MIN_MATCH)
    }

    /// The number of nearer places that a match of this length may come from.
    pub(super) fn rank(&self, length: u16, distance: u16) -> Option<usize> {
        self.of_length(length).position(|found| found == distance)
    }

    /// The distance of that rank.
    pub(super) fn distance(&self, length: u16, rank: usize) -> Option<u16> {
        self.of_length(length).nth(rank)
    }

    fn of_length(&self, length: u16) -> impl Iterator<Item = u16> {
        self.found.iter().filter(move |found| found.length >= length).map(|found| found.distance)
    }
}

fn hash(three: &[u8]) -> usize {
    let number = three.iter().fold(0, |number: u32, &byte| number << 8 | u32::from(byte));
    (number.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}
