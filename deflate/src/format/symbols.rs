//! The symbols of lengths and distances (RFC 1951, 3.2.5).

pub(crate) const LITERAL_SYMBOLS: usize = 286;
pub(crate) const DISTANCE_SYMBOLS: usize = 30;
pub(crate) const END_OF_BLOCK: usize = 256;
pub(crate) const FIRST_LENGTH: usize = 257;

const LENGTHS: usize = 256;

/// Extra bits of the length symbols, counted from the first.
pub(crate) const LENGTH_EXTRA: [u8; 32] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0, 0, 0, 0];

/// Extra bits of the distance symbols.
pub(crate) const DISTANCE_EXTRA: [u8; 32] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 0, 0];

/// The length (less three) at which each length symbol begins.
pub(crate) const LENGTH_BASE: [u8; 32] = length_base();
/// The distance (less one) at which each distance symbol begins.
pub(crate) const DISTANCE_BASE: [u16; 32] = distance_base();

/// Of a length less three, the symbol counted from the first.
static LENGTH_SYMBOL: [u8; LENGTHS] = length_symbols();
/// Of a distance less one below 256, and of 128ths of one, less 14, above.
static DISTANCE_SYMBOL: [u8; 256] = distance_symbols();

const fn length_base() -> [u8; 32] {
    let (mut base, mut symbol, mut next) = ([0; 32], 0, 0);
    while symbol < 28 {
        base[symbol] = next as u8;
        next += 1 << LENGTH_EXTRA[symbol];
        symbol += 1;
    }
    // 258 has a symbol of its own.
    base[28] = 255;
    base
}

const fn distance_base() -> [u16; 32] {
    let (mut base, mut symbol, mut next) = ([0; 32], 0, 0u32);
    while symbol < DISTANCE_SYMBOLS {
        base[symbol] = next as u16;
        next += 1 << DISTANCE_EXTRA[symbol];
        symbol += 1;
    }
    base
}

const fn length_symbols() -> [u8; LENGTHS] {
    let (mut symbols, mut length, mut symbol) = ([0; LENGTHS], 0, 0);
    while length < LENGTHS {
        if symbol < 28 && length == LENGTH_BASE[symbol + 1] as usize {
            symbol += 1;
        }
        symbols[length] = symbol as u8;
        length += 1;
    }
    symbols
}

const fn distance_symbols() -> [u8; 256] {
    let (mut symbols, mut distance, mut symbol) = ([0; 256], 0, 0);
    while distance < 256 {
        if distance == DISTANCE_BASE[symbol + 1] as usize {
            symbol += 1;
        }
        symbols[distance] = symbol as u8;
        distance += 1;
    }
    symbols
}

/// The symbol of a length less three, counted from the first length symbol.
#[inline(always)]
pub(crate) fn length_symbol(length: u8) -> u8 {
    LENGTH_SYMBOL[length as usize]
}

/// The symbol of a distance less one.
#[inline(always)]
pub(crate) fn distance_symbol(distance: u16) -> u8 {
    if distance < 256 {
        DISTANCE_SYMBOL[usize::from(distance)]
    } else {
        DISTANCE_SYMBOL[usize::from(distance >> 7 & 255)] + 14
    }
}
