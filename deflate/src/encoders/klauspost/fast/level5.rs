//! Levels 5, the default, and 6: by the next four bytes and, twice, by the next seven.

use super::super::tokens::Tokens;
use super::history::{History, MAX_DISTANCE, Scan};
use super::table::{Table, Two, hash4, hash7};

const BITS: u32 = 15;
type Short = Table<i32, { 1 << BITS }>;
type Long = Table<Two, { 1 << BITS }>;
/// The bytes by which a match may begin later that is found by the end of another.
const SKIPPED: i32 = 2;
/// Level 5 looks at the end of shorter matches only.
const MAX_LENGTH_TO_BETTER: i32 = 30;

#[derive(Debug)]
pub(in super::super) struct Level5<const SIX: bool> {
    pub(super) history: History,
    short: Short,
    long: Long,
}

/// A match from where the search is on, of 0 bytes if its length is not known yet.
#[derive(Clone, Copy)]
struct Match {
    before: i32,
    length: i32,
}

struct Search<'a, const SIX: bool> {
    scan: Scan<'a>,
    short: &'a mut Short,
    long: &'a mut Long,
    at: i32,
    /// The place where the search goes on if there is no match.
    next: i32,
    /// The distance of the last match.
    distance: i32,
}

impl<const SIX: bool> Level5<SIX> {
    pub(super) fn new() -> Self {
        Self { history: History::new(), short: Table::new(), long: Table::new() }
    }

    pub(super) fn encode(&mut self, tokens: &mut Tokens, block: &[u8]) {
        if let Some(less) = self.history.rebase() {
            self.short.lower(less);
            self.long.lower(less);
        }
        let Some(start) = self.history.add(block) else { return };
        let scan = Scan::new(&self.history, tokens, start);
        let (short, long) = (&mut self.short, &mut self.long);
        Search::<SIX> { scan, short, long, at: start, next: start, distance: 1 }.all();
    }
}

