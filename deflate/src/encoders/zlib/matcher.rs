//! Matches: hash chains over two windows of bytes, of which the older one slides out; greedy or lazy evaluation.

use crate::common_bytes::common_bytes;

use super::blocks::BlockWriter;
use super::{Effort, ZlibFamily};
use crate::format::tables::{MAX_MATCH_BYTES as MAX_MATCH, MIN_MATCH_BYTES as MIN_MATCH, WINDOW_BYTES};

const BUFFER_BYTES: usize = 2 * WINDOW_BYTES;
/// The buffer goes on behind its end: what is compared there is cut off afterwards.
const BUFFER_ROOM: usize = BUFFER_BYTES + 2 * MAX_MATCH;
/// One head for each value of the widest hash.
const HEADS: usize = 1 << 16;
/// Unless this many bytes are ahead, the matcher waits for more.
const MIN_AHEAD: usize = MAX_MATCH + MIN_MATCH + 1;
/// Matches of three bytes from farther away are not worth it.
const TOO_FAR: usize = 4096;

/// See the module's documentation. Positions are those in the buffer; 0 stands for none in chains.
pub(super) struct Matcher {
    effort: Effort,
    is_gzip: bool,
    hash_bits: u32,
    /// A power of two, at most [`WINDOW_BYTES`].
    window_bytes: usize,
    /// The farthest that matches reach back.
    max_distance: usize,
    /// Two windows at its beginning are in use.
    buffer: Box<[u8; BUFFER_ROOM]>,
    head: Box<[u16; HEADS]>,
    before: Box<[u16; WINDOW_BYTES]>,
    at: usize,
    ahead: usize,
    /// Positions before `at` that will be inserted when there are bytes enough.
    to_insert: usize,
    /// The place where the block begins; below 0 when that has slid out.
    block_at: isize,
    /// The last match, and its length: 2 for none.
    match_at: usize,
    match_bytes: usize,
    /// The byte before `at` was not put out yet.
    has_pending: bool,
    blocks: BlockWriter,
}

impl Matcher {
    pub(super) fn new(kind: ZlibFamily) -> Self {
        Self::with_window(kind, WINDOW_BYTES.ilog2())
    }

    /// A matcher with another window, whose logarithm is from 9 to 15.
    pub(super) fn with_window(kind: ZlibFamily, window_log: u32) -> Self {
        let hash_bits = if matches!(kind, ZlibFamily::Zlib { memory: 9, .. }) { 16 } else { 15 };
        Self {
            effort: kind.effort(),
            is_gzip: matches!(kind, ZlibFamily::Gzip { .. }),
            hash_bits,
            window_bytes: 1 << window_log,
            max_distance: (1 << window_log) - MIN_AHEAD,
            buffer: Box::new([0; BUFFER_ROOM]),
            head: Box::new([0; HEADS]),
            before: Box::new([0; WINDOW_BYTES]),
            at: 0,
            ahead: 0,
            to_insert: 0,
            block_at: 0,
            match_at: 0,
            match_bytes: MIN_MATCH - 1,
            has_pending: false,
            blocks: BlockWriter::new(kind),
        }
    }

    /// Plain bytes that come before the first.
    pub(super) fn set_dictionary(&mut self, dictionary: &[u8]) {
        self.buffer[..dictionary.len()].copy_from_slice(dictionary);
        self.at = dictionary.len();
        self.to_insert = self.at.min(MIN_MATCH - 1);
        (0..self.at - self.to_insert).for_each(|at| {
            self.insert(at);
        });
        self.block_at = self.at as isize;
    }

    pub(super) fn write(&mut self, mut plain: &[u8]) {
        while !plain.is_empty() {
            plain = &plain[self.fill(plain)..];
            self.advance(MIN_AHEAD);
        }
    }

    /// The plain bytes end here, and the stream.
    pub(super) fn finish(&mut self) {
        self.drain();
        self.end_block(true);
    }

    /// The plain bytes end here; others follow that know them as a dictionary. The stream goes on at a whole byte.
    pub(super) fn end_block_at_byte(&mut self) {
        self.drain();
        if !self.blocks.is_empty() {
            self.end_block(false);
        }
        self.blocks.end_byte();
    }

    pub(super) fn append_to(&mut self, out: &mut Vec<u8>) {
        self.blocks.append_to(out);
    }

