//! Prefix codes of literals (RFC 8878, 4.2): their lengths, and how a table of them is written.

use super::bits::BitWriter;
use super::fse::{Histogram, MAX_SYMBOLS, Table, table_log};

pub(super) const MAX_CODE_BITS: u32 = 11;
const MIN_TABLE_LOG: u32 = 5;
const WEIGHTS_LOG: u32 = 6;
/// A table of more symbols than this is not written without entropy coding.
const MAX_PLAIN_WEIGHTS: usize = 128;

/// A symbol's code.
#[derive(Debug, Clone, Copy, Default)]
struct Code {
    bits: u16,
    length: u8,
}

/// The codes of all bytes; those that do not occur have none.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    codes: [Code; 256],
    /// The longest code.
    longest: u32,
    /// One more than the last byte that has a code.
    symbols: usize,
}

/// How often each byte occurs.
#[derive(Debug, Clone)]
pub(super) struct Bytes {
    pub(super) counts: [u32; 256],
    pub(super) total: u32,
    pub(super) most: u32,
    /// One more than the last byte that occurs.
    pub(super) symbols: usize,
}

impl Bytes {
    pub(super) fn of(bytes: &[u8]) -> Self {
        // Four histograms, so that runs of one byte do not wait for each other's sums.
        let mut parts = [[0u32; 256]; 4];
        let (quads, rest) = bytes.as_chunks::<4>();
        for quad in quads {
            for (part, byte) in parts.iter_mut().zip(quad) {
                part[usize::from(*byte)] += 1;
            }
        }
        rest.iter().for_each(|byte| parts[0][usize::from(*byte)] += 1);
        let mut counts = parts[0];
        for part in &parts[1..] {
            counts.iter_mut().zip(part).for_each(|(count, more)| *count += more);
        }
        let most = counts.iter().copied().max().unwrap_or_default();
        let symbols = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        Self { counts, total: bytes.len() as u32, most, symbols }
    }
}

impl Codes {
    /// The best codes for bytes of at least two kinds.
    pub(super) fn of(bytes: &Bytes) -> Self {
        let mut order: Vec<u8> = (0..bytes.symbols).map(|symbol| symbol as u8).collect();
        order.retain(|symbol| bytes.counts[usize::from(*symbol)] > 0);
        order.sort_by_key(|symbol| std::cmp::Reverse(bytes.counts[usize::from(*symbol)]));
        let counts: Vec<u32> = order.iter().map(|symbol| bytes.counts[usize::from(*symbol)]).collect();
        let mut lengths = tree(&counts);
        let longest = limited(&mut lengths, &counts, longest_wanted(bytes));
        let mut codes = [Code::default(); 256];
        order.iter().zip(&lengths).for_each(|(symbol, length)| codes[usize::from(*symbol)].length = *length);
        assign(&mut codes, longest);
        Self { codes, longest, symbols: bytes.symbols }
    }

    /// Codes of these lengths, which are complete.
    pub(crate) fn of_lengths(lengths: &[u8; 256]) -> Self {
        let mut codes = [Code::default(); 256];
        codes.iter_mut().zip(lengths).for_each(|(code, length)| code.length = *length);
        let longest = lengths.iter().copied().max().map_or(0, u32::from);
        let symbols = lengths.iter().rposition(|length| *length > 0).map_or(0, |last| last + 1);
        assign(&mut codes, longest);
        Self { codes, longest, symbols }
    }

