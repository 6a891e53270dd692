//! Level 3: twice by the next five bytes.

use super::super::tokens::Tokens;
use super::history::{History, MAX_DISTANCE, Scan};
use super::table::{Table, Two, hash5};

const BITS: u32 = 16;
type ByHash = Table<Two, { 1 << BITS }>;

#[derive(Debug)]
pub(in super::super) struct Level3 {
    pub(super) history: History,
    table: ByHash,
}

struct Search<'a> {
    scan: Scan<'a>,
    table: &'a mut ByHash,
    at: i32,
    next: i32,
}

impl Level3 {
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

impl Search<'_> {
    fn all(mut self) {
        let mut bytes = self.scan.load64(self.at);
        'search: while let Some(found) = self.find(bytes) {
            let mut before = found;
            loop {
                let length = self.scan.length(self.at + 4, before + 4) + 4;
                let (end, length) = self.scan.put(self.at, before, length);
                let before_end = end - (self.at - before);
                self.at = if self.next >= end { self.next + 1 } else { end };
                if self.at >= self.scan.limit {
                    if before_end + 8 < self.scan.bytes.len() as i32 && before_end > 0 {
                        self.push(self.scan.load64(before_end), before_end);
                    }
                    break 'search;
                }
                let mut at = self.at - length + 2;
                while at < self.at - 5 {
                    self.push(self.scan.load64(at), at);
                    at += 6;
                }
                bytes = self.scan.load64(self.at - 2);
                self.push(bytes, self.at - 2);
                self.push(bytes >> 8, self.at - 1);
                bytes >>= 16;
                let candidates = self.push(bytes, self.at);
                match self.at_once(candidates, bytes as u32) {
                    Some(found) => before = found,
                    None => break,
                }
            }
            bytes >>= 8;
            self.at += 1;
        }
        self.scan.put_rest();
    }

    #[inline(always)]
    fn push(&mut self, bytes: u64, at: i32) -> Two {
        self.table.push(hash5(bytes, BITS), at + self.scan.base)
    }

    /// A match that follows a match.
    #[inline(always)]
    fn at_once(&self, candidates: Two, four: u32) -> Option<i32> {
        let nearest = self.at + self.scan.base - (MAX_DISTANCE - 4);
        let matches = |position: i32| position > nearest && self.scan.load32(position - self.scan.base) == four;
        if candidates.last <= nearest {
            return None;
        }
        [candidates.last, candidates.before].into_iter().find(|&position| matches(position)).map(|p| p - self.scan.base)
    }

    #[inline(always)]
    fn find(&mut self, mut bytes: u64) -> Option<i32> {
        self.next = self.at;
        loop {
            self.at = self.next;
            self.next = self.at + 1 + ((self.at - self.scan.done) >> 7);
            if self.next > self.scan.limit {
                return None;
            }
            let candidates = self.push(bytes, self.at);
            let following = self.scan.load64(self.next);
            if let Some(before) = self.better(candidates, bytes as u32) {
                return Some(before);
            }
            bytes = following;
        }
    }

    /// The longer of two matches.
    #[inline(always)]
    fn better(&self, candidates: Two, four: u32) -> Option<i32> {
        let furthest = self.at + self.scan.base - (MAX_DISTANCE - 4);
        if candidates.last < furthest {
            return None;
        }
        let (last, before) = (candidates.last - self.scan.base, candidates.before - self.scan.base);
        if self.scan.load32(last) != four {
            return (candidates.before > furthest && self.scan.load32(before) == four).then_some(before);
        }
        if candidates.before < furthest || self.scan.load32(before) != four {
            return Some(last);
        }
        let lengths = (self.scan.length(self.at + 4, last + 4), self.scan.length(self.at + 4, before + 4));
        Some(if lengths.1 > lengths.0 { before } else { last })
    }
}
