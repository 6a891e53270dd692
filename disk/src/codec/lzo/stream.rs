//! The instructions of an LZO1X stream.
//!
//! A stream is a chain of runs of literals and of matches. The two lowest bits of a byte of each match say how many
//! literals, up to three, follow it without a run of their own. A byte below 16 means something else after each kind of
//! instruction, so a reader has to know what came before it.
//!
//! ```text
//! 0000llll  (lengths) literals             a run of 4 or more, after a match without literals
//! 0000ddss  dddddddd                       Pair: 2 bytes, after a match with literals
//! 0000ddss  dddddddd                       Triple: 3 bytes, after a run
//! llldddss  dddddddd                       Near: 3 to 8 bytes; a length of 010 and more
//! 001lllll  (lengths) ddddddss dddddddd    Middle: 3 bytes and more
//! 0001dlll  (lengths) ddddddss dddddddd    Far: 3 bytes and more; a distance of 0 ends the stream
//! ```

/// The smallest distances of pairs and triples, and the number of distances of both.
const PAIR_DISTANCE: usize = 1;
const TRIPLE_DISTANCE: usize = 2049;
const SMALL_DISTANCES: usize = 1024;
/// The largest distances of near, middle and far matches, and of triples.
pub(super) const NEAR_DISTANCE: usize = 2048;
pub(super) const MIDDLE_DISTANCE: usize = 16_384;
pub(super) const MAX_DISTANCE: usize = 49_151;
pub(super) const MAX_PAIR_DISTANCE: usize = PAIR_DISTANCE + SMALL_DISTANCES - 1;
pub(super) const MAX_TRIPLE_DISTANCE: usize = TRIPLE_DISTANCE + SMALL_DISTANCES - 1;
/// The most bytes of a near match.
pub(super) const NEAR_LENGTH: usize = 8;
/// The most bytes of middle and far matches, and of runs, whose length is in the first byte.
pub(super) const MIDDLE_LENGTH: usize = 33;
pub(super) const FAR_LENGTH: usize = 9;
const RUN_LENGTH: usize = 18;
/// The most literals that follow a match without a run of their own.
pub(super) const MAX_TRAILING: usize = 3;
/// A first byte above this stands for that many literals more.
const FIRST_RUN: usize = 17;
const MAX_FIRST_RUN: usize = 255 - FIRST_RUN;
/// A byte of a length that is zero stands for this many.
const LENGTH_STEP: usize = 255;
/// The fewest bytes of a stream from any instruction on.
pub(super) const MIN_BYTES: usize = 3;
const END: [u8; MIN_BYTES] = [0x11, 0, 0];

/// What came before an instruction, which decides what a byte below 16 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// The beginning of the stream, or a match without literals behind it.
    Match,
    /// One to three literals.
    Trailing,
    /// A run of four literals or more.
    Run,
}

impl Before {
    /// What literals that follow a match are for the next instruction.
    pub(super) fn after_match(trailing: usize) -> Self {
        if trailing == 0 { Self::Match } else { Self::Trailing }
    }

    /// What the literals at the beginning of the stream are for the next instruction.
    pub(super) fn after_first(literals: usize) -> Self {
        if literals > MAX_TRAILING { Self::Run } else { Self::after_match(literals) }
    }
}

/// The forms of matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Pair,
    Triple,
    Near,
    Middle,
    Far,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    pub(super) form: Form,
    pub(super) length: usize,
    pub(super) distance: usize,
    /// The number of literals that follow it.
    pub(super) trailing: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Instruction {
    /// A run of this many literals, which follow it.
    Run(usize),
    Match(Match),
    End,
}

/// The number of literals in the run that the first byte of a stream stands for, if it stands for one.
#[inline]
pub(super) fn first_run(stream: &[u8]) -> Option<usize> {
    stream.first().map(|&byte| usize::from(byte)).filter(|&byte| byte > FIRST_RUN).map(|byte| byte - FIRST_RUN)
}

/// Reads the instruction at the front of `stream`, and tells its bytes without literals. The result is `None` if the stream
/// is cut off.
#[inline]
pub(super) fn read(stream: &[u8], before: Before) -> Option<(Instruction, usize)> {
    let &[first, second, _] = stream.first_chunk::<MIN_BYTES>()?;
    let (low, high) = (usize::from(first), usize::from(second));
    let trailing = low & 3;
    let small = |form, length, distance| {
        let distance = distance + (low >> 2 & 3) + (high << 2);
        (Instruction::Match(Match { form, length, distance, trailing }), 2)
    };
    Some(match (first, before) {
        (64.., _) => {
            let distance = 1 + (low >> 2 & 7) + (high << 3);
            (Instruction::Match(Match { form: Form::Near, length: (low >> 5) + 1, distance, trailing }), 2)
        }
        (32.., _) => {
            let (length, at) = read_length(stream, 31, MIDDLE_LENGTH)?;
            let (distance, trailing) = read_distance(stream, at)?;
            (Instruction::Match(Match { form: Form::Middle, length, distance: distance + 1, trailing }), at + 2)
        }
        (16.., _) => {
            let (length, at) = read_length(stream, 7, FAR_LENGTH)?;
            let (distance, trailing) = read_distance(stream, at)?;
            let distance = distance + ((low & 8) << 11);
            let far = Match { form: Form::Far, length, distance: MIDDLE_DISTANCE + distance, trailing };
            (if distance == 0 { Instruction::End } else { Instruction::Match(far) }, at + 2)
        }
        (_, Before::Match) => {
            let (literals, at) = read_length(stream, 15, RUN_LENGTH)?;
            (Instruction::Run(literals), at)
        }
        (_, Before::Trailing) => small(Form::Pair, 2, PAIR_DISTANCE),
        (_, Before::Run) => small(Form::Triple, 3, TRIPLE_DISTANCE),
    })
}

