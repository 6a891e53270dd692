//! The part of a block that is far from the ends of what there is: neither bits nor room are counted for each code.

use super::codes::{Codes, Entry, LITERAL_ROOT_BITS};
use crate::DeflateError;
use crate::format::bit_reader::BitReader;
use crate::format::tables::MAX_MATCH_BYTES;

/// The largest number of bytes that the places of plain bytes count. Cutting a place to it changes nothing, but shows the
/// compiler that the place lies within the buffer.
pub(super) const PLACES: usize = 128 << 10;
/// The size of the buffer. Copies go in steps, and may write behind their end.
pub(super) const BUFFER_BYTES: usize = PLACES + 2 * STEP_BYTES;
/// The bytes of one step of a copy.
const STEP_BYTES: usize = 16;
/// The literals that are written between two looks at the room: three look-ups of two.
const LITERALS_A_TURN: usize = 6;
/// The stored bytes that a turn may read: two words, of which the second begins within the first.
const STORED_A_TURN: usize = 16;

pub(super) type Buffer = [u8; BUFFER_BYTES];

/// Bits that were read ahead, and what follows them.
struct Held<'a> {
    held: u64,
    count: u32,
    rest: &'a [u8],
}

impl Held<'_> {
    #[inline(always)]
    fn fill(&mut self) {
        if let Some(word) = self.rest.first_chunk::<8>() {
            self.held |= u64::from_le_bytes(*word) << self.count;
            self.rest = &self.rest[((63 - self.count) >> 3) as usize..];
            self.count |= 56;
        }
    }

    #[inline(always)]
    fn drop(&mut self, count: u32) {
        self.held >>= count;
        self.count -= count;
    }
}

/// Inflates literals and matches into the buffer from `end` on, as long as the next code surely begins before `most`, and
/// as long as there are bits. Stops before a code that is no literal and no match. Returns where the plain bytes end.
pub(super) fn inflate(
    codes: &Codes,
    bits: &mut BitReader<'_>,
    buffer: &mut Buffer,
    mut end: usize,
    most: usize,
) -> Result<usize, DeflateError> {
    let most = most.min(PLACES - MAX_MATCH_BYTES).saturating_sub(LITERALS_A_TURN);
    let (held, count, rest) = bits.state();
    let mut held = Held { held, count, rest };
    held.fill();
    // The next entry is looked up before more bits are read, so that neither waits for the other.
    let mut entry = codes.literals.first(held.held);
    let result = loop {
        if end >= most || held.rest.len() < STORED_A_TURN {
            break Ok(end);
        }
        held.fill();
        if entry.is_literal() {
            (end, entry) = literals(codes, &mut held, buffer, end, entry);
            if entry.is_literal() {
                (end, entry) = literals(codes, &mut held, buffer, end, entry);
                if entry.is_literal() {
                    (end, entry) = literals(codes, &mut held, buffer, end, entry);
                    continue;
                }
            }
            held.fill();
        }
        let mut len = entry.length();
        if entry.is_exception() {
            let mut passed = 0;
            if entry.is_longer() {
                passed = LITERAL_ROOT_BITS as u32;
                entry = codes.literals.second(entry, held.held >> passed);
            }
            if entry.is_literal() {
                held.drop(passed);
                (end, entry) = literals(codes, &mut held, buffer, end, entry);
                continue;
            }
            if !entry.is_long_length() {
                break Ok(end);
            }
            held.drop(passed);
            len = entry.value(held.held);
            held.drop(entry.bits());
            held.fill();
        } else {
            held.drop(entry.bits());
        }
        let Some(distance) = distance(codes, &mut held) else { break Err(DeflateError::Damaged) };
        entry = codes.literals.first(held.held);
        if distance > end {
            break Err(DeflateError::Damaged);
        }
        copy(buffer, end, distance, len);
        end += len;
    };
    bits.set_state(held.held, held.count, held.rest);
    result
}

/// Takes a distance. The result is `None` if no code begins so.
#[inline(always)]
fn distance(codes: &Codes, bits: &mut Held<'_>) -> Option<usize> {
    let mut entry = codes.distances.first(bits.held);
    if entry.is_exception() {
        bits.drop(entry.bits());
        let second = codes.distances.second(entry, bits.held);
        if !entry.is_longer() || second.is_exception() {
            return None;
        }
        entry = second;
    }
    let distance = entry.value(bits.held);
    bits.drop(entry.bits());
    Some(distance)
}

/// Writes the literals of an entry; returns where they end, and the next entry.
#[inline(always)]
fn literals(codes: &Codes, bits: &mut Held<'_>, buffer: &mut Buffer, end: usize, entry: Entry) -> (usize, Entry) {
    put(buffer, end, entry.literals());
    bits.drop(entry.bits());
    (end + entry.literal_count(), codes.literals.first(bits.held))
}

#[inline(always)]
fn put(buffer: &mut Buffer, at: usize, bytes: [u8; 2]) {
    let at = at & (PLACES - 1);
    buffer[at..at + 2].copy_from_slice(&bytes);
}

/// Copies some bytes, of which none is both read and written.
#[inline(always)]
fn step<const BYTES: usize>(buffer: &mut Buffer, from: usize, to: usize) {
    let (from, to) = (from & (PLACES - 1), to & (PLACES - 1));
    let mut bytes = [0; BYTES];
    bytes.copy_from_slice(&buffer[from..from + BYTES]);
    buffer[to..to + BYTES].copy_from_slice(&bytes);
}

/// Repeats `len` bytes from `distance` bytes ago. Up to two steps behind their end may be written.
#[inline(always)]
pub(super) fn copy(buffer: &mut Buffer, end: usize, distance: usize, len: usize) {
    let from = end - distance;
    if distance < STEP_BYTES {
        return copy_near(buffer, from, end, len);
    }
    // Two steps make most matches. Fewer would have to be counted, which costs more.
    step::<STEP_BYTES>(buffer, from, end);
    step::<STEP_BYTES>(buffer, from + STEP_BYTES, end + STEP_BYTES);
    let mut done = 2 * STEP_BYTES;
    while done < len {
        step::<STEP_BYTES>(buffer, from + done, end + done);
        done += STEP_BYTES;
    }
}

#[inline(never)]
fn copy_near(buffer: &mut Buffer, mut from: usize, mut to: usize, len: usize) {
    let end = to + len;
    if to - from == 1 {
        let at = to & (PLACES - 1);
        let byte = buffer[from & (PLACES - 1)];
        buffer[at..at + len].fill(byte);
    } else {
        // A step that reads what it writes has only its first bytes right, as many as the distance.
        let stride = (to - from).min(8);
        while to < end {
            step::<8>(buffer, from, to);
            (from, to) = (from + stride, to + stride);
        }
    }
}
