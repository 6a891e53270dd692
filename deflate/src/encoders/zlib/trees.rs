//! Huffman codes as zlib builds them: with a heap that prefers shallow trees among equal ones, then cut to the greatest
//! length.

use crate::format::prefix_code::{Code as PrefixCode, codes};
use crate::format::tables::{LITERAL_SYMBOLS, MAX_CODE_BITS as MAX_BITS};

/// Literals and match lengths.
const MOST_SYMBOLS: usize = LITERAL_SYMBOLS;
/// Nodes of the largest tree, and one more.
const MOST_NODES: usize = 2 * MOST_SYMBOLS + 1;

/// A kind of code: how many symbols there are, their extra bits, and how long codes may be.
pub(super) struct Alphabet {
    pub(super) symbols: usize,
    pub(super) extra: fn(usize) -> u32,
    pub(super) max_bits: usize,
    /// Lengths of the fixed codes; all 0 where there are none.
    pub(super) fixed: fn(usize) -> u32,
}

/// The code of each symbol.
pub(super) struct Tree {
    pub(super) lengths: Vec<u8>,
    pub(super) codes: Vec<PrefixCode>,
    /// The highest symbol that has a code.
    pub(super) max_symbol: usize,
    /// Bits of all symbols with this code, and with the fixed one; extra bits included. Those that are there only
    /// because two are needed do not count.
    pub(super) bits: i64,
    pub(super) fixed_bits: i64,
}

struct TreeBuilder {
    counts: [u32; MOST_NODES],
    parents: [u16; MOST_NODES],
    depths: [u8; MOST_NODES],
    lengths: [u8; MOST_NODES],
    heap: [u16; MOST_NODES],
    heap_len: usize,
    /// From here on the heap holds nodes by falling count.
    sorted: usize,
}

impl Tree {
    /// The code for symbols with these counts. A count of 0 becomes 1 where fewer than two symbols are there.
    pub(super) fn build(counts: &mut [u32], alphabet: &Alphabet) -> Self {
        let mut builder = TreeBuilder {
            counts: [0; MOST_NODES],
            parents: [0; MOST_NODES],
            depths: [0; MOST_NODES],
            lengths: [0; MOST_NODES],
            heap: [0; MOST_NODES],
            heap_len: 0,
            sorted: MOST_NODES,
        };
        let (mut max_symbol, mut bits, mut fixed_bits) = (None, 0i64, 0i64);
        for (symbol, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
            builder.counts[symbol] = count;
            builder.heap_len += 1;
            builder.heap[builder.heap_len] = symbol as u16;
            max_symbol = Some(symbol);
        }
        while builder.heap_len < 2 {
            let symbol = match max_symbol {
                Some(highest) if highest >= 2 => 0,
                highest => {
                    let next = highest.map_or(0, |highest| highest + 1);
                    max_symbol = Some(next);
                    next
                }
            };
            (builder.counts[symbol], counts[symbol]) = (1, 1);
            builder.heap_len += 1;
            builder.heap[builder.heap_len] = symbol as u16;
            bits -= 1;
            fixed_bits -= i64::from((alphabet.fixed)(symbol));
        }
        let max_symbol = max_symbol.unwrap_or(0);
        builder.join(alphabet.symbols);
        let (of_codes, of_fixed) = builder.measure(max_symbol, alphabet);
        let lengths = builder.lengths[..alphabet.symbols].to_vec();
        let codes = codes(&lengths);
        Self { lengths, codes, max_symbol, bits: bits + of_codes, fixed_bits: fixed_bits + of_fixed }
    }
}

/// The lengths of the codes that zlib makes of symbols with these counts, of at most [`MOST_SYMBOLS`].
pub(crate) fn code_lengths(counts: &[u32], max_bits: usize) -> Vec<u8> {
    let alphabet = Alphabet { symbols: counts.len(), extra: |_| 0, max_bits, fixed: |_| 0 };
    Tree::build(&mut counts.to_vec(), &alphabet).lengths
}

