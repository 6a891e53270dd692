//! Tables of finite state entropy (RFC 8878, 4.1): normalized counts, how they are written, and the states.

/// The most symbols that an alphabet has: match lengths have 53.
pub(super) const MAX_SYMBOLS: usize = 64;
const MAX_LOG: u32 = 8;
const MIN_LOG: u32 = 5;
/// The format allows one bit more than klauspost's tables have.
const MAX_STATES: usize = 1 << 9;

/// How often each symbol occurs; those that occur, and how often the most frequent one does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Histogram {
    pub(super) counts: [u32; MAX_SYMBOLS],
    /// One more than the last symbol that occurs.
    pub(super) symbols: usize,
    pub(super) total: u32,
}

impl Histogram {
    pub(super) fn of(counts: [u32; MAX_SYMBOLS]) -> Self {
        let symbols = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        Self { counts, symbols, total: counts.iter().sum() }
    }

    pub(super) fn most(&self) -> u32 {
        self.counts.iter().copied().max().unwrap_or_default()
    }

    fn used(&self) -> &[u32] {
        &self.counts[..self.symbols]
    }
}

/// The accuracy, as a power of two, that suits this number of symbols: at most `wanted`. `least_source_bits` is the fewest
/// bits that the number of symbols asks for.
pub(super) fn table_log(histogram: &Histogram, wanted: u32, least_source_bits: u32) -> u32 {
    let high_bit = |value: u32| 31u32.wrapping_sub(value.leading_zeros());
    let of_symbols = high_bit(histogram.symbols as u32 - 1).wrapping_add(2);
    let least = least_source_bits.min(of_symbols);
    // Of very few symbols this wraps, and is no bound.
    let of_source = high_bit(histogram.total - 1).wrapping_sub(2) & 0xff;
    of_source.min(wanted).max(least & 0xff).clamp(MIN_LOG, MAX_LOG)
}

/// A symbol's share of the states.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Transform {
    delta_bits: u32,
    delta_state: i32,
}

/// Normalized counts and the states that follow from them.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(super) log: u32,
    pub(super) symbols: usize,
    /// -1 stands for less than one state.
    norms: [i16; MAX_SYMBOLS],
    states: [u16; MAX_STATES],
    transforms: [Transform; MAX_SYMBOLS],
}

impl Table {
    /// A table for a histogram of at least two symbols; `None` if none represents it.
    pub(super) fn of_histogram(histogram: &Histogram, log: u32) -> Option<Self> {
        Self::of_norms(normalized(histogram, log)?, histogram.symbols, log)
    }

    pub(crate) fn of_norms(norms: [i16; MAX_SYMBOLS], symbols: usize, log: u32) -> Option<Self> {
        let empty = Transform::default();
        let mut table = Self { log, symbols, norms, states: [0; MAX_STATES], transforms: [empty; MAX_SYMBOLS] };
        table.spread()?;
        table.transform();
        Some(table)
    }

    /// Whether the table has a code for a symbol. One of one symbol seems to have all.
    pub(crate) fn has(&self, symbol: u8) -> bool {
        self.log == 0 || self.norms.get(usize::from(symbol)).is_some_and(|norm| *norm != 0)
    }

    /// A table of one symbol, which takes no bits at all.
    pub(crate) fn of_one_symbol() -> Self {
        let transforms = [Transform::default(); MAX_SYMBOLS];
        Self { log: 0, symbols: MAX_SYMBOLS, norms: [0; MAX_SYMBOLS], states: [0; MAX_STATES], transforms }
    }

    /// Deals the states out to the symbols.
    fn spread(&mut self) -> Option<()> {
        let size = 1usize << self.log;
        let (mut owners, mut starts, mut high) = ([0u8; MAX_STATES], [0usize; MAX_SYMBOLS], size);
        let mut start = 0;
        for (symbol, norm) in self.norms.iter().enumerate() {
            starts[symbol] = start;
            if *norm == -1 {
                high = high.checked_sub(1)?;
                owners[high] = symbol as u8;
            }
            start += usize::from(norm.unsigned_abs());
        }
        if start != size {
            return None;
        }
        let (step, mut place) = ((size >> 1) + (size >> 3) + 3, 0);
        for (symbol, norm) in self.norms.iter().enumerate() {
            for _ in 0..*norm {
                owners[place] = symbol as u8;
                place = (place + step) & (size - 1);
                while place >= high {
                    place = (place + step) & (size - 1);
                }
            }
        }
        for (place, owner) in owners[..size].iter().enumerate() {
            let at = &mut starts[usize::from(*owner)];
            self.states[*at] = (size + place) as u16;
            *at += 1;
        }
        Some(())
    }

