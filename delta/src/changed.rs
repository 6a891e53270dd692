//! The changed bytes of a copy: their places and their new values.

use crate::base::byte_at;
use crate::coder::BitCoder;
use crate::literal::nibble_node;
use crate::mix::{FEW, Field, MANY, Slots, hash};
use crate::relative::Movements;

const MEMORY_BITS: u32 = 18;
/// The number of candidates for a byte.
const CANDIDATES: usize = 5;

/// A byte of a copy, with the known bytes around it.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The base bytes from 8 before the place to 7 behind it.
    pub(crate) around: u128,
    pub(crate) base_at: u64,
    pub(crate) target_at: u64,
    /// The target's last bytes, with the last one lowest.
    pub(crate) tail: u64,
    /// The byte's new value, if it is a digit of a checksum.
    pub(crate) checked: Option<u8>,
}

/// The differences of the last three changes, the last one first.
type Differences = [u8; 3];

/// The model of changed bytes.
pub(crate) struct Changes {
    flag: Field<6, 16>,
    byte: Field<5, 16>,
    /// The last outcome for a base byte with the same neighbours: 0x10000, then the byte in the base, and in the
    /// target.
    memory: Vec<u32>,
    movements: Movements,
    /// The share of bits that each candidate predicted well, by the bit's position, in 1/65536.
    hits: [[u32; 8]; CANDIDATES],
    last: Differences,
    /// The last flags, with the last one lowest. A flag of 1 means changed.
    pub(crate) flags: u64,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            flag: Field::new(0, 80, MANY),
            byte: Field::new(CANDIDATES, 512, FEW),
            memory: vec![0; 1 << MEMORY_BITS],
            movements: Movements::new(),
            hits: [[32_768; 8]; CANDIDATES],
            last: [0; 3],
            flags: 0,
        }
    }

    /// Notes that a copy begins.
    pub(crate) fn begin(&mut self) {
        (self.last, self.flags) = ([0; 3], 0);
    }

    fn slot(place: &Place) -> usize {
        let neighbours = (place.around >> 56) as u32;
        (hash(99, u64::from(neighbours)) >> (64 - MEMORY_BITS)) as usize
    }

    fn remembered(&self, place: &Place) -> Option<(u8, u8)> {
        let entry = self.memory[Self::slot(place)];
        (entry != 0).then_some(((entry >> 8) as u8, entry as u8))
    }

    /// Codes whether a byte is changed. `since` is the number of bytes since the last change.
    #[inline]
    pub(crate) fn code_flag<C: BitCoder>(
        &mut self,
        coder: &mut C,
        slots: &mut Slots,
        place: &Place,
        since: u64,
        is_changed: bool,
    ) -> bool {
        let base = u64::from(byte_at(place.around, 0));
        // The base bytes before the place, with the last one highest.
        let before = place.around as u64;
        let remembered = self.remembered(place).map_or(0, |(from, to)| 1 + u64::from(from != to));
        let moved = self.movements.guess(place.around, place.base_at, place.target_at);
        let moved = moved.map_or(0, |byte| 1 + u64::from(u64::from(byte) != base));
        // A checksum's digit is the best of the predictions.
        let guessed = place.checked.map_or(moved, |byte| 3 + u64::from(u64::from(byte) != base));
        let flags = self.flags;
        // The last four flags choose the slot within a bucket, so that a bucket is full of them.
        let contexts = [
            hash(71, flags >> 4 & 0xfff),
            hash(73, before >> 48),
            hash(75, remembered | base << 2),
            hash(76, since | (place.target_at & 7) << 8),
            hash(77, guessed | remembered << 3),
            hash(78, u64::from(self.last[0])),
        ];
        self.flag.select(&contexts, 0);
        let selector = (flags & 15 | guessed << 4) as usize;
        let is_changed = self.flag.bit(coder, slots, (flags & 15) as usize, [], selector, u32::from(is_changed)) == 1;
        self.flags = flags << 1 | u64::from(is_changed);
        is_changed
    }

    /// Takes in an unchanged byte. `tail` includes it.
    #[inline]
    pub(crate) fn keep(&mut self, place: &Place, since: u64, tail: u64) {
        self.learn(place, byte_at(place.around, 0), tail);
        if since > 4 {
            self.last = [0, self.last[0], self.last[1]];
        }
    }

    fn learn(&mut self, place: &Place, byte: u8, tail: u64) {
        self.memory[Self::slot(place)] = 0x10000 | u32::from(byte_at(place.around, 0)) << 8 | u32::from(byte);
        self.movements.learn(place.around, place.base_at, place.target_at, tail);
    }

    /// Codes the new value of a changed byte.
    pub(crate) fn code_byte<C: BitCoder>(&mut self, coder: &mut C, slots: &mut Slots, place: &Place, byte: u8) -> u8 {
        let base = byte_at(place.around, 0);
        let shifted = base.wrapping_add(self.last[0]);
        let remembered = self.remembered(place).filter(|(from, to)| from != to).map(|(_, to)| to);
        let moved = self.movements.guess(place.around, place.base_at, place.target_at);
        let contexts = self.contexts(place);
        let candidates = [Some(shifted), remembered, moved, Some(base), place.checked];
        let set = usize::from(place.checked.is_some()) * 256;
        let mut node = 1u32;
        for bit in (0..8u32).rev() {
            if bit == 7 {
                self.byte.select(&contexts, 0);
            } else if bit == 3 {
                self.byte.select(&contexts, u64::from(node));
            }
            let mut inputs = [0i16; CANDIDATES];
            for ((input, hits), candidate) in inputs.iter_mut().zip(&self.hits).zip(candidates) {
                if let Some(agreed) = agreed(candidate, node, bit) {
                    let logit = slots.logistic().stretch(hits[bit as usize]);
                    *input = if agreed == 1 { logit } else { -logit };
                }
            }
            let wanted = u32::from(byte) >> bit & 1;
            let found = self.byte.bit(coder, slots, nibble_node(node, bit), inputs, set + node as usize, wanted);
            for (hits, candidate) in self.hits.iter_mut().zip(candidates) {
                if let Some(agreed) = agreed(candidate, node, bit) {
                    let hits = &mut hits[bit as usize];
                    *hits = if agreed == found { *hits + ((65_535 - *hits) >> 6) } else { *hits - (*hits >> 6) };
                }
            }
            node = node << 1 | found;
        }
        let byte = node as u8;
        self.last = [byte.wrapping_sub(base), self.last[0], self.last[1]];
        self.learn(place, byte, place.tail << 8 | u64::from(byte));
        byte
    }

    fn contexts(&self, place: &Place) -> [u64; 5] {
        let tail = place.tail;
        let base = u64::from(byte_at(place.around, 0));
        let [last, second, _] = self.last.map(u64::from);
        [
            hash(11, base),
            hash(12, base | (tail & 0xff) << 8),
            hash(13, last | base << 8),
            hash(17, tail & 0xffff),
            hash(19, place.target_at & 3 | last << 4 | second << 12 | base << 20),
        ]
    }
}

/// The bit that a candidate predicts here, if the candidate agrees with the bits before.
#[inline]
fn agreed(candidate: Option<u8>, node: u32, bit: u32) -> Option<u32> {
    let candidate = 256 | u32::from(candidate?);
    (candidate >> (bit + 1) == node).then_some(candidate >> bit & 1)
}
