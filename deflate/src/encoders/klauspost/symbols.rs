//! Deflate's symbols of lengths and distances (RFC 1951, 3.2.5).

pub(super) const LENGTH_EXTRA_BITS: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
pub(super) const DISTANCE_EXTRA_BITS: [u8; 30] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];

/// By `length - 3`: the symbol less 257.
pub(super) const LENGTH_SYMBOL: [u8; 256] = length_symbols();
/// By symbol: the lowest `length - 3` with it.
pub(super) const LENGTH_BASE: [u8; 29] = length_bases();
/// By symbol: the lowest `distance - 1` with it.
pub(super) const DISTANCE_BASE: [u16; 30] = distance_bases();

const NEAR_SYMBOL: [u8; 256] = near_symbols();

/// The symbol of a `distance - 1`. Asked for one of 2^15, which is none, the answer is the original's: 14.
#[inline]
pub(super) fn distance_symbol(distance_less_1: u32) -> u32 {
    if distance_less_1 < 256 {
        u32::from(NEAR_SYMBOL[distance_less_1 as usize])
    } else {
        u32::from(NEAR_SYMBOL[(distance_less_1 >> 7) as usize & 0xFF]) + 14
    }
}

const fn length_symbols() -> [u8; 256] {
    let bases = length_bases();
    let mut symbols = [0; 256];
    let (mut length, mut symbol) = (0, 0);
    while length < 255 {
        while symbol < 27 && bases[symbol + 1] as usize <= length {
            symbol += 1;
        }
        symbols[length] = symbol as u8;
        length += 1;
    }
    symbols[255] = 28;
    symbols
}

const fn length_bases() -> [u8; 29] {
    let mut bases = [0; 29];
    let mut symbol = 1;
    while symbol < 28 {
        bases[symbol] = bases[symbol - 1] + (1 << LENGTH_EXTRA_BITS[symbol - 1]);
        symbol += 1;
    }
    bases[28] = 255;
    bases
}

const fn distance_bases() -> [u16; 30] {
    let mut bases = [0; 30];
    let mut symbol = 1;
    while symbol < 30 {
        bases[symbol] = bases[symbol - 1] + (1 << DISTANCE_EXTRA_BITS[symbol - 1]);
        symbol += 1;
    }
    bases
}

const fn near_symbols() -> [u8; 256] {
    let bases = distance_bases();
    let mut symbols = [0; 256];
    let (mut distance, mut symbol) = (0, 0);
    while distance < 256 {
        while bases[symbol + 1] as usize <= distance {
            symbol += 1;
        }
        symbols[distance] = symbol as u8;
        distance += 1;
    }
    symbols
}
