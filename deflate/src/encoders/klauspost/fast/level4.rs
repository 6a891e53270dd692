//! Level 4: by the next four bytes and by the next seven.

use super::super::Version;
use super::super::tokens::Tokens;
use super::history::{History, MAX_DISTANCE, Scan};
use super::table::{Table, hash4, hash7};

const BITS: u32 = 15;
type ByHash = Table<i32, { 1 << BITS }>;

#[derive(Debug)]
pub(in super::super) struct Level4 {
    pub(super) history: History,
    short: ByHash,
    long: ByHash,
    version: Version,
}

struct Search<'a> {
    scan: Scan<'a>,
    short: &'a mut ByHash,
    long: &'a mut ByHash,
    version: Version,
    at: i32,
    next: i32,
}

impl Level4 {
    pub(super) fn new(version: Version) -> Self {
        Self { history: History::new(), short: Table::new(), long: Table::new(), version }
    }

    pub(super) fn encode(&mut self, tokens: &mut Tokens, block: &[u8]) {
        if let Some(less) = self.history.rebase() {
            self.short.lower(less);
            self.long.lower(less);
        }
        let Some(start) = self.history.add(block) else { return };
        let scan = Scan::new(&self.history, tokens, start);
        let (short, long) = (&mut self.short, &mut self.long);
        Search { scan, short, long, version: self.version, at: start, next: start }.all();
    }
}

impl Search<'_> {
    fn all(mut self) {
        let mut bytes = self.scan.load64(self.at);
        while let Some(before) = self.find(bytes) {
            let length = self.scan.length(self.at + 4, before + 4) + 4;
            let (end, _) = self.scan.put(self.at, before, length);
            self.at = if self.next >= end { self.next + 1 } else { end };
            if self.at >= self.scan.limit {
                if self.at as usize + 8 < self.scan.bytes.len() {
                    self.index(self.scan.load64(self.at), self.at);
                }
                break;
            }
            self.index_match();
            bytes = self.scan.load64(self.at - 1);
            self.index(bytes, self.at - 1);
            bytes >>= 8;
        }
        self.scan.put_rest();
    }

    #[inline(always)]
    fn index(&mut self, bytes: u64, at: i32) {
        self.short.set(hash4(bytes as u32, BITS), at + self.scan.base);
        self.long.set(hash7(bytes, BITS), at + self.scan.base);
    }

    #[inline(always)]
    fn find(&mut self, mut bytes: u64) -> Option<i32> {
        self.next = self.at;
        loop {
            self.at = self.next;
            self.next = self.at + 1 + ((self.at - self.scan.done) >> 6);
            if self.next > self.scan.limit {
                return None;
            }
            let near = self.short.get(hash4(bytes as u32, BITS)) - self.scan.base;
            let far = self.long.get(hash7(bytes, BITS)) - self.scan.base;
            self.index(bytes, self.at);
            let following = self.scan.load64(self.next);
            if self.matches(self.at, far, bytes as u32) {
                return Some(far);
            }
            if self.matches(self.at, near, bytes as u32) {
                return Some(self.near_or_next(near, following));
            }
            bytes = following;
        }
    }

    #[inline(always)]
    fn matches(&self, at: i32, before: i32, four: u32) -> bool {
        at - before < MAX_DISTANCE && self.scan.load32(before) == four
    }

    /// A match by four bytes, or a longer one from the next byte to be looked at.
    #[inline(always)]
    fn near_or_next(&mut self, near: i32, following: u64) -> i32 {
        let far = self.long.get(hash7(following, BITS)) - self.scan.base;
        if !self.matches(self.next, far, following as u32) {
            return near;
        }
        // Since 1.18 its length is measured against other bytes than those it is of.
        let measured = if self.version.measures_elsewhere() { self.next - far } else { far };
        if self.scan.length(self.next + 4, measured + 4) > self.scan.length(self.at + 4, near + 4) {
            self.at = self.next;
            return far;
        }
        near
    }

    #[inline(always)]
    fn index_match(&mut self) {
        let mut at = self.next;
        while at < self.at - 1 {
            let bytes = self.scan.load64(at);
            let position = at + self.scan.base;
            self.long.set(hash7(bytes, BITS), position);
            self.long.set(hash7(bytes >> 8, BITS), position + 1);
            self.short.set(hash4((bytes >> 8) as u32, BITS), position + 1);
            at += 3;
        }
    }
}