/// The length in the bits `mask` of the first byte, which are as many as `most` at their largest. If they are zero, bytes
/// that follow say how many more than `most` there are. The second value is the number of bytes so far.
#[inline]
fn read_length(stream: &[u8], mask: u8, most: usize) -> Option<(usize, usize)> {
    let (&first, rest) = stream.split_first()?;
    match first & mask {
        0 => {
            let zeros = rest.iter().position(|&byte| byte != 0)?;
            let more = zeros.checked_mul(LENGTH_STEP)?.checked_add(most + usize::from(rest[zeros]))?;
            Some((more, zeros + 2))
        }
        bits => Some((most - usize::from(mask - bits), 1)),
    }
}

/// The distance in the two bytes at a place, and the number of literals that follow.
#[inline]
fn read_distance(stream: &[u8], at: usize) -> Option<(usize, usize)> {
    let bytes = usize::from(u16::from_le_bytes(*stream.get(at..)?.first_chunk()?));
    Some((bytes >> 2, bytes & 3))
}

/// Writes a stream.
#[derive(Debug, Default)]
pub(super) struct Writer {
    stream: Vec<u8>,
}

impl Writer {
    pub(super) fn is_empty(&self) -> bool {
        self.stream.is_empty()
    }

    /// Writes literals, in the form of the first instruction if they are that.
    pub(super) fn put_any_literals(&mut self, literals: &[u8]) {
        if self.is_empty() && (1..=MAX_FIRST_RUN).contains(&literals.len()) {
            self.stream.push((FIRST_RUN + literals.len()) as u8);
            self.stream.extend_from_slice(literals);
        } else {
            self.put_literals(literals);
        }
    }

    /// Writes literals, which follow a match unless there are many of them.
    pub(super) fn put_literals(&mut self, literals: &[u8]) {
        match literals.len() {
            0 => return,
            count @ ..=MAX_TRAILING => {
                let end = self.stream.len();
                // The two last bytes of a match have its distance, and the number of literals in the first of them.
                if let Some(byte) = end.checked_sub(2).and_then(|at| self.stream.get_mut(at)) {
                    *byte |= count as u8;
                }
            }
            count => self.put_length(0, count, (count - MAX_TRAILING, RUN_LENGTH)),
        }
        self.stream.extend_from_slice(literals);
    }

    /// Writes a match that follows this many literals.
    pub(super) fn put_match(&mut self, length: usize, distance: usize, literals: usize) {
        if length == 2 {
            self.put_small(distance - PAIR_DISTANCE);
        } else if length <= NEAR_LENGTH && distance <= NEAR_DISTANCE {
            let distance = distance - 1;
            self.stream.extend([((length - 1) << 5 | (distance & 7) << 2) as u8, (distance >> 3) as u8]);
        } else if length == 3 && distance <= MAX_TRIPLE_DISTANCE && literals > MAX_TRAILING {
            self.put_small(distance - TRIPLE_DISTANCE);
        } else if distance <= MIDDLE_DISTANCE {
            self.put_length(0x20, length, (length - 2, MIDDLE_LENGTH));
            self.put_distance(distance - 1);
        } else {
            let distance = distance - MIDDLE_DISTANCE;
            self.put_length(0x10 | (distance >> 11 & 8) as u8, length, (length - 2, FAR_LENGTH));
            self.put_distance(distance);
        }
    }

    fn put_small(&mut self, distance: usize) {
        self.stream.extend([((distance & 3) << 2) as u8, (distance >> 2) as u8]);
    }

    /// Writes the first byte of an instruction with a length, which is written as `bits` if it is at most `most`.
    fn put_length(&mut self, first: u8, length: usize, (bits, most): (usize, usize)) {
        if length <= most {
            self.stream.push(first | bits as u8);
            return;
        }
        let more = length - most;
        let zeros = zero_bytes(more);
        self.stream.push(first);
        self.stream.resize(self.stream.len() + zeros, 0);
        self.stream.push((more - zeros * LENGTH_STEP) as u8);
    }

    fn put_distance(&mut self, distance: usize) {
        self.stream.extend(((distance << 2) as u16).to_le_bytes());
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.stream.extend(END);
        self.stream
    }
}

/// The number of zero bytes that a length has that is this much above what its first byte holds.
pub(super) fn zero_bytes(more: usize) -> usize {
    more.saturating_sub(1) / LENGTH_STEP
}

/// The length of the common beginning of two slices.
#[inline]
pub(super) fn common_bytes(left: &[u8], right: &[u8]) -> usize {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let (lefts, rights) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
    for (number, (one, other)) in lefts.iter().zip(rights).enumerate() {
        let difference = word(one) ^ word(other);
        if difference != 0 {
            return 8 * number + (difference.trailing_zeros() / 8) as usize;
        }
    }
    let done = 8 * lefts.len().min(rights.len());
    done + left[done..].iter().zip(&right[done..]).take_while(|(one, other)| one == other).count()
}