    fn transform(&mut self) {
        let mut total = 0i32;
        for (transform, norm) in self.transforms.iter_mut().zip(self.norms) {
            let norm = i32::from(norm);
            match norm {
                0 => {}
                -1 | 1 => {
                    let delta_bits = (self.log << 16) - (1 << self.log);
                    *transform = Transform { delta_bits, delta_state: total - 1 };
                    total += 1;
                }
                _ => {
                    let most_bits = self.log - (norm as u32 - 1).ilog2();
                    let delta_bits = (most_bits << 16).wrapping_sub((norm as u32) << most_bits);
                    *transform = Transform { delta_bits, delta_state: total - norm };
                    total += norm;
                }
            }
        }
    }

    /// The state in which a stream ends whose last symbol is this one.
    #[inline(always)]
    pub(super) fn first_state(&self, symbol: u8) -> u32 {
        let transform = self.transforms[usize::from(symbol) & (MAX_SYMBOLS - 1)];
        let bits = transform.delta_bits.wrapping_add(1 << 15) >> 16;
        let value = (bits << 16).wrapping_sub(transform.delta_bits);
        self.state(value >> (bits & 31), transform)
    }

    /// The bits that a symbol puts out in a state, and the state after it.
    #[inline(always)]
    pub(super) fn step(&self, state: u32, symbol: u8) -> (u32, u32) {
        let transform = self.transforms[usize::from(symbol) & (MAX_SYMBOLS - 1)];
        let bits = state.wrapping_add(transform.delta_bits) >> 16;
        (bits, self.state(state >> (bits & 15), transform))
    }

    #[inline(always)]
    fn state(&self, value: u32, transform: Transform) -> u32 {
        let place = (value as i32).wrapping_add(transform.delta_state) as usize & (MAX_STATES - 1);
        u32::from(self.states[place])
    }

    /// The bits that a symbol takes at least; 0 if the table lacks it.
    pub(super) fn least_bits(&self, symbol: u8) -> u32 {
        self.transforms[usize::from(symbol) & (MAX_SYMBOLS - 1)].delta_bits >> 16
    }

    /// The bits, about, that the symbols of a histogram take; `u32::MAX` if the table lacks one of them.
    pub(super) fn estimate(&self, histogram: &Histogram) -> u32 {
        const FRACTION_BITS: u32 = 8;
        if self.symbols < histogram.symbols {
            return u32::MAX;
        }
        let worst = (self.log + 1) << FRACTION_BITS;
        let mut cost = 0u32;
        for (symbol, count) in histogram.used().iter().enumerate().filter(|(_, count)| **count > 0) {
            if self.norms[symbol] == 0 {
                return u32::MAX;
            }
            let delta = self.transforms[symbol].delta_bits;
            let fewest = delta >> 16;
            let threshold = (fewest + 1) << 16;
            let below = threshold.wrapping_sub(delta.wrapping_add(1 << self.log));
            let bits = ((fewest + 1) << FRACTION_BITS).wrapping_sub((below << FRACTION_BITS) >> self.log);
            if bits > worst {
                return u32::MAX;
            }
            cost = cost.wrapping_add(count.wrapping_mul(bits));
        }
        cost >> FRACTION_BITS
    }

    /// Appends the normalized counts (RFC 8878, 4.1.1).
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let size = 1i32 << self.log;
        let (mut left, mut threshold, mut bits) = (size + 1, size, self.log + 1);
        let (mut pending, mut pending_bits) = (u64::from(self.log - MIN_LOG), 4u32);
        let mut symbol = 0;
        while left > 1 && symbol < self.symbols {
            let norm = i32::from(self.norms[symbol]);
            symbol += 1;
            let most = 2 * threshold - 1 - left;
            left -= norm.abs();
            let mut value = norm + 1;
            if value >= threshold {
                value += most;
            }
            pending |= (value as u64) << pending_bits;
            pending_bits += if value < most { bits - 1 } else { bits };
            while left < threshold && bits > 1 {
                bits -= 1;
                threshold >>= 1;
            }
            if norm == 0 && left > 1 {
                let zeros = self.norms[symbol..self.symbols].iter().take_while(|norm| **norm == 0).count();
                symbol += zeros;
                for _ in 0..zeros / 3 {
                    (pending, pending_bits) = spill(pending | 3 << pending_bits, pending_bits + 2, out);
                }
                pending |= (zeros as u64 % 3) << pending_bits;
                pending_bits += 2;
            }
            (pending, pending_bits) = spill(pending, pending_bits, out);
        }
        out.extend_from_slice(&pending.to_le_bytes()[..pending_bits.div_ceil(8) as usize]);
    }
}

