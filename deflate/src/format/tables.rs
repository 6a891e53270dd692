//! The numbers of RFC 1951: its alphabets, their extra bits, its fixed codes and its limits.
//!
//! Every other module takes them from here. Lengths of matches are counted less three and distances less one where they
//! index a table, so that they fit a byte and 15 bits.

/// Symbols of literals, of the end of a block and of match lengths.
pub(crate) const LITERAL_SYMBOLS: usize = 286;
pub(crate) const DISTANCE_SYMBOLS: usize = 30;
/// Symbols that code the lengths of codes: a length each, and three repetitions.
pub(crate) const CODE_LENGTH_SYMBOLS: usize = 19;
pub(crate) const END_OF_BLOCK: usize = 256;
pub(crate) const FIRST_LENGTH: usize = 257;

pub(crate) const MIN_MATCH_BYTES: usize = 3;
pub(crate) const MAX_MATCH_BYTES: usize = 258;
/// The farthest that matches reach back.
pub(crate) const WINDOW_BYTES: usize = 32 << 10;
pub(crate) const MAX_STORED_BYTES: usize = 65535;

/// The longest code of a literal, a length or a distance.
pub(crate) const MAX_CODE_BITS: usize = 15;
/// The longest code of a code length.
pub(crate) const MAX_CODE_LENGTH_BITS: usize = 7;

/// The order in which the lengths of the codes for code lengths are written (3.2.7).
pub(crate) const CODE_LENGTH_ORDER: [usize; CODE_LENGTH_SYMBOLS] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The symbol that repeats the code length before it.
pub(crate) const REPEAT: u8 = 16;
/// The symbol for three to ten code lengths of zero.
pub(crate) const FEW_ZEROS: u8 = 17;
/// The symbol for 11 to 138 code lengths of zero.
pub(crate) const MANY_ZEROS: u8 = 18;

/// The extra bits of a symbol that codes code lengths, and the fewest lengths it stands for (3.2.7).
pub(crate) const fn repetition(symbol: u8) -> (u32, u8) {
    match symbol {
        REPEAT => (2, 3),
        FEW_ZEROS => (3, 3),
        MANY_ZEROS => (7, 11),
        _ => (0, 1),
    }
}

/// The extra bits of each length symbol, the first of which is [`FIRST_LENGTH`] (3.2.5). The last three stand for
/// nothing.
pub(crate) const LENGTH_EXTRA: [u8; 32] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0, 0, 0, 0];
/// The number of length symbols.
pub(crate) const LENGTH_SYMBOLS: usize = LITERAL_SYMBOLS - FIRST_LENGTH;

/// The extra bits of each distance symbol. The last two stand for nothing.
pub(crate) const DISTANCE_EXTRA: [u8; 32] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 0, 0];

/// The length (less three) at which each length symbol begins.
pub(crate) const LENGTH_BASE: [u8; 32] = length_base();
/// The distance (less one) at which each distance symbol begins.
pub(crate) const DISTANCE_BASE: [u16; 32] = distance_base();

/// The lengths of the fixed codes of literals and lengths (3.2.6). The last two symbols stand for nothing.
pub(crate) const FIXED_LITERAL_BITS: [u8; 288] = fixed_literal_bits();
/// The lengths of the fixed codes of distances. The last two symbols stand for nothing.
pub(crate) const FIXED_DISTANCE_BITS: [u8; 32] = [5; 32];

const LENGTHS: usize = 256;
/// The symbol of each length less three, counted from the first length symbol.
static LENGTH_SYMBOL: [u8; LENGTHS] = length_symbols();
/// The symbol of each distance less one below 256; above, by its 128s, the symbol less 14.
static DISTANCE_SYMBOL: [u8; 256] = distance_symbols();

/// The symbol of a length less three, counted from the first length symbol.
#[inline(always)]
pub(crate) fn length_symbol(length: u8) -> u8 {
    LENGTH_SYMBOL[length as usize]
}

/// The symbol of a distance less one. For 2^15, which is no distance, it is 14: klauspost's encoders rely on that.
#[inline(always)]
pub(crate) fn distance_symbol(distance: u16) -> u8 {
    if distance < 256 {
        DISTANCE_SYMBOL[usize::from(distance)]
    } else {
        DISTANCE_SYMBOL[usize::from(distance >> 7 & 255)] + 14
    }
}

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

const fn fixed_literal_bits() -> [u8; 288] {
    let (mut bits, mut symbol) = ([8; 288], 144);
    while symbol < 280 {
        bits[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    bits
}