    /// Whether all of these bytes have codes.
    pub(crate) fn have(&self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.codes[usize::from(*byte)].length > 0)
    }

    /// Whether every byte that occurs has a code.
    pub(super) fn cover(&self, bytes: &Bytes) -> bool {
        self.codes.iter().zip(&bytes.counts).all(|(code, count)| *count == 0 || code.length > 0)
    }

    /// The bytes that the codes of all bytes take.
    pub(super) fn size(&self, bytes: &Bytes) -> usize {
        let bits: u32 = self.codes.iter().zip(&bytes.counts).map(|(code, count)| u32::from(code.length) * count).sum();
        (bits + 7) as usize >> 3
    }

    /// Writes the table (RFC 8878, 4.2.1); `None` if it cannot be written.
    pub(super) fn put(&self, out: &mut BitWriter) -> Option<()> {
        // The last weight follows from the others.
        let last = self.symbols - 1;
        let weight = |code: &Code| match code.length {
            0 => 0,
            length => (self.longest + 1 - u32::from(length)) as u8,
        };
        let weights: Vec<u8> = self.codes[..last].iter().map(weight).collect();
        if let Some(coded) = coded_weights(&weights).filter(|coded| coded.len() < self.symbols >> 1) {
            out.put_bytes(&[coded.len() as u8]);
            out.put_bytes(&coded);
            return Some(());
        }
        if last > MAX_PLAIN_WEIGHTS {
            return None;
        }
        let mut plain = vec![128 | (last - 1) as u8];
        plain.extend(weights.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or_default()));
        out.put_bytes(&plain);
        Some(())
    }

    /// Writes the codes of bytes, the last one first, as a stream.
    pub(crate) fn put_stream(&self, bytes: &[u8], out: &mut BitWriter) {
        let (quads, rest) = bytes.as_chunks::<4>();
        self.put_codes(rest, out);
        for quad in quads.iter().rev() {
            self.put_codes(quad, out);
        }
        out.close();
    }

    #[inline(always)]
    fn put_codes(&self, bytes: &[u8], out: &mut BitWriter) {
        for byte in bytes.iter().rev() {
            let code = self.codes[usize::from(*byte)];
            out.put(u64::from(code.bits), u32::from(code.length));
        }
        out.flush();
    }
}

/// The longest code that these bytes should have.
fn longest_wanted(bytes: &Bytes) -> u32 {
    let of_source = bytes.total.ilog2() + 1;
    let of_symbols = (bytes.symbols as u32 - 1).ilog2() + 2;
    let accuracy = (bytes.total - 1).ilog2().saturating_sub(1);
    MAX_CODE_BITS.min(accuracy).max(of_source.min(of_symbols)).clamp(MIN_TABLE_LOG, MAX_CODE_BITS)
}

/// The lengths of codes as a Huffman tree of any depth has them. Counts fall.
fn tree(counts: &[u32]) -> Vec<u8> {
    const NEVER: u32 = 1 << 30;
    let leaves = counts.len();
    let inner = leaves - 1;
    // Inner nodes come in the order in which they are made, behind the leaves.
    let mut sums = vec![NEVER; inner];
    let mut parents = vec![0usize; leaves + inner];
    let (mut leaf, mut node) = (leaves, 0);
    for made in 0..inner {
        let mut sum = 0;
        for _ in 0..2 {
            let takes_leaf = leaf > 0 && (node >= made || counts[leaf - 1] < sums[node]);
            let (child, count) = if takes_leaf {
                leaf -= 1;
                (leaf, counts[leaf])
            } else {
                node += 1;
                (leaves + node - 1, sums[node - 1])
            };
            parents[child] = leaves + made;
            sum += count;
        }
        sums[made] = sum;
    }
    let mut depths = vec![0u8; leaves + inner];
    for node in (0..leaves + inner - 1).rev() {
        if node >= leaves {
            depths[node] = depths[parents[node]] + 1;
        }
    }
    (0..leaves).map(|leaf| depths[parents[leaf]] + 1).collect()
}

/// No symbol is the last of a length.
const NONE: usize = usize::MAX;