impl TreeBuilder {
    /// Joins the two rarest nodes until one is left.
    fn join(&mut self, symbols: usize) {
        (1..=self.heap_len / 2).rev().for_each(|at| self.sink(at));
        let mut node = symbols;
        loop {
            let first = self.heap[1];
            self.heap[1] = self.heap[self.heap_len];
            self.heap_len -= 1;
            self.sink(1);
            let second = self.heap[1];
            self.sorted -= 2;
            (self.heap[self.sorted + 1], self.heap[self.sorted]) = (first, second);
            let (first, second) = (usize::from(first), usize::from(second));
            self.counts[node] = self.counts[first] + self.counts[second];
            self.depths[node] = self.depths[first].max(self.depths[second]) + 1;
            (self.parents[first], self.parents[second]) = (node as u16, node as u16);
            self.heap[1] = node as u16;
            node += 1;
            self.sink(1);
            if self.heap_len < 2 {
                break;
            }
        }
        self.sorted -= 1;
        self.heap[self.sorted] = self.heap[1];
    }

    fn is_smaller(&self, a: u16, b: u16) -> bool {
        let (a, b) = (usize::from(a), usize::from(b));
        self.counts[a] < self.counts[b] || self.counts[a] == self.counts[b] && self.depths[a] <= self.depths[b]
    }

    /// Moves a node down to where its children are no smaller.
    fn sink(&mut self, mut at: usize) {
        let node = self.heap[at];
        let mut child = at * 2;
        while child <= self.heap_len {
            if child < self.heap_len && self.is_smaller(self.heap[child + 1], self.heap[child]) {
                child += 1;
            }
            if self.is_smaller(node, self.heap[child]) {
                break;
            }
            self.heap[at] = self.heap[child];
            (at, child) = (child, child * 2);
        }
        self.heap[at] = node;
    }

    /// Finds the lengths of the codes; returns the bits that all symbols take, with these codes and with fixed ones.
    fn measure(&mut self, max_symbol: usize, alphabet: &Alphabet) -> (i64, i64) {
        let (mut per_length, mut too_long) = ([0i32; MAX_BITS + 1], 0);
        let (mut bits, mut fixed_bits) = (0i64, 0i64);
        self.lengths[usize::from(self.heap[self.sorted])] = 0;
        for at in self.sorted + 1..MOST_NODES {
            let node = usize::from(self.heap[at]);
            let mut length = usize::from(self.lengths[usize::from(self.parents[node])]) + 1;
            if length > alphabet.max_bits {
                length = alphabet.max_bits;
                too_long += 1;
            }
            self.lengths[node] = length as u8;
            if node > max_symbol {
                continue;
            }
            per_length[length] += 1;
            let (count, extra) = (i64::from(self.counts[node]), (alphabet.extra)(node));
            bits += count * (length as i64 + i64::from(extra));
            fixed_bits += count * i64::from((alphabet.fixed)(node) + extra);
        }
        if too_long > 0 {
            bits += self.shorten(max_symbol, alphabet.max_bits, per_length, too_long);
        }
        (bits, fixed_bits)
    }

    /// Some codes were cut to the greatest length: others get longer, so that all have room. Returns how many more bits
    /// that takes.
    fn shorten(
        &mut self,
        max_symbol: usize,
        max_bits: usize,
        mut per_length: [i32; MAX_BITS + 1],
        too_long: i32,
    ) -> i64 {
        let mut left = too_long;
        while left > 0 {
            let longest = (1..max_bits).rev().find(|&bits| per_length[bits] > 0).unwrap_or(1);
            per_length[longest] -= 1;
            per_length[longest + 1] += 2;
            per_length[max_bits] -= 1;
            left -= 2;
        }
        let (mut more, mut at) = (0, MOST_NODES);
        for bits in (1..=max_bits).rev() {
            let mut left = per_length[bits];
            while left > 0 {
                at -= 1;
                let node = usize::from(self.heap[at]);
                if node > max_symbol {
                    continue;
                }
                more += (bits as i64 - i64::from(self.lengths[node])) * i64::from(self.counts[node]);
                self.lengths[node] = bits as u8;
                left -= 1;
            }
        }
        more
    }
}
