//! The changed bytes of a copy: their places and their new values.

use crate::base::byte_at;
use crate::coder::BitCoder;
use crate::fetch::fetch;
use crate::lanes::Lanes;
use crate::literal::nibble_node;
use crate::logistic::Logistic;
use crate::mix::{FEW, Field, MANY, Slots, bucket_of, hash, no_further};
use crate::relative::{Leads, Movements};

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
    /// The entry of the memory for the byte and its neighbours: its number, and what it has.
    slot: usize,
    remembered: u32,
    /// Whether distances begin here and right before, as [`Leads`] says it.
    leads: u32,
    /// The byte's new value, if it belongs to a distance whose target's movement is known.
    moved: Option<u8>,
}

/// How many places ahead an entry of the memory is fetched. Its number depends on base bytes alone, and fetching takes
/// longer than coding a byte.
const FETCHED_AHEAD: u32 = 4;

/// The differences of the last three changes, the last one first.
type Differences = [u8; 3];

/// What an entry of the memory says of a byte: nothing, that it stayed as it was, or that it changed.
#[inline(always)]
fn outcome(entry: u32) -> u64 {
    let (from, to) = ((entry >> 8) as u8, entry as u8);
    if entry == 0 { 0 } else { 1 + u64::from(from != to) }
}

impl Place {
    /// The last outcome for a base byte with the same neighbours: the byte in the base, and in the target.
    fn remembered(&self) -> Option<(u8, u8)> {
        (self.remembered != 0).then_some(((self.remembered >> 8) as u8, self.remembered as u8))
    }
}