/// Writes whole bytes out.
fn spill(mut pending: u64, mut pending_bits: u32, out: &mut Vec<u8>) -> (u64, u32) {
    while pending_bits >= 8 {
        out.push(pending as u8);
        pending >>= 8;
        pending_bits -= 8;
    }
    (pending, pending_bits)
}

/// What is added to a share below 8 states before it is rounded, in millionths of 2^20.
const ROUNDING: [u64; 8] = [0, 473_195, 504_333, 520_860, 550_000, 700_000, 750_000, 830_000];

/// Counts as shares of `1 << log` states.
fn normalized(histogram: &Histogram, log: u32) -> Option<[i16; MAX_SYMBOLS]> {
    let scale = 62 - log;
    let step = (1u64 << 62) / u64::from(histogram.total);
    let low = histogram.total >> log;
    let (mut left, mut largest, mut largest_share) = (1i16 << log, 0, 0i16);
    let mut norms = [0i16; MAX_SYMBOLS];
    for (symbol, count) in histogram.used().iter().enumerate().filter(|(_, count)| **count > 0) {
        if *count <= low {
            norms[symbol] = -1;
            left -= 1;
            continue;
        }
        let exact = u64::from(*count) * step;
        let mut share = (exact >> scale) as i16;
        if let Some(rounding) = ROUNDING.get(share as usize)
            && exact - ((share as u64) << scale) > (rounding << (scale - 20))
        {
            share += 1;
        }
        if share > largest_share {
            (largest, largest_share) = (symbol, share);
        }
        norms[symbol] = share;
        left -= share;
    }
    if -left >= norms[largest] >> 1 {
        return normalized_differently(histogram, log);
    }
    norms[largest] += left;
    Some(norms)
}

const NOT_YET: i16 = -2;

/// The second way of rounding, for when the first gives far too many states away.
fn normalized_differently(histogram: &Histogram, log: u32) -> Option<[i16; MAX_SYMBOLS]> {
    let mut total = histogram.total;
    let (low, mut low_one) = (total >> log, (total * 3) >> (log + 1));
    let (mut norms, mut dealt) = ([0i16; MAX_SYMBOLS], 0u32);
    for (norm, count) in norms.iter_mut().zip(histogram.used()).filter(|(_, count)| **count > 0) {
        *norm = if *count <= low {
            -1
        } else if *count <= low_one {
            1
        } else {
            NOT_YET
        };
        if *norm != NOT_YET {
            dealt += 1;
            total -= count;
        }
    }
    let mut left = (1u32 << log).checked_sub(dealt).filter(|left| *left > 0)?;
    if total / left > low_one {
        low_one = (total * 3) / (left * 2);
        for (norm, count) in norms.iter_mut().zip(histogram.used()) {
            if *norm == NOT_YET && *count <= low_one {
                *norm = 1;
                dealt += 1;
                total -= count;
            }
        }
        left = (1u32 << log).checked_sub(dealt)?;
    }
    if dealt == histogram.symbols as u32 + 1 {
        let most = histogram.most();
        let first = histogram.used().iter().position(|count| *count == most)?;
        norms[first] += left as i16;
        return Some(norms);
    }
    if total == 0 {
        let positive = norms.iter().filter(|norm| **norm > 0).count();
        let mut symbol = 0;
        while left > 0 && positive > 0 {
            if norms[symbol] > 0 {
                left -= 1;
                norms[symbol] += 1;
            }
            symbol = (symbol + 1) % histogram.symbols;
        }
        return (left == 0).then_some(norms);
    }
    share_rest(histogram, log, left, total, &mut norms)?;
    Some(norms)
}

/// Deals what is left out to the symbols that have nothing yet, in proportion.
fn share_rest(histogram: &Histogram, log: u32, left: u32, total: u32, norms: &mut [i16; MAX_SYMBOLS]) -> Option<()> {
    let scale = 62 - log;
    let mid = (1u64 << (scale - 1)) - 1;
    let step = ((1u64 << scale) * u64::from(left) + mid) / u64::from(total);
    let mut sum = mid;
    for (norm, count) in norms.iter_mut().zip(histogram.used()).filter(|(norm, _)| **norm == NOT_YET) {
        let end = sum + u64::from(*count) * step;
        let weight = (end >> scale) as u32 - (sum >> scale) as u32;
        if weight < 1 {
            return None;
        }
        *norm = weight as i16;
        sum = end;
    }
    Some(())
}
