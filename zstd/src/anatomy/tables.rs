//! The tables of a frame (RFC 8878, 4.1 and 4.2): how they are read.

use super::bits::{BackwardBits, ForwardBits};

/// The most symbols of an alphabet, in a table of finite state entropy.
pub(crate) const MAX_SYMBOLS: usize = 64;
/// The longest prefix code of a literal.
pub(crate) const MAX_CODE_BITS: u32 = 11;
const MIN_LOG: u32 = 5;
const WEIGHTS_LOG: u32 = 6;
/// The weights of a table that is written without entropy coding have a first byte from here on.
const PLAIN_WEIGHTS: u8 = 128;

/// Shares of the states of a table: -1 stands for less than one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norms {
    pub(crate) log: u32,
    pub(crate) shares: [i16; MAX_SYMBOLS],
    pub(crate) symbols: usize,
}

impl Norms {
    /// Reads a table with which `bytes` begin, of at most this accuracy and this number of symbols, and gives the number
    /// of its bytes.
    pub(crate) fn read(bytes: &[u8], max_log: u32, max_symbols: usize) -> Option<(Self, usize)> {
        let mut bits = ForwardBits::new(bytes);
        let log = bits.take(4)? + MIN_LOG;
        if log > max_log {
            return None;
        }
        let (mut shares, mut symbols) = ([0i16; MAX_SYMBOLS], 0);
        let (mut left, mut threshold, mut width) = ((1i32 << log) + 1, 1i32 << log, log + 1);
        while left > 1 {
            let most = 2 * threshold - 1 - left;
            let next = bits.peek(width) as i32;
            let is_short = next & (threshold - 1) < most;
            let mut value = if is_short { next & (threshold - 1) } else { next };
            bits.take(if is_short { width - 1 } else { width })?;
            if !is_short && value >= threshold {
                value -= most;
            }
            let share = value - 1;
            *shares.get_mut(symbols).filter(|_| symbols < max_symbols)? = share as i16;
            symbols += 1;
            left -= share.abs();
            if left < 1 {
                return None;
            }
            while left < threshold && width > 1 {
                width -= 1;
                threshold >>= 1;
            }
            if share == 0 {
                symbols += skipped(&mut bits)?;
            }
        }
        (symbols <= max_symbols).then_some((Self { log, shares, symbols }, bits.bytes_taken()))
    }
}

/// The number of symbols behind one that does not occur which do not occur either.
fn skipped(bits: &mut ForwardBits<'_>) -> Option<usize> {
    let mut skipped = 0;
    loop {
        let more = bits.take(2)? as usize;
        skipped += more;
        if more < 3 {
            return Some(skipped);
        }
        if skipped > MAX_SYMBOLS {
            return None;
        }
    }
}

/// What a state stands for, and how the next one follows from it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct State {
    pub(crate) symbol: u8,
    pub(crate) bits: u8,
    pub(crate) base: u16,
}

/// The states of a table, for reading.
pub(crate) fn states(norms: &Norms) -> Option<Vec<State>> {
    let size = 1usize << norms.log;
    let (mut states, mut high) = (vec![State::default(); size], size);
    let mut next = [0u32; MAX_SYMBOLS];
    for (symbol, share) in norms.shares.iter().enumerate() {
        next[symbol] = u32::from(share.unsigned_abs());
        if *share == -1 {
            high = high.checked_sub(1)?;
            states[high].symbol = symbol as u8;
        }
    }
    if next.iter().sum::<u32>() as usize != size {
        return None;
    }
    let (step, mut place) = ((size >> 1) + (size >> 3) + 3, 0);
    for (symbol, share) in norms.shares.iter().enumerate() {
        for _ in 0..*share {
            states[place].symbol = symbol as u8;
            place = (place + step) & (size - 1);
            while place >= high {
                place = (place + step) & (size - 1);
            }
        }
    }
    for state in &mut states {
        let number = &mut next[usize::from(state.symbol) & (MAX_SYMBOLS - 1)];
        let bits = norms.log - number.checked_ilog2()?;
        state.bits = bits as u8;
        state.base = ((*number << bits) as usize - size) as u16;
        *number += 1;
    }
    Some(states)
}

/// The states of a table of one symbol.
pub(crate) fn one_state(symbol: u8) -> Vec<State> {
    vec![State { symbol, bits: 0, base: 0 }]
}

/// Reads the table of prefix codes with which `bytes` begin: the length of each byte's code, and the number of bytes of
/// the table.
pub(crate) fn read_code_lengths(bytes: &[u8]) -> Option<([u8; 256], usize)> {
    let (&first, rest) = bytes.split_first()?;
    let (weights, taken) = if first >= PLAIN_WEIGHTS {
        let number = usize::from(first - PLAIN_WEIGHTS) + 1;
        let packed = rest.get(..number.div_ceil(2))?;
        let weights = packed.iter().flat_map(|pair| [pair >> 4, pair & 15]).take(number).collect();
        (weights, packed.len())
    } else {
        (coded_weights(rest.get(..usize::from(first))?)?, usize::from(first))
    };
    Some((lengths(&weights)?, 1 + taken))
}

/// Weights that two states give in turn.
fn coded_weights(bytes: &[u8]) -> Option<Vec<u8>> {
    let (norms, taken) = Norms::read(bytes, WEIGHTS_LOG, MAX_CODE_BITS as usize + 2)?;
    let table = states(&norms)?;
    let mut bits = BackwardBits::new(bytes.get(taken..)?)?;
    let mut weights = Vec::new();
    let mut at = [bits.take(norms.log)? as usize, bits.take(norms.log)? as usize];
    // Each state has its turn until the bits do not suffice for its next one; then the other one gives the last weight.
    for turn in (0..2).cycle() {
        let state = table[at[turn]];
        weights.push(state.symbol);
        if bits.left() < usize::from(state.bits) {
            weights.push(table[at[1 - turn]].symbol);
            break;
        }
        at[turn] = usize::from(state.base) + bits.take(u32::from(state.bits))? as usize;
        if weights.len() > 254 {
            return None;
        }
    }
    Some(weights)
}

/// The lengths of codes that have these weights, and one more that completes them.
fn lengths(weights: &[u8]) -> Option<[u8; 256]> {
    if weights.len() > 255 || weights.iter().any(|weight| u32::from(*weight) > MAX_CODE_BITS) {
        return None;
    }
    let sum: u32 = weights.iter().filter(|weight| **weight > 0).map(|weight| 1 << (weight - 1)).sum();
    let longest = sum.checked_ilog2()? + 1;
    let left = (1 << longest) - sum;
    if longest > MAX_CODE_BITS || !left.is_power_of_two() {
        return None;
    }
    let mut lengths = [0; 256];
    let last = left.ilog2() as u8 + 1;
    for (length, weight) in lengths.iter_mut().zip(weights.iter().copied().chain([last])) {
        *length = if weight == 0 { 0 } else { longest as u8 + 1 - weight };
    }
    Some(lengths)
}
