//! lzo1x_999: takes a match, unless one that begins a byte or two later is worth more.

use super::search::{Found, NOTED_LENGTH, Search, Tables};
use super::stream::{
    FAR_LENGTH, MAX_DISTANCE, MAX_PAIR_DISTANCE, MAX_TRAILING, MAX_TRIPLE_DISTANCE, MIDDLE_DISTANCE, MIDDLE_LENGTH,
    NEAR_DISTANCE, NEAR_LENGTH, Writer, zero_bytes,
};

/// How hard a level tries.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// The most bytes by which a better match may begin later.
    tries: usize,
    /// Later matches are looked for in a quarter of the places if a match has this many bytes, and not at all if it has
    /// that many.
    good_length: usize,
    enough_length: usize,
    /// The most places that are looked at.
    places: u32,
}

const fn effort(tries: usize, good_length: usize, enough_length: usize, places: u32) -> Effort {
    Effort { tries, good_length, enough_length, places }
}

/// The efforts of the levels from 1.
const LEVELS: [Effort; 9] = [
    effort(0, 0, 0, 4),
    effort(0, 0, 0, 8),
    effort(0, 0, 0, 16),
    effort(1, 4, 4, 16),
    effort(1, 8, 16, 32),
    effort(1, 8, 16, 128),
    effort(2, 8, 32, 256),
    effort(2, 32, 128, 2048),
    effort(2, 2048, 2048, 4096),
];
/// The first level that takes nearer matches that are shorter.
const FIRST_NEAREST: usize = 8;
/// The longest match in whose place a nearer one is taken.
const MAX_EXCHANGED: usize = NOTED_LENGTH + 1;
/// The most literals whose number is in the first byte of a run.
const SHORT_RUN: usize = 18;

/// Makes the stream of some plain bytes by a level from 1 to 9.
pub(super) fn encode(plain: &[u8], level: usize, tables: &mut Tables) -> Vec<u8> {
    let effort = LEVELS[level.clamp(1, LEVELS.len()) - 1];
    if level < FIRST_NEAREST {
        Parse::<false>::new(plain, effort, tables).run()
    } else {
        Parse::<true>::new(plain, effort, tables).run()
    }
}

/// The parse of a block, which takes nearer matches that are shorter if `NEAREST` says so.
struct Parse<'a, const NEAREST: bool> {
    plain: &'a [u8],
    effort: Effort,
    search: Search<'a>,
    writer: Writer,
    /// The byte that is coded next.
    at: usize,
    /// The literals before it that are not written yet.
    literals: usize,
}

impl<'a, const NEAREST: bool> Parse<'a, NEAREST> {
    fn new(plain: &'a [u8], effort: Effort, tables: &'a mut Tables) -> Self {
        let search = Search::new(plain, tables);
        Self { plain, effort, search, writer: Writer::default(), at: 0, literals: 0 }
    }

    fn run(mut self) -> Vec<u8> {
        let mut found = self.search.next::<NEAREST>(self.effort.places);
        while self.at < self.plain.len() {
            found = if self.is_literal(found) {
                self.literals += 1;
                self.at += 1;
                self.search.next::<NEAREST>(self.effort.places)
            } else {
                let found = self.nearer(found);
                match self.later(found) {
                    Ok(later) => later,
                    Err(tried) => self.take(found, tried),
                }
            };
        }
        self.put_literals();
        self.writer.finish()
    }

    /// Whether a match cannot be written, or would take as much as literals do.
    fn is_literal(&self, Found { length, distance }: Found) -> bool {
        let is_first = self.writer.is_empty();
        let is_pair = || (1..=MAX_TRAILING).contains(&self.literals) && distance <= MAX_PAIR_DISTANCE && !is_first;
        match length {
            ..2 => true,
            2 if !is_pair() => true,
            _ if is_first && self.literals == 0 => true,
            3 => distance > MAX_TRIPLE_DISTANCE && self.literals > MAX_TRAILING,
            _ => false,
        }
    }

