//! Codes as encoders build them of how often symbols occur.

use super::symbols::Counts;
use crate::encode::go_code_lengths;

const MAX_CODE_BITS: usize = 15;
/// Of the codes for code lengths.
const MAX_OWN_BITS: usize = 7;

/// A way to choose the lengths of codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Builder {
    /// Package-merge, as in Go's library and klauspost's.
    Merging,
    /// Huffman's algorithm by a heap, as in zlib.
    Heap,
}

impl Builder {
    pub(super) const ALL: [Self; 2] = [Self::Merging, Self::Heap];

    /// Lengths of the codes of literals and match lengths, and of distances; each ends with the last that there is.
    pub(super) fn lengths(self, counts: &Counts) -> (Vec<u8>, Vec<u8>) {
        let literals = self.of_counts(&counts.literals, MAX_CODE_BITS);
        let mut distances = self.of_counts(&counts.distances, MAX_CODE_BITS);
        if distances.is_empty() {
            distances.push(1);
        }
        (literals, distances)
    }

    /// Lengths of the codes for code lengths.
    pub(super) fn own(self, counts: &[u32; 19]) -> Vec<u8> {
        self.of_counts(counts, MAX_OWN_BITS)
    }

    fn of_counts(self, counts: &[u32], max_bits: usize) -> Vec<u8> {
        let mut lengths = match self {
            Self::Merging => go_code_lengths(counts, max_bits),
            Self::Heap => Heap::new(counts).lengths(max_bits),
        };
        let used = lengths.iter().rposition(|&length| length > 0).map_or(0, |last| last + 1);
        lengths.truncate(used);
        lengths
    }
}

/// zlib's tree (`trees.c`): of nodes that are equally frequent, which one is taken follows from the heap and from depths.
struct Heap {
    symbols: usize,
    counts: Vec<u64>,
    depths: Vec<u8>,
    parents: Vec<usize>,
    /// From 1 on; the place before is not used.
    heap: Vec<usize>,
    /// The nodes in the order in which they were taken.
    taken: Vec<usize>,
}

impl Heap {
    fn new(counts: &[u32]) -> Self {
        let mut counts: Vec<u64> = counts.iter().map(|&count| count.into()).collect();
        let symbols = counts.len();
        let mut heap = vec![0];
        heap.extend((0..symbols).filter(|&symbol| counts[symbol] > 0));
        let mut last = if heap.len() > 1 { heap[heap.len() - 1] as isize } else { -1 };
        // Two codes at least.
        while heap.len() < 3 {
            let node = if last < 2 {
                last += 1;
                last as usize
            } else {
                0
            };
            heap.push(node);
            counts[node] = 1;
        }
        let (depths, parents) = (vec![0; symbols], vec![0; symbols]);
        let mut made = Self { symbols, counts, depths, parents, heap, taken: Vec::new() };
        for place in (1..=(made.heap.len() - 1) / 2).rev() {
            made.sink(place);
        }
        made.join();
        made
    }

    fn is_smaller(&self, a: usize, b: usize) -> bool {
        (self.counts[a], self.depths[a]) <= (self.counts[b], self.depths[b])
    }

    fn sink(&mut self, mut place: usize) {
        let node = self.heap[place];
        let last = self.heap.len() - 1;
        let mut child = place * 2;
        while child <= last {
            if child < last && self.is_smaller(self.heap[child + 1], self.heap[child]) {
                child += 1;
            }
            if self.is_smaller(node, self.heap[child]) {
                break;
            }
            self.heap[place] = self.heap[child];
            (place, child) = (child, child * 2);
        }
        self.heap[place] = node;
    }

    /// Joins the two rarest nodes until one is left.
    fn join(&mut self) {
        while self.heap.len() > 2 {
            let first = self.heap[1];
            self.heap.swap_remove(1);
            self.sink(1);
            let second = self.heap[1];
            self.taken.extend([first, second]);
            let node = self.counts.len();
            self.counts.push(self.counts[first] + self.counts[second]);
            self.depths.push(self.depths[first].max(self.depths[second]).saturating_add(1));
            self.parents.push(0);
            (self.parents[first], self.parents[second]) = (node, node);
            self.heap[1] = node;
            self.sink(1);
        }
    }

    fn lengths(&self, max_bits: usize) -> Vec<u8> {
        let mut bits = vec![0usize; self.counts.len()];
        let mut of_length = vec![0usize; max_bits + 1];
        let mut too_long = 0;
        for &node in self.taken.iter().rev() {
            bits[node] = bits[self.parents[node]] + 1;
            if bits[node] > max_bits {
                bits[node] = max_bits;
                too_long += 1;
            }
            if node < self.symbols {
                of_length[bits[node]] += 1;
            }
        }
        if too_long > 0 {
            shorten(&mut of_length, too_long);
            let mut rarest = self.taken.iter().filter(|&&node| node < self.symbols);
            for (length, &number) in of_length.iter().enumerate().rev() {
                rarest.by_ref().take(number).for_each(|&node| bits[node] = length);
            }
        }
        bits[..self.symbols].iter().map(|&bits| bits as u8).collect()
    }
}

/// Makes room for codes that are too long by making others longer.
fn shorten(of_length: &mut [usize], mut too_long: isize) {
    let max_bits = of_length.len() - 1;
    while too_long > 0 {
        let Some(bits) = (1..max_bits).rev().find(|&bits| of_length[bits] > 0) else { return };
        of_length[bits] -= 1;
        of_length[bits + 1] += 2;
        of_length[max_bits] -= 1;
        too_long -= 2;
    }
}