/// Shortens codes that are longer than `wanted`, and pays for that with those of other symbols. Gives the longest length
/// that there is then.
fn limited(lengths: &mut [u8], counts: &[u32], wanted: u32) -> u32 {
    let wanted = wanted as u8;
    let longest = lengths.last().copied().unwrap_or_default();
    if longest <= wanted {
        return u32::from(longest);
    }
    let base = 1i64 << (longest - wanted);
    let mut cost = 0i64;
    let mut at = lengths.len() - 1;
    while lengths[at] > wanted {
        cost += base - (1i64 << (longest - lengths[at]));
        lengths[at] = wanted;
        at -= 1;
    }
    while at > 0 && lengths[at] == wanted {
        at -= 1;
    }
    cost >>= longest - wanted;
    let mut last = [NONE; MAX_CODE_BITS as usize + 2];
    let mut current = wanted;
    for place in (0..=at).rev() {
        if lengths[place] < current {
            current = lengths[place];
            last[usize::from(wanted - current)] = place;
        }
    }
    while cost > 0 {
        cost -= lengthen(lengths, counts, &mut last, wanted, cost);
    }
    while cost < 0 {
        if last[1] == NONE {
            while at > 0 && lengths[at] == wanted {
                at -= 1;
            }
            last[1] = at;
        }
        last[1] += 1;
        lengths[last[1]] -= 1;
        cost += 1;
    }
    u32::from(wanted)
}

/// Makes one code longer by a bit, and gives what that pays.
fn lengthen(lengths: &mut [u8], counts: &[u32], last: &mut [usize], wanted: u8, cost: i64) -> i64 {
    let mut by = cost.ilog2() as usize + 1;
    while by > 1 {
        let (high, low) = (last[by], last[by - 1]);
        if high != NONE && (low == NONE || counts[high] <= 2 * counts[low]) {
            break;
        }
        by -= 1;
    }
    while by < last.len() - 1 && last[by] == NONE {
        by += 1;
    }
    let place = last[by];
    if last[by - 1] == NONE {
        last[by - 1] = place;
    }
    lengths[place] += 1;
    last[by] = match place.checked_sub(1) {
        Some(before) if usize::from(lengths[before]) == usize::from(wanted).wrapping_sub(by) => before,
        _ => NONE,
    };
    1 << (by - 1)
}

/// Gives codes of the same length in the order of the symbols.
fn assign(codes: &mut [Code; 256], longest: u32) {
    let mut next = [0u16; 16];
    let mut of_length = [0u16; 16];
    codes.iter().for_each(|code| of_length[usize::from(code.length & 15)] += 1);
    let mut first = 0;
    for length in (1..=longest as usize).rev() {
        next[length] = first;
        first = (first + of_length[length]) >> 1;
    }
    for code in codes.iter_mut().filter(|code| code.length > 0) {
        let length = usize::from(code.length & 15);
        code.bits = next[length];
        next[length] += 1;
    }
}

/// Weights, coded by two states that take turns.
fn coded_weights(weights: &[u8]) -> Option<Vec<u8>> {
    let mut counts = [0u32; MAX_SYMBOLS];
    weights.iter().for_each(|weight| counts[usize::from(*weight)] += 1);
    let histogram = Histogram::of(counts);
    let most = histogram.most();
    if weights.len() < 2 || most == histogram.total || most == 1 || most < histogram.total >> 7 {
        return None;
    }
    let log = table_log(&histogram, WEIGHTS_LOG, (histogram.total - 1).ilog2() + 1);
    let table = Table::of_histogram(&histogram, log)?;
    let (rest, last) = weights.split_last_chunk::<2>()?;
    if rest.is_empty() {
        return None;
    }
    let mut coded = Vec::new();
    table.put(&mut coded);
    // The state that takes the last weight is the one whose turn it is at an odd place.
    let mut states = [0u32; 2];
    for (place, weight) in (rest.len()..).zip(last) {
        states[place & 1] = table.first_state(*weight);
    }
    let mut bits = BitWriter::default();
    for (place, weight) in rest.iter().enumerate().rev() {
        let (length, state) = table.step(states[place & 1], *weight);
        bits.put_low(u64::from(states[place & 1]), length);
        bits.flush();
        states[place & 1] = state;
    }
    for state in [states[1], states[0]] {
        bits.put_low(u64::from(state), log);
    }
    bits.close();
    coded.extend_from_slice(bits.bytes());
    (coded.len() < weights.len()).then_some(coded)
}
