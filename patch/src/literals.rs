//! Keeps stretches of the target out of matching. They become literals, which are put between the ops of the rest.

use std::ops::Range;

use regrow_delta::{Change, Op};

/// A stretch of bytes that becomes literals, and the number of other bytes before it.
type Literal = (u64, Vec<u8>);

/// Takes ranges out of `bytes`. They ascend and do not overlap.
pub(super) fn take_out(bytes: Vec<u8>, ranges: &[Range<u64>]) -> (Vec<u8>, Vec<Literal>) {
    if ranges.is_empty() {
        return (bytes, Vec::new());
    }
    let (mut rest, mut literals, mut at) = (Vec::with_capacity(bytes.len()), Vec::new(), 0);
    for range in ranges {
        let (start, end) = (range.start as usize, range.end as usize);
        rest.extend_from_slice(&bytes[at..start]);
        literals.push((rest.len() as u64, bytes[start..end].to_vec()));
        at = end;
    }
    rest.extend_from_slice(&bytes[at..]);
    (rest, literals)
}

/// Puts literals back between the ops that make the other bytes.
pub(super) fn put_back(ops: Vec<Op>, literals: Vec<Literal>) -> Vec<Op> {
    if literals.is_empty() {
        return ops;
    }
    let mut literals = literals.into_iter().peekable();
    let (mut out, mut at) = (Vec::with_capacity(ops.len()), 0);
    for mut op in ops {
        while let Some((place, literal)) = literals.next_if(|(place, _)| *place < at + op.target_bytes()) {
            let (first, rest) = cut(op, place - at);
            out.extend((first.target_bytes() > 0).then_some(first));
            out.push(Op { literal, ..Op::default() });
            (at, op) = (place, rest);
        }
        at += op.target_bytes();
        out.push(op);
    }
    out.extend(literals.map(|(_, literal)| Op { literal, ..Op::default() }));
    out
}

/// Cuts an op in two, of which the first makes this many bytes.
fn cut(op: Op, bytes: u64) -> (Op, Op) {
    let Op { mut literal, base_at, len, mut changes } = op;
    if bytes < literal.len() as u64 {
        let rest = literal.split_off(bytes as usize);
        return (Op { literal, ..Op::default() }, Op { literal: rest, base_at, len, changes });
    }
    let copied = bytes - literal.len() as u64;
    let later = changes.split_off(changes.partition_point(|change| change.at < copied));
    let later = later.into_iter().map(|change| Change { at: change.at - copied, ..change }).collect();
    let first = Op { literal, base_at, len: copied, changes };
    (first, Op { literal: Vec::new(), base_at: base_at + copied, len: len - copied, changes: later })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What ops make of a base.
    pub(crate) fn made(ops: &[Op], base: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for op in ops {
            out.extend_from_slice(&op.literal);
            let mut copy = base[op.base_at as usize..(op.base_at + op.len) as usize].to_vec();
            op.changes.iter().for_each(|change| copy[change.at as usize] = change.byte);
            out.extend(copy);
        }
        out
    }

    #[test]
    fn literals_are_put_back_where_they_were() {
        let base: Vec<u8> = (0..100).collect();
        let change = |at| Change { at, byte: 200 };
        let ops = vec![
            Op { literal: vec![1; 10], base_at: 5, len: 20, changes: vec![change(0), change(7), change(19)] },
            Op { literal: Vec::new(), base_at: 50, len: 30, changes: vec![change(3)] },
            Op { literal: vec![2; 5], ..Op::default() },
        ];
        let plain = made(&ops, &base);
        for places in [&[][..], &[0], &[65], &[0, 4, 10, 11, 18, 29, 30, 33, 34, 60, 63, 65], &[5, 5, 30, 30]] {
            let literals: Vec<Literal> = (0..).zip(places).map(|(n, &place)| (place, vec![100 + n; 3])).collect();
            let mut wanted = plain.clone();
            for (place, bytes) in literals.iter().rev() {
                wanted.splice(*place as usize..*place as usize, bytes.iter().copied());
            }
            assert!(made(&put_back(ops.clone(), literals.clone()), &base) == wanted, "{places:?}");
            let ranges: Vec<Range<u64>> =
                (0..).zip(places).map(|(n, place)| place + n * 3..place + n * 3 + 3).collect();
            assert!(take_out(wanted, &ranges) == (plain.clone(), literals));
        }
        let nothing = put_back(Vec::new(), vec![(0, vec![7])]);
        assert_eq!(made(&nothing, &base), [7]);
    }
}
