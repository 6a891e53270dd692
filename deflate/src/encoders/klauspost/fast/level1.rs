//! Levels 1 and 2: by the next five bytes.

use super::super::tokens::Tokens;
use super::history::{History, MAX_DISTANCE, Scan};
use super::table::{Table, hash5};

/// The search with a table of N hashes: 2^15 is level 1, 2^17 is level 2.
#[derive(Debug)]
pub(in super::super) struct Level1<const N: usize> {
    pub(super) history: History,
    table: Table<i32, N>,
}

struct Search<'a, const N: usize> {
    scan: Scan<'a>,
    table: &'a mut Table<i32, N>,
    at: i32,
    next: i32,
}

impl<const N: usize> Level1<N> {
    pub(super) fn new() -> Self {
        Self { history: History::new(), table: Table::new() }
    }

    pub(super) fn encode(&mut self, tokens: &mut Tokens, block: &[u8]) {
        if let Some(less) = self.history.rebase() {
            self.table.lower(less);
        }
        let Some(start) = self.history.add(block) else { return };
        let scan = Scan::new(&self.history, tokens, start);
        Search { scan, table: &mut self.table, at: start, next: start }.all();
    }
}

impl<const N: usize> Search<'_, N> {
    const IS_LEVEL_2: bool = N > 1 << 15;

    fn all(mut self) {
        let mut bytes = self.scan.load64(self.at);
        'search: while let Some(found) = self.find(bytes) {
            let mut before = found;
            loop {
                let length = self.scan.length(self.at + 4, before + 4) + 4;
                let (end, length) = self.scan.put(self.at, before, length);
                self.at = if self.next >= end { self.next + 1 } else { end };
                if self.at >= self.scan.limit {
                    if (self.at + length + 8) < self.scan.bytes.len() as i32 {
                        self.swap(self.scan.load64(self.at), self.at);
                    }
                    break 'search;
                }
                if Self::IS_LEVEL_2 {
                    self.index_match(length);
                }
                bytes = self.scan.load64(self.at - 2);
                self.swap(bytes, self.at - 2);
                if Self::IS_LEVEL_2 {
                    self.swap(bytes >> 8, self.at - 1);
                }
                bytes >>= 16;
                before = self.swap(bytes, self.at);
                if self.at - before > MAX_DISTANCE || self.scan.load32(before) != bytes as u32 {
                    break;
                }
            }
            bytes >>= 8;
            self.at += 1;
        }
        self.scan.put_rest();
    }

    /// The place where such bytes were seen before; they are now seen at `at`.
    #[inline(always)]
    fn swap(&mut self, bytes: u64, at: i32) -> i32 {
        let hash = hash5(bytes, N.trailing_zeros());
        let before = self.table.get(hash) - self.scan.base;
        self.table.set(hash, at + self.scan.base);
        before
    }

    #[inline(always)]
    fn matches(&self, before: i32, four: u32) -> bool {
        self.at - before < MAX_DISTANCE && self.scan.load32(before) == four
    }

    /// Two bytes in a row are looked at, then some are skipped.
    #[inline(always)]
    fn find(&mut self, mut bytes: u64) -> Option<i32> {
        loop {
            self.next = self.at + 2 + ((self.at - self.scan.done) >> 5);
            if self.next > self.scan.limit {
                return None;
            }
            let mut following = self.scan.load64(self.next);
            let before = self.swap(bytes, self.at);
            if self.matches(before, bytes as u32) {
                self.swap(following, self.next);
                return Some(before);
            }
            bytes = following;
            self.at = self.next;
            self.next += 1;
            following >>= 8;
            let before = self.swap(bytes, self.at);
            if self.matches(before, bytes as u32) {
                if !Self::IS_LEVEL_2 {
                    self.index_again(bytes);
                }
                return Some(before);
            }
            bytes = following;
            self.at = self.next;
        }
    }

    /// Under the hash of the bytes at one place, the place after it is noted.
    #[inline(always)]
    fn index_again(&mut self, bytes: u64) {
        self.swap(bytes, self.next);
    }

    /// Three of seven bytes of a match.
    #[inline(always)]
    fn index_match(&mut self, length: i32) {
        let mut at = self.at - length + 2;
        while at < self.at - 5 {
            let bytes = self.scan.load64(at);
            self.swap(bytes, at);
            self.swap(bytes >> 16, at + 2);
            self.swap(bytes >> 32, at + 4);
            at += 7;
        }
    }
}