    /// Takes what there is room for.
    fn fill(&mut self, plain: &[u8]) -> usize {
        if self.at >= self.window_bytes + self.max_distance {
            self.slide();
        }
        let start = self.at + self.ahead;
        let taken = plain.len().min(2 * self.window_bytes - start);
        self.buffer[start..start + taken].copy_from_slice(&plain[..taken]);
        self.ahead += taken;
        while self.to_insert > 0 && self.ahead + self.to_insert >= MIN_MATCH {
            self.insert(self.at - self.to_insert);
            self.to_insert -= 1;
        }
        taken
    }

    /// Forgets the older half.
    fn slide(&mut self) {
        let window_bytes = self.window_bytes;
        self.buffer.copy_within(window_bytes..2 * window_bytes, 0);
        self.at -= window_bytes;
        self.match_at = self.match_at.wrapping_sub(window_bytes);
        self.block_at -= window_bytes as isize;
        let heads = 1 << self.hash_bits;
        for positions in [&mut self.head[..heads], &mut self.before[..window_bytes]] {
            positions.iter_mut().for_each(|position| *position = position.saturating_sub(window_bytes as u16));
        }
    }

    /// Puts out all that is left.
    fn drain(&mut self) {
        if self.is_gzip {
            // Bytes behind the end are compared too.
            let end = self.at + self.ahead;
            self.buffer[end..end + MIN_MATCH - 1].fill(0);
        }
        if self.window_bytes < WINDOW_BYTES {
            self.drain_sliding();
        } else {
            self.advance(1);
        }
        if std::mem::take(&mut self.has_pending) {
            // That the block is full makes no difference any more.
            self.blocks.literal(self.buffer[self.at - 1], 0);
        }
    }

    /// Puts out what is left as zlib does: at each step, the window slides if it is due, though nothing is read any more.
    /// A block that begins in what slides out is not stored. The usual window does without: encoders that are known by a
    /// number, and corrections of what they make, stay as they are.
    fn drain_sliding(&mut self) {
        loop {
            if self.at >= self.window_bytes + self.max_distance {
                self.slide();
            }
            if self.ahead == 0 {
                return;
            }
            // One step, since each takes a byte at least.
            self.advance(self.ahead.min(MIN_AHEAD));
        }
    }

    /// Goes on as long as at least `least` bytes are ahead.
    fn advance(&mut self, least: usize) {
        if self.effort.is_lazy { self.advance_lazy(least) } else { self.advance_greedy(least) }
    }

    #[inline(always)]
    fn hash(&self, at: usize) -> usize {
        let [a, b, c, _] = word(&self.buffer, at, 0).to_le_bytes().map(usize::from);
        let shift = self.hash_bits.div_ceil(3);
        ((a << (2 * shift)) ^ (b << shift) ^ c) & ((1 << self.hash_bits) - 1)
    }

    /// Inserts the string at a position; returns the last position with its hash.
    #[inline(always)]
    fn insert(&mut self, at: usize) -> usize {
        let hash = self.hash(at) % HEADS;
        let last = self.head[hash];
        self.before[(at & (self.window_bytes - 1)) % WINDOW_BYTES] = last;
        self.head[hash] = at as u16;
        usize::from(last)
    }

    fn plain_bytes(&self) -> usize {
        (self.at as isize - self.block_at) as usize
    }

    fn end_block(&mut self, is_last: bool) {
        let plain = usize::try_from(self.block_at).ok().map(|start| &self.buffer[start..self.at]);
        self.blocks.end(plain, (self.at as isize - self.block_at) as usize, is_last);
        self.block_at = self.at as isize;
    }

    /// Whether a match may be looked for from this position on.
    fn is_near(&self, candidate: usize) -> bool {
        candidate != 0 && self.at - candidate <= self.max_distance
    }

    fn advance_greedy(&mut self, least: usize) {
        while self.ahead >= least {
            let candidate = if self.ahead >= MIN_MATCH { self.insert(self.at) } else { 0 };
            let found = if self.is_near(candidate) { self.longest(candidate, MIN_MATCH - 1) } else { 0 };
            let is_full = if found >= MIN_MATCH {
                let is_full = self.blocks.matched(self.at - self.match_at, found, self.plain_bytes());
                self.ahead -= found;
                self.pass_by(found);
                is_full
            } else {
                let is_full = self.blocks.literal(self.buffer[self.at], self.plain_bytes());
                (self.at, self.ahead) = (self.at + 1, self.ahead - 1);
                is_full
            };
            if is_full {
                self.end_block(false);
            }
        }
    }

    /// Passes a match by, whose strings are inserted if it is short.
    fn pass_by(&mut self, bytes: usize) {
        if bytes <= self.effort.lazy_bytes && (self.is_gzip || self.ahead >= MIN_MATCH) {
            (1..bytes).for_each(|ahead| {
                self.insert(self.at + ahead);
            });
        }
        self.at += bytes;
    }

