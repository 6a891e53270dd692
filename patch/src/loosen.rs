//! Turns stretches of copies in which nearly all bytes changed into literals.
//!
//! A copy goes on over anything if the base goes on the same way behind it. In an image that is updated in place, whole files are
//! replaced between others that stay. As literals, their bytes can be found elsewhere.

use regrow_delta::{Change, Op};

/// The weight of a byte that stays, if a byte that changed has 1.
const STAYS: u64 = 2;
/// The weight of a stretch that becomes a literal.
const LEAST: u64 = 24;

/// The same ops with such stretches as literals. `target` is what they make.
pub(super) fn loosen(ops: Vec<Op>, target: &[u8]) -> Vec<Op> {
    let (mut loose, mut literal, mut at) = (Vec::with_capacity(ops.len()), Vec::new(), 0);
    for op in ops {
        let changed = stretches(&op.changes);
        literal.extend_from_slice(&op.literal);
        at += op.literal.len();
        let (mut done, mut passed) = (0, 0);
        for (start, end) in changed.into_iter().chain([(op.len, op.len)]) {
            if start > done {
                let rest = &op.changes[passed..];
                let own = rest.partition_point(|change| change.at < start);
                loose.push(Op {
                    literal: std::mem::take(&mut literal),
                    base_at: op.base_at + done,
                    len: start - done,
                    changes: rest[..own].iter().map(|change| Change { at: change.at - done, ..*change }).collect(),
                });
            }
            literal.extend_from_slice(&target[at + start as usize..at + end as usize]);
            passed = op.changes.partition_point(|change| change.at < end);
            done = end;
        }
        at += op.len as usize;
    }
    if !literal.is_empty() {
        loose.push(Op { literal, ..Op::default() });
    }
    loose
}

/// The stretches of a copy with these changes in which nearly all bytes changed.
fn stretches(changes: &[Change]) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let (mut start, mut score, mut last) = (0, 0, 0);
    // The greatest score of the stretch so far, and its end there.
    let (mut peak, mut end) = (0, 0);
    for change in changes {
        score = u64::saturating_sub(score, (change.at - last) * STAYS);
        if score == 0 || score + LEAST < peak {
            found.extend((peak >= LEAST).then_some((start, end)));
            (start, score, peak) = (change.at, 0, 0);
        }
        score += 1;
        last = change.at + 1;
        if score > peak {
            (peak, end) = (score, last);
        }
    }
    found.extend((peak >= LEAST).then_some((start, end)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::literals::tests::made;

    /// A copy of the base with the bytes at these places changed.
    fn copy(base: &[u8], places: impl Iterator<Item = u64>) -> Op {
        let changes = places.map(|at| Change { at, byte: !base[at as usize] }).collect();
        Op { literal: vec![7; 3], base_at: 0, len: base.len() as u64, changes }
    }

    #[test]
    fn what_changed_nearly_wholly_becomes_literals() {
        let base: Vec<u8> = (0..=250).cycle().take(2_000).collect();
        let stays = 10..10 + LEAST - 1;
        // Dense stretches, one at either end, and sparse ones that stay.
        let places: Vec<u64> = (0..40)
            .chain((200..600).filter(|at| at % 9 != 0))
            .chain((700..1_000).step_by(3))
            .chain(1_100..1_100 + (stays.end - stays.start))
            .chain(1_950..2_000)
            .collect();
        let ops = vec![copy(&base, places.into_iter()), copy(&base, std::iter::empty())];
        let target = made(&ops, &base);
        let loose = loosen(ops, &target);
        assert!(made(&loose, &base) == target);
        let shape: Vec<_> = loose.iter().map(|op| (op.literal.len(), op.len, op.changes.len())).collect();
        assert_eq!(shape, [(43, 160, 0), (400, 1_350, 123), (53, 2_000, 0)]);
        let end = vec![copy(&base, 1_900..2_000)];
        let target = made(&end, &base);
        let shape: Vec<_> = loosen(end, &target).iter().map(|op| (op.literal.len(), op.len)).collect();
        assert_eq!(shape, [(3, 1_900), (100, 0)]);
    }
}
