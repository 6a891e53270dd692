//! How many symbols get a code of each length: the boundary form of package-merge.
//!
//! Row `r` of package-merge lists leaves (symbols by rising count) and pairs of the row below, by rising weight. Only
//! the last node of each row is kept, with how many leaves of each row are beneath it; a row below is only continued
//! when the row above has used up its last pair.

pub(super) use crate::format::tables::MAX_CODE_BITS as MAX_BITS;

const NEVER: u32 = i32::MAX as u32;

/// One row: its last node, and what may come next.
#[derive(Clone, Copy, Default)]
struct Row {
    last: u32,
    next_leaf: u32,
    next_pair: u32,
    /// How many more nodes are wanted of it.
    wanted: usize,
    /// Leaves beneath the last node, by row.
    leaves: [usize; MAX_BITS + 1],
}

/// The number of symbols for each length of code up to `max_bits`, for at least three counts in rising order.
pub(super) fn of_counts(counts: &[u32], max_bits: usize) -> [usize; MAX_BITS + 1] {
    let top = max_bits.min(counts.len() - 1);
    let mut rows = first_nodes(counts, top);
    let mut at = top;
    while at <= top {
        at = step(counts, &mut rows, at);
    }
    let leaves = rows[top].leaves;
    let mut of_length = [0; MAX_BITS + 1];
    for bits in 1..=top {
        of_length[bits] = leaves[top + 1 - bits] - leaves[top - bits];
    }
    of_length
}

/// Every row begins with the two rarest symbols.
fn first_nodes(counts: &[u32], top: usize) -> [Row; MAX_BITS + 2] {
    let mut rows = [Row::default(); MAX_BITS + 2];
    for (number, row) in rows.iter_mut().enumerate().take(top + 1).skip(1) {
        *row = Row { last: counts[1], next_leaf: counts[2], next_pair: counts[0] + counts[1], ..Row::default() };
        row.leaves[number] = 2;
    }
    // No row is below the first.
    rows[1].next_pair = NEVER;
    rows[top].wanted = 2 * counts.len() - 4;
    rows
}

/// Appends a node to row `at`; the row to go on with, above `top` when all is done.
fn step(counts: &[u32], rows: &mut [Row; MAX_BITS + 2], at: usize) -> usize {
    if rows[at].next_pair == NEVER && rows[at].next_leaf == NEVER {
        // Used up: never comes back to this row.
        rows[at].wanted = 0;
        rows[at + 1].next_pair = NEVER;
        return at + 1;
    }
    let before = rows[at].last;
    if rows[at].next_leaf < rows[at].next_pair {
        let row = &mut rows[at];
        row.leaves[at] += 1;
        row.last = row.next_leaf;
        row.next_leaf = counts.get(row.leaves[at]).copied().unwrap_or(NEVER);
    } else {
        let below = rows[at - 1].leaves;
        let row = &mut rows[at];
        row.last = row.next_pair;
        row.leaves[..at].copy_from_slice(&below[..at]);
        rows[at - 1].wanted = 2;
    }
    rows[at].wanted -= 1;
    if rows[at].wanted == 0 {
        rows[at + 1].next_pair = before + rows[at].last;
        return at + 1;
    }
    let mut next = at;
    while rows[next - 1].wanted > 0 {
        next -= 1;
    }
    next
}