    fn advance_lazy(&mut self, least: usize) {
        while self.ahead >= least {
            let candidate = if self.ahead >= MIN_MATCH { self.insert(self.at) } else { 0 };
            let (before_at, before_bytes) = (self.match_at, self.match_bytes);
            self.match_bytes = MIN_MATCH - 1;
            if before_bytes < self.effort.lazy_bytes && self.is_near(candidate) {
                self.match_bytes = self.longest(candidate, before_bytes);
                if self.match_bytes == MIN_MATCH && self.at.wrapping_sub(self.match_at) > TOO_FAR {
                    self.match_bytes = MIN_MATCH - 1;
                }
            }
            if before_bytes >= MIN_MATCH && self.match_bytes <= before_bytes {
                self.take_before(before_at, before_bytes);
                continue;
            }
            if std::mem::replace(&mut self.has_pending, true)
                && self.blocks.literal(self.buffer[self.at - 1], self.plain_bytes())
            {
                self.end_block(false);
            }
            (self.at, self.ahead) = (self.at + 1, self.ahead - 1);
        }
    }

    /// The match at the position before is as long as any here.
    fn take_before(&mut self, before_at: usize, bytes: usize) {
        let last = (self.at + self.ahead).saturating_sub(MIN_MATCH);
        let distance = (self.at - 1).wrapping_sub(before_at);
        let is_full = self.blocks.matched(distance, bytes, self.plain_bytes());
        self.ahead -= bytes - 1;
        // Two are inserted already.
        for _ in 0..bytes - 2 {
            self.at += 1;
            if self.at <= last {
                self.insert(self.at);
            }
        }
        self.has_pending = false;
        self.match_bytes = MIN_MATCH - 1;
        self.at += 1;
        if is_full {
            self.end_block(false);
        }
    }

    /// The length of the longest match that is longer than `best`, whose place is noted; `best` if there is none.
    fn longest(&mut self, mut candidate: usize, mut best: usize) -> usize {
        let Effort { good_bytes, nice_bytes, chain, .. } = self.effort;
        let mut chain = if best >= good_bytes { chain >> 2 } else { chain };
        let nice = if self.is_gzip { nice_bytes } else { nice_bytes.min(self.ahead) };
        let farthest = self.at.saturating_sub(self.max_distance);
        let (buffer, before, here) = (&*self.buffer, &*self.before, self.at);
        let mask = self.window_bytes - 1;
        let mut ends = Ends::of(buffer, here, best);
        loop {
            // Most candidates are no longer: that is seen by the bytes that would be.
            if ends.are_at(buffer, candidate) {
                let len = common_bytes(longest_at(buffer, here), longest_at(buffer, candidate));
                if len > best {
                    (self.match_at, best) = (candidate, len);
                    if len >= nice {
                        break;
                    }
                    ends = Ends::of(buffer, here, best);
                }
            }
            candidate = usize::from(before[(candidate & mask) % WINDOW_BYTES]);
            chain -= 1;
            if candidate <= farthest || chain == 0 {
                break;
            }
        }
        best.min(self.ahead)
    }
}

/// The bytes, up to four, that a match longer than the best one has at its end.
struct Ends {
    /// The place in the match where they begin, below 256: a best match of the greatest length is not looked beyond.
    from: u8,
    mask: u32,
    bytes: u32,
}

impl Ends {
    #[inline(always)]
    fn of(buffer: &[u8; BUFFER_ROOM], here: usize, best: usize) -> Self {
        let (from, mask) = if best < MIN_MATCH { (0, 0x00ff_ffff) } else { ((best - 3) as u8, u32::MAX) };
        Self { from, mask, bytes: word(buffer, here, from) }
    }

    #[inline(always)]
    fn are_at(&self, buffer: &[u8; BUFFER_ROOM], candidate: usize) -> bool {
        (word(buffer, candidate, self.from) ^ self.bytes) & self.mask == 0
    }
}

/// Four bytes, little endian, at an offset from a position.
#[inline(always)]
fn word(buffer: &[u8; BUFFER_ROOM], at: usize, behind: u8) -> u32 {
    // Positions are below the remainder's divisor: it spares checks.
    buffer[at % BUFFER_BYTES + usize::from(behind)..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The bytes that the longest match from a position would cover.
#[inline(always)]
fn longest_at(buffer: &[u8; BUFFER_ROOM], at: usize) -> &[u8] {
    let at = at % BUFFER_BYTES;
    &buffer[at..at + MAX_MATCH]
}
