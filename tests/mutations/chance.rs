//! Choices that follow from a kind and a number, and the changes to bytes that they make.

use regrow_chunker::varint;

/// The generator SplitMix64.
pub(crate) struct Chance(u64);

/// Numbers at the limits of formats, or of arithmetic.
const EDGES: [u64; 30] = [
    0,
    1,
    2,
    3,
    63,
    64,
    127,
    128,
    255,
    256,
    511,
    512,
    1023,
    4096,
    65_535,
    65_536,
    1 << 20,
    4 << 20,
    (4 << 20) + 1,
    8 << 20,
    (1 << 25) - 1,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    1 << 40,
    1 << 62,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

impl Chance {
    /// The choices for input `number` of a kind.
    pub(crate) fn new(kind: &str, number: u64) -> Self {
        let hash = blake3::hash(format!("mutation {kind} {number}").as_bytes());
        Self(u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Returns true once in `times`.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A number that formats may not expect.
    pub(crate) fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => self.next() >> self.below(64),
            1 => self.below(300) as u64,
            _ => EDGES[self.below(EDGES.len())],
        }
    }

    /// Gives a number another value: an edge, or one near the old value.
    pub(crate) fn change(&mut self, number: &mut u64) {
        *number = match self.below(4) {
            0 => number.wrapping_add(1),
            1 => number.wrapping_sub(1),
            2 => number.wrapping_mul(2),
            _ => self.number(),
        };
    }

    /// A part of `bytes` that is at most `most` long.
    fn part(&mut self, bytes: usize, most: usize) -> std::ops::Range<usize> {
        let start = self.below(bytes);
        start..bytes.min(start + 1 + self.below(most))
    }

    /// Makes one to four changes: of bits, bytes or numbers, or parts that are cut, doubled, moved or filled.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            self.mutate_once(bytes);
        }
    }

    fn mutate_once(&mut self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        if len == 0 {
            return bytes.push(self.next() as u8);
        }
        let at = self.below(len);
        match self.below(9) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, self.next() as u8][self.below(6)],
            2 => {
                let mut number = Vec::new();
                varint::put(&mut number, self.number());
                let replaced = at..len.min(at + self.below(4));
                drop(bytes.splice(replaced, number));
            }
            3 => {
                let number = self.number().to_le_bytes();
                let width = [2, 4, 8][self.below(3)].min(len - at);
                bytes[at..at + width].copy_from_slice(&number[..width]);
            }
            4 => drop(bytes.drain(self.part(len, 200))),
            5 => {
                let doubled = bytes[self.part(len, 600)].to_vec();
                drop(bytes.splice(at..at, doubled));
            }
            6 => {
                let moved: Vec<u8> = bytes.drain(self.part(len, 200)).collect();
                let to = self.below(bytes.len());
                drop(bytes.splice(to..to, moved));
            }
            7 => {
                let (part, byte) = (self.part(len, 100), [0, 0xff, self.next() as u8][self.below(3)]);
                bytes[part].fill(byte);
            }
            _ => bytes.truncate(len - self.below(len) / 8),
        }
    }

    /// Makes one change to a list: an item is doubled, removed, moved, or repeated many times.
    pub(crate) fn mutate_list<T: Clone>(&mut self, list: &mut Vec<T>) {
        let (at, other) = (self.below(list.len()), self.below(list.len()));
        match self.below(5) {
            _ if list.is_empty() => {}
            0 => list.swap(at, other),
            1 => drop(list.remove(at)),
            2 => list.insert(other, list[at].clone()),
            3 => list.truncate(at),
            _ => {
                let most = if self.one_in(8) { 20_000 } else { 1000 };
                let many = std::iter::repeat_n(list[at].clone(), self.below(most)).collect::<Vec<_>>();
                list.extend(many);
            }
        }
    }
}
