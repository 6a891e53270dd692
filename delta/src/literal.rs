//! The model of literal bytes. It predicts them from the bytes before, and from the longest repetition of those
//! bytes.

use crate::coder::BitCoder;
use crate::lanes::Lanes;
use crate::mix::{FEW, Field, Slots, hash, no_further};

/// The size of the history in which repetitions are found.
const HISTORY_BITS: u32 = 22;
const PLACES_BITS: u32 = 18;
/// The number of bytes by which a repetition is found.
const SEED: u32 = 5;

/// The model of literal bytes.
pub(crate) struct Literals {
    field: Field<5>,
    history: Vec<u8>,
    /// The number of bytes that were remembered so far.
    at: u32,
    places: Vec<u32>,
    /// Where the repetition goes on, and how long it is already. A length of 0 means that there is none.
    place: u32,
    len: u32,
}

impl Literals {
    pub(crate) fn new() -> Self {
        Self {
            field: Field::new(1, 3 * 256, FEW),
            history: vec![0; 1 << HISTORY_BITS],
            at: 0,
            places: vec![0; 1 << PLACES_BITS],
            place: 0,
            len: 0,
        }
    }

    fn byte(&self, place: u32) -> u8 {
        self.history[place as usize & ((1 << HISTORY_BITS) - 1)]
    }

    /// Adds a byte of the target to the history.
    pub(crate) fn remember(&mut self, byte: u8) {
        self.history[self.at as usize & ((1 << HISTORY_BITS) - 1)] = byte;
        self.at = self.at.wrapping_add(1);
    }

    /// Looks for the repetition that the next byte belongs to. `tail` holds the target's last bytes.
    pub(crate) fn follow(&mut self, tail: u64) {
        let last = tail as u8;
        if self.len > 0 && self.byte(self.place) == last {
            self.len = (self.len + 1).min(64);
            self.place = self.place.wrapping_add(1);
        } else {
            self.len = 0;
        }
        let seed = tail & ((1 << (SEED * 8)) - 1);
        let slot = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PLACES_BITS)) as usize;
        if self.len == 0 && self.places[slot] != 0 {
            self.place = self.places[slot];
            while self.len < 32
                && self.byte(self.place.wrapping_sub(1 + self.len)) == self.byte(self.at.wrapping_sub(1 + self.len))
            {
                self.len += 1;
            }
            if self.len < SEED {
                self.len = 0;
            }
        }
        self.places[slot] = self.at;
    }

    /// Notes that a copy came between: repetitions begin again.
    pub(crate) fn interrupt(&mut self) {
        self.len = 0;
    }

    /// Codes a literal byte.
    pub(crate) fn code<C: BitCoder>(&mut self, coder: &mut C, slots: &mut Slots, tail: u64, byte: u8) -> u8 {
        let contexts =
            [hash(1, tail & 0xff), hash(2, tail & 0xffff), hash(3, tail & 0xff_ffff), hash(6, word(tail)), hash(8, 0)];
        let repeated = (self.len > 0).then(|| 256 | u32::from(self.byte(self.place)));
        let strength = (self.len.min(32) as i16 * 40 + 100).min(1500);
        let mut node = 1u32;
        for place in (0..8u32).rev() {
            if place == 7 {
                self.field.select(&contexts, 0);
                if let Some(repeated) = repeated {
                    self.field.fetch(slots, &contexts, u64::from(repeated >> 4));
                }
            } else if place == 3 {
                self.field.select(&contexts, u64::from(node));
            }
            let agrees = repeated.filter(|repeated| repeated >> (place + 1) == node);
            let (input, class) = match agrees {
                Some(repeated) if repeated >> place & 1 == 1 => (strength, 1 + usize::from(self.len > 15)),
                Some(_) => (-strength, 1 + usize::from(self.len > 15)),
                None => (0, 0),
            };
            let selector = class * 256 + node as usize;
            let within = nibble_node(node, place);
            let inputs = (Lanes::of([0, 0, 0, 0, 0, input, 0, 0]), no_further().1);
            node = node << 1 | self.field.bit(coder, slots, within, inputs, selector, u32::from(byte) >> place & 1);
        }
        node as u8
    }
}

/// Maps a node of a byte's tree to a node of the tree of its half.
#[inline]
pub(crate) fn nibble_node(node: u32, place: u32) -> usize {
    if place >= 4 { node as usize } else { (1 << (3 - place) | node & ((1 << (3 - place)) - 1)) as usize }
}

/// A hash of the letters, digits and underscores at the target's end.
fn word(mut tail: u64) -> u64 {
    let mut found = 0;
    for _ in 0..8 {
        let byte = tail as u8;
        if !(byte.is_ascii_alphanumeric() || byte == b'_') {
            break;
        }
        found = hash(found, u64::from(byte));
        tail >>= 8;
    }
    found
}