/// The model of changed bytes.
pub(crate) struct Changes {
    flag: Field<6>,
    byte: Field<5>,
    /// The last outcome for a base byte with the same neighbours: 0x10000, then the byte in the base, and in the
    /// target.
    memory: Vec<u32>,
    movements: Movements,
    leads: Leads,
    /// The buckets of the second context of flags at the next places, each with its place, by the place modulo 8.
    befores: [(u64, u16); 8],
    /// By the position of a bit, the share of bits that each candidate predicted well, in 1/65536. The first three
    /// candidates are in the last places of the first half, and the others behind five places of the second.
    hits: [[Lanes; 2]; 8],
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
            leads: Leads::new(),
            befores: [(u64::MAX, 0); 8],
            hits: [[Lanes::splat(i16::MIN); 2]; 8],
            last: [0; 3],
            flags: 0,
        }
    }

    /// Notes that a copy begins.
    pub(crate) fn begin(&mut self) {
        (self.last, self.flags) = ([0; 3], 0);
    }

    fn slot(around: u128, ahead: u32) -> usize {
        let neighbours = (around >> (56 + ahead * 8)) as u32;
        (hash(99, u64::from(neighbours)) >> (64 - MEMORY_BITS)) as usize
    }

    /// Looks at a place of the base. `around`, `base_at`, `target_at`, `tail` and `checked` are those of [`Place`].
    #[inline(always)]
    pub(crate) fn look(
        &mut self,
        around: u128,
        (base_at, target_at): (u64, u64),
        tail: u64,
        checked: Option<u8>,
    ) -> Place {
        let slot = Self::slot(around, 0);
        fetch(&self.memory[Self::slot(around, FETCHED_AHEAD)]);
        let leads = self.leads.at(around, base_at, &self.movements);
        let moved = self.movements.guess(leads, around, base_at, target_at);
        Place { around, base_at, target_at, tail, checked, slot, remembered: self.memory[slot], leads, moved }
    }

    /// The bucket of the two base bytes before a place. The one that is needed [`FETCHED_AHEAD`] places ahead is fetched.
    #[inline]
    fn bucket_before(&mut self, place: &Place, slots: &Slots) -> u16 {
        // The base bytes before the place are the lowest ones, with the last one highest.
        let bucket = |ahead: u32| bucket_of(hash(73, u64::from((place.around >> (48 + ahead * 8)) as u16)));
        let later = (place.base_at.wrapping_add(FETCHED_AHEAD.into()), bucket(FETCHED_AHEAD));
        slots.fetch(later.1);
        self.befores[later.0 as usize % 8] = later;
        let (base_at, known) = self.befores[place.base_at as usize % 8];
        if base_at == place.base_at { known } else { bucket(0) }
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
        let remembered = outcome(place.remembered);
        let moved = place.moved.map_or(0, |byte| 1 + u64::from(u64::from(byte) != base));
        // A checksum's digit is the best of the predictions.
        let guessed = place.checked.map_or(moved, |byte| 3 + u64::from(u64::from(byte) != base));
        let flags = self.flags;
        // The last four flags choose the slot within a bucket, so that a bucket is full of them.
        let before = self.bucket_before(place, slots);
        let next = self.memory[Self::slot(place.around, 1)];
        slots.fetch(bucket_of(hash(75, outcome(next) | u64::from(byte_at(place.around, 1)) << 2)));
        self.flag.select_buckets([
            bucket_of(hash(71, flags >> 4 & 0xfff)),
            before,
            bucket_of(hash(75, remembered | base << 2)),
            bucket_of(hash(76, since | (place.target_at & 7) << 8)),
            bucket_of(hash(77, guessed | remembered << 3)),
            bucket_of(hash(78, u64::from(self.last[0]))),
        ]);
        let selector = (flags & 15 | guessed << 4) as usize;
        let is_changed =
            self.flag.bit(coder, slots, (flags & 15) as usize, no_further(), selector, u32::from(is_changed)) == 1;
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
        self.memory[place.slot] = 0x10000 | u32::from(byte_at(place.around, 0)) << 8 | u32::from(byte);
        self.movements.learn(place.leads, place.around, place.base_at, place.target_at, tail);
    }

    /// Codes the new value of a changed byte.
    pub(crate) fn code_byte<C: BitCoder>(&mut self, coder: &mut C, slots: &mut Slots, place: &Place, byte: u8) -> u8 {
        let base = byte_at(place.around, 0);
        let shifted = base.wrapping_add(self.last[0]);
        let remembered = place.remembered().filter(|(from, to)| from != to).map(|(_, to)| to);
        let contexts = self.contexts(place);
        let candidates = Candidates::of([Some(shifted), remembered, place.moved, Some(base), place.checked]);
        let likely = place.checked.or(place.moved).or(remembered).unwrap_or(shifted);
        let set = usize::from(place.checked.is_some()) * 256;
        let mut node = 1u32;
        for bit in (0..8u32).rev() {
            if bit == 7 {
                self.byte.select(&contexts, 0);
                self.byte.fetch(slots, &contexts, 16 | u64::from(likely >> 4));
            } else if bit == 3 {
                self.byte.select(&contexts, u64::from(node));
            }
            let hits = &mut self.hits[bit as usize];
            let agreed = candidates.agreed(node, bit);
            let [first, second] = agreed.inputs(hits, slots.logistic());
            let inputs = (first, second.plus(no_further().1));
            let wanted = u32::from(byte) >> bit & 1;
            let found = self.byte.bit(coder, slots, nibble_node(node, bit), inputs, set + node as usize, wanted);
            agreed.learn(hits, found);
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

/// The candidates for a byte, in the places of their inputs.
struct Candidates([Lanes; 2]);

/// Which of the candidates agree with the bits before, and predict a 1 or a 0.
struct Agreed {
    ones: [Lanes; 2],
    zeros: [Lanes; 2],
}

impl Candidates {
    fn of(candidates: [Option<u8>; CANDIDATES]) -> Self {
        // A node is never 0, so what is no candidate agrees with none.
        let [a, b, c, d, e] = candidates.map(|candidate| candidate.map_or(0, |byte| 256 | i16::from(byte)));
        Self([Lanes::of([0, 0, 0, 0, 0, a, b, c]), Lanes::of([0, 0, 0, 0, 0, d, e, 0])])
    }

    #[inline(always)]
    fn agreed(&self, node: u32, bit: u32) -> Agreed {
        let starts = self.0.map(|candidates| candidates.shifted_down(bit));
        let node = (node << 1) as i16;
        Agreed {
            ones: starts.map(|starts| starts.equal_to(node | 1)),
            zeros: starts.map(|starts| starts.equal_to(node)),
        }
    }
}

impl Agreed {
    /// The inputs of the candidates that agree.
    #[inline(always)]
    fn inputs(&self, hits: &[Lanes; 2], logistic: &Logistic) -> [Lanes; 2] {
        let logit = |hits: i16| logistic.stretch(u32::from(hits as u16));
        let ([.., a, b, c], [.., d, e, _]) = (hits[0].numbers(), hits[1].numbers());
        let [a, b, c, d, e] = [a, b, c, d, e].map(logit);
        let logits = [Lanes::of([0, 0, 0, 0, 0, a, b, c]), Lanes::of([0, 0, 0, 0, 0, d, e, 0])];
        std::array::from_fn(|half| logits[half].and(self.ones[half]).minus(logits[half].and(self.zeros[half])))
    }

    /// Learns from the bit that was found.
    #[inline(always)]
    fn learn(&self, hits: &mut [Lanes; 2], found: u32) {
        let (right, wrong) = if found == 1 { (&self.ones, &self.zeros) } else { (&self.zeros, &self.ones) };
        for (half, hits) in hits.iter_mut().enumerate() {
            let (up, down) = (hits.inverted().shifted_down(6), hits.shifted_down(6));
            *hits = hits.plus(up.and(right[half])).minus(down.and(wrong[half]));
        }
    }
}