impl<const SIX: bool> Search<'_, SIX> {
    fn all(mut self) {
        let mut bytes = self.scan.load64(self.at);
        while let Some(found) = self.find(bytes) {
            let found = self.lengthened(found);
            let (end, length) = self.scan.put(self.at, found.before, found.length);
            self.distance = self.at - found.before;
            self.at = if self.next >= end { self.next + 1 } else { end };
            if self.at >= self.scan.limit {
                if SIX {
                    self.index_rest();
                }
                break;
            }
            if SIX {
                self.index_six();
                bytes = self.scan.load64(self.at);
            } else {
                self.index_five(length);
                bytes = self.scan.load64(self.at - 1);
                self.index(bytes, self.at - 1);
                bytes >>= 8;
            }
        }
        self.scan.put_rest();
    }

    #[inline(always)]
    fn index(&mut self, bytes: u64, at: i32) -> Two {
        self.short.set(hash4(bytes as u32, BITS), at + self.scan.base);
        self.long.push(hash7(bytes, BITS), at + self.scan.base)
    }

    #[inline(always)]
    fn find(&mut self, mut bytes: u64) -> Option<Match> {
        self.next = self.at;
        loop {
            self.at = self.next;
            self.next = self.at + 1 + ((self.at - self.scan.done) >> if SIX { 7 } else { 6 });
            if self.next > self.scan.limit {
                return None;
            }
            let short = hash4(bytes as u32, BITS);
            let near = self.short.get(short) - self.scan.base;
            self.short.set(short, self.at + self.scan.base);
            let far = self.long.push(hash7(bytes, BITS), self.at + self.scan.base);
            let following = self.scan.load64(self.next);
            if let Some(found) = self.by_seven(far, bytes as u32, following) {
                return Some(found);
            }
            if self.matches(self.at, near, bytes as u32) {
                return Some(self.by_four(near, bytes, following));
            }
            bytes = following;
        }
    }

    #[inline(always)]
    fn matches(&self, at: i32, before: i32, four: u32) -> bool {
        at - before < MAX_DISTANCE && self.scan.load32(before) == four
    }

    #[inline(always)]
    fn by_seven(&mut self, far: Two, four: u32, following: u64) -> Option<Match> {
        let (last, before) = (far.last - self.scan.base, far.before - self.scan.base);
        if self.at - last >= MAX_DISTANCE {
            return None;
        }
        let older_matches = self.matches(self.at, before, four);
        if self.scan.load32(last) == four {
            self.index(following, self.next);
            if !older_matches {
                return Some(Match { before: last, length: 0 });
            }
            let length = self.scan.length_to_254(self.at + 4, last + 4) + 4;
            let older = self.scan.length_to_254(self.at + 4, before + 4) + 4;
            return Some(if older > length { Match { before, length: older } } else { Match { before: last, length } });
        }
        older_matches.then(|| {
            self.index(following, self.next);
            Match { before, length: 0 }
        })
    }

    /// A match by four bytes, or the longer one that begins at the next byte to be looked at.
    #[inline(always)]
    fn by_four(&mut self, near: i32, bytes: u64, following: u64) -> Match {
        let mut best = Match { before: near, length: self.scan.length_to_254(self.at + 4, near + 4) + 4 };
        let far = self.index(following, self.next);
        if SIX {
            let before = self.at - self.distance + 1;
            if self.scan.load32(before) == (bytes >> 8) as u32 {
                let length = self.scan.length_to_254(self.at + 5, before + 4) + 4;
                if length > best.length {
                    self.at += 1;
                    return Match { before, length };
                }
            }
        }
        let last = far.last - self.scan.base;
        if self.next - last >= MAX_DISTANCE {
            return best;
        }
        for before in [last, far.before - self.scan.base] {
            if self.matches(self.next, before, following as u32) {
                let length = self.scan.length_to_254(self.next + 4, before + 4) + 4;
                if length > best.length {
                    best = Match { before, length };
                    self.at = self.next;
                    if !SIX {
                        break;
                    }
                }
            }
        }
        best
    }

    /// The whole of a match, or a longer one by what follows it.
    #[inline(always)]
    fn lengthened(&mut self, found: Match) -> Match {
        let Match { before, mut length } = found;
        if length == 0 {
            length = self.scan.length(self.at + 4, before + 4) + 4;
        } else if length == 258 {
            length += self.scan.length(self.at + length, before + length);
        }
        let best = Match { before, length };
        if (!SIX && length >= MAX_LENGTH_TO_BETTER) || self.at + length >= self.scan.limit {
            return best;
        }
        let far = self.long.get(hash7(self.scan.load64(self.at + length), BITS));
        self.by_end(best, far)
    }

    #[inline(always)]
    fn by_end(&mut self, mut best: Match, far: Two) -> Match {
        let at = self.at + SKIPPED;
        let candidates =
            if SIX { [far.last, far.before].into_iter().take(2) } else { [far.last, 0].into_iter().take(1) };
        for position in candidates {
            let before = position - self.scan.base - best.length + SKIPPED;
            let distance = at - before;
            if distance >= MAX_DISTANCE {
                // The place seen before that is even further away.
                break;
            }
            if distance > 0 && before >= 0 {
                let length = self.scan.length(at, before);
                if length > best.length {
                    best = Match { before, length };
                    self.at = at;
                }
            }
        }
        best
    }

    /// Every third byte of a match, alternately by four and by seven.
    #[inline(always)]
    fn index_five(&mut self, length: i32) {
        let mut at = self.at - length + 1;
        if at >= self.at - 1 {
            return;
        }
        let bytes = self.scan.load64(at);
        let position = at + self.scan.base;
        self.index(bytes, at);
        self.long.push(hash7(bytes >> 8, BITS), position + 1);
        self.short.set(hash4((bytes >> 16) as u32, BITS), position + 2);
        at += 4;
        while at < self.at - 1 {
            let bytes = self.scan.load64(at);
            let position = at + self.scan.base;
            self.long.push(hash7(bytes, BITS), position);
            self.short.set(hash4((bytes >> 8) as u32, BITS), position + 1);
            at += 3;
        }
    }

    /// All bytes of a match by seven, every second by four.
    #[inline(always)]
    fn index_six(&mut self) {
        let mut at = self.next + 1;
        while at < self.at - 1 {
            let bytes = self.scan.load64(at);
            self.index(bytes, at);
            self.long.push(hash7(bytes >> 8, BITS), at + self.scan.base + 1);
            at += 2;
        }
    }

    fn index_rest(&mut self) {
        let mut at = self.next + 1;
        while at < self.scan.bytes.len() as i32 - 8 {
            self.index(self.scan.load64(at), at);
            at += 2;
        }
    }
}
