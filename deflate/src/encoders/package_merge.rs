//! The number of symbols that get a code of each length, by package-merge (Larmore and Hirschberg): codes of bounded
//! length that take the fewest bits.
//!
//! If several choices are equally good, this makes the one that Go and klauspost make.

use crate::format::tables::{LITERAL_SYMBOLS, MAX_CODE_BITS};

/// Each row holds the symbols and up to as many pairs.
const MAX_ITEMS: usize = 2 * LITERAL_SYMBOLS;

/// The number of symbols for each length of code up to `max_bits`, for at least three counts in rising order.
///
/// Each row, from the longest codes to the shortest, merges the symbols with pairs of the items of the row before, by
/// rising weight, pairs first where weights are equal. The first `2 * n - 2` items of the last row are taken, and with
/// each pair both its parts in the row before. A symbol's code is as long as the number of rows it is taken in.
pub(super) fn symbols_of_length(ascending: &[u32], max_bits: usize) -> [usize; MAX_CODE_BITS + 1] {
    let symbols = ascending.len();
    let max_bits = max_bits.min(symbols - 1);
    let wanted = 2 * symbols - 2;
    // For each row, how many symbols are among its first items.
    let mut leaves = [[0u16; MAX_ITEMS]; MAX_CODE_BITS];
    let mut weights = [0u32; MAX_ITEMS];
    let mut below = [0u32; MAX_ITEMS];
    let mut items = 0;
    for of_row in leaves.iter_mut().take(max_bits) {
        let pairs = items / 2;
        let (mut leaf, mut pair) = (0, 0);
        items = (symbols + pairs).min(wanted);
        for item in 0..items {
            let leaf_weight = if leaf < symbols { ascending[leaf] } else { u32::MAX };
            let pair_weight = if pair < pairs { below[2 * pair] + below[2 * pair + 1] } else { u32::MAX };
            let is_leaf = leaf_weight < pair_weight;
            weights[item] = if is_leaf { leaf_weight } else { pair_weight };
            leaf += usize::from(is_leaf);
            pair += usize::from(!is_leaf);
            of_row[item] = leaf as u16;
        }
        std::mem::swap(&mut weights, &mut below);
    }
    let mut of_length = [0; MAX_CODE_BITS + 1];
    let (mut taken, mut before) = (wanted, symbols);
    for (above, of_row) in leaves[..max_bits].iter().rev().enumerate() {
        let here = if taken == 0 { 0 } else { usize::from(of_row[taken - 1]) };
        if above > 0 {
            of_length[above] = before - here;
        }
        before = here;
        taken = 2 * (taken - here);
    }
    of_length[max_bits] = before;
    of_length
}