    /// The match, or a nearer one of fewer bytes that takes fewer bytes to write.
    fn nearer(&self, found: Found) -> Found {
        if !NEAREST || found.length <= 3 || found.distance <= NEAR_DISTANCE {
            return found;
        }
        let of_length = |length: usize, most: usize| {
            let distance = self.search.nearest(length).filter(|&distance| distance <= most)?;
            Some(Found { length, distance })
        };
        let near = || match found.length {
            ..=9 => of_length(found.length - 1, NEAR_DISTANCE),
            10 if found.distance > MIDDLE_DISTANCE => of_length(NEAR_LENGTH, NEAR_DISTANCE),
            _ => None,
        };
        let middle = || match found.length {
            10..=MAX_EXCHANGED if found.distance > MIDDLE_DISTANCE => of_length(found.length - 1, MIDDLE_DISTANCE),
            _ => None,
        };
        near().or_else(middle).unwrap_or(found)
    }

    /// A match that begins later and is worth more, if there is one. Then the bytes before it are taken care of. Otherwise,
    /// the result is the number of places where one was looked for.
    fn later(&mut self, found: Found) -> Result<Found, usize> {
        let cost = cost(found, self.literals);
        let tries =
            if found.length < self.effort.enough_length { self.effort.tries.min(cost.saturating_sub(1)) } else { 0 };
        let is_good = found.length >= self.effort.good_length;
        let places = if is_good { self.effort.places >> 2 } else { self.effort.places };
        for ahead in 1..=tries {
            if self.plain.len() - (self.at + ahead - 1) <= found.length {
                return Err(ahead - 1);
            }
            let later = self.search.next::<NEAREST>(places);
            let is_longer = later.length > found.length;
            if !is_longer && (later.length < found.length || later.distance >= found.distance) {
                continue;
            }
            let later = self.nearer(later);
            if self.is_worth_more((found, cost), later, ahead) {
                self.begin_later(found.distance, ahead);
                return Ok(later);
            }
        }
        Err(tries)
    }

    /// Whether a match that begins later is worth the bytes before it.
    fn is_worth_more(&self, (found, now): (Found, usize), later: Found, ahead: usize) -> bool {
        let literals = self.literals + ahead;
        let then = cost(later, literals);
        // Another byte says how many literals there are.
        let run = if self.literals <= MAX_TRAILING && literals > MAX_TRAILING {
            2
        } else if (MAX_TRAILING + 1..=SHORT_RUN).contains(&self.literals) && literals > SHORT_RUN {
            1
        } else {
            0
        };
        then > 0 && later.length + 2 * now >= found.length + (ahead + 2 * then + run).max(2 * now)
    }

    /// Writes the bytes before a later match as a pair if they can be one, or counts them as literals.
    fn begin_later(&mut self, distance: usize, ahead: usize) {
        let is_pair = !self.writer.is_empty() && cost(Found { length: ahead, distance }, self.literals) > 0;
        if is_pair {
            self.put_match(Found { length: ahead, distance });
        } else {
            self.literals += ahead;
        }
        self.at += ahead;
    }

    /// Writes a match, after which matches were looked for at some places, and looks for the next one.
    fn take(&mut self, found: Found, tried: usize) -> Found {
        self.put_match(found);
        self.at += found.length;
        self.search.pass_over(found.length - 1 - tried);
        self.search.next::<NEAREST>(self.effort.places)
    }

    /// Writes the literals and the match that follows them.
    fn put_match(&mut self, found: Found) {
        let before = self.literals;
        self.put_literals();
        self.writer.put_match(found.length, found.distance, before);
    }

    fn put_literals(&mut self) {
        self.writer.put_any_literals(&self.plain[self.at - self.literals..self.at]);
        self.literals = 0;
    }
}

/// The number of bytes of a match that follows this many literals, or 0 if it cannot be written.
fn cost(Found { length, distance }: Found, literals: usize) -> usize {
    let long = |most: usize| if length <= most { 3 } else { 4 + zero_bytes(length - most) };
    match (length, distance) {
        (2, ..=MAX_PAIR_DISTANCE) if (1..=MAX_TRAILING).contains(&literals) => 2,
        (..=2, _) => 0,
        (..=NEAR_LENGTH, ..=NEAR_DISTANCE) => 2,
        (3, ..=MAX_TRIPLE_DISTANCE) if literals > MAX_TRAILING => 2,
        (_, ..=MIDDLE_DISTANCE) => long(MIDDLE_LENGTH),
        (_, ..=MAX_DISTANCE) => long(FAR_LENGTH),
        _ => 0,
    }
}
