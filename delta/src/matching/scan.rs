//! Approximate matches. An exact match is extended at both ends while more bytes agree than differ, as in Colin
//! Percival's bsdiff ("Naive differences of executable code", 2003).

use super::ahead::Ahead;
use super::chains::{Chains, common};
use crate::op::{Change, Op};

/// How many more bytes a match must agree in than the present alignment does. That is about what an op's numbers
/// cost, and what the bytes cost as literals.
const WORTH: usize = 10;

/// How far before the end of a rejected match the search for others goes on.
const LOOK_BACK: usize = 64;

/// The largest overlap of two copies in which the later copy gets the bytes that both cover equally well.
const MAX_TAKEN: usize = 4 << 10;

/// A copy, and the literals behind it.
struct Step {
    base_at: usize,
    copy: usize,
    literal: usize,
}

/// A stretch that is the same in target and base.
#[derive(Clone, Copy)]
struct Match {
    at: usize,
    place: usize,
    len: usize,
}

/// Splits `target` into literals, and copies from the base that `chains` indexes.
#[must_use]
pub fn find_ops(chains: &Chains<'_>, target: &[u8]) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    let (mut at, mut literal) = (0, Vec::new());
    for step in scan(chains, target) {
        if step.copy > 0 {
            let base = &chains.base()[step.base_at..step.base_at + step.copy];
            let changes = changes_between(base, &target[at..at + step.copy]);
            let (base_at, len) = (step.base_at as u64, step.copy as u64);
            ops.push(Op { literal: std::mem::take(&mut literal), base_at, len, changes });
            at += step.copy;
        }
        literal.extend_from_slice(&target[at..at + step.literal]);
        at += step.literal;
    }
    if !literal.is_empty() {
        ops.push(Op { literal, ..Op::default() });
    }
    ops
}

/// The bytes in which a target differs from its base.
fn changes_between(base: &[u8], target: &[u8]) -> Vec<Change> {
    let (mut changes, mut at) = (Vec::new(), 0);
    loop {
        at += common(&base[at..], &target[at..]);
        if at >= base.len() {
            return changes;
        }
        changes.push(Change { at: at as u64, byte: target[at] });
        at += 1;
    }
}

fn scan(chains: &Chains<'_>, target: &[u8]) -> Vec<Step> {
    let base = chains.base();
    let mut steps = Vec::new();
    // The copy that is being made: its beginnings in the target and in the base.
    let (mut from, mut from_base) = (0usize, 0usize);
    let (mut start, mut ahead) = (0, Ahead::default());
    while from < target.len() {
        let found = next_match(chains, target, start, (from, from_base.wrapping_sub(from)), &mut ahead);
        let Match { at, place, len } = found.unwrap_or(Match { at: target.len(), place: 0, len: 0 });
        let forward = best_extent(base[from_base..].iter().zip(&target[from..at]).map(|(a, b)| a == b));
        let behind = base[..place].iter().rev().zip(target[from..at].iter().rev());
        let back = best_extent(behind.map(|(a, b)| a == b));
        let (forward, back) = settle(base, target, (from, from_base, forward), (at, place, back));
        steps.push(Step { base_at: from_base, copy: forward, literal: at - back - (from + forward) });
        if found.is_none() {
            break;
        }
        (from, from_base, start) = (at - back, place - back, at + len);
    }
    steps
}

/// The next match from `start` on that is worth leaving the present alignment for.
fn next_match(
    chains: &Chains<'_>,
    target: &[u8],
    start: usize,
    (from, alignment): (usize, usize),
    ahead: &mut Ahead,
) -> Option<Match> {
    let agrees = |at: usize| chains.base().get(at.wrapping_add(alignment)) == Some(&target[at]);
    ahead.forget();
    // `score` counts the match's bytes that the present alignment has too, up to `counted`.
    let (mut score, mut counted, mut at) = (0usize, start, start);
    while at < target.len() {
        let (place, len) = chains.longest(&target[at..]);
        while counted < at + len {
            score += usize::from(agrees(counted));
            counted += 1;
        }
        if len > score + WORTH
            || (len > score && ahead.is_better((chains.base(), target), (at, place), (from, alignment)))
        {
            return Some(Match { at, place, len });
        }
        if len > 0 && len == score {
            // The alignment gives all of the match, so the search goes on behind it.
            (at, score, counted) = (at + len, 0, at + len);
            continue;
        }
        if len > LOOK_BACK {
            // The alignment gives nearly all of the match. Anything better goes on behind its end, and is found
            // just as well from shortly before that end. Looking at each of its bytes would take time by the square
            // of its length.
            let next = at + len - LOOK_BACK;
            score -= (at..next).filter(|&at| agrees(at)).count();
            at = next;
            continue;
        }
        if counted > at {
            score -= usize::from(agrees(at));
        } else {
            counted = at + 1;
        }
        at += 1;
    }
    None
}

/// The length at which agreeing bytes outnumber the others most.
fn best_extent(agreeing: impl Iterator<Item = bool>) -> usize {
    let (mut score, mut best, mut best_len) = (0i64, 0i64, 0);
    for (len, agrees) in (1..).zip(agreeing) {
        score += if agrees { 1 } else { -1 };
        if score > best {
            (best, best_len) = (score, len);
        }
    }
    best_len
}

/// Decides where two copies meet that both want the bytes between them. Each is given as (target, base, extent);
/// the earlier copy comes first.
fn settle(
    base: &[u8],
    target: &[u8],
    (from, from_base, forward): (usize, usize, usize),
    (at, place, back): (usize, usize, usize),
) -> (usize, usize) {
    let start = at - back;
    let overlap = (from + forward).saturating_sub(start);
    let (mut score, mut best, mut best_len) = (0i64, 0i64, 0);
    for n in 0..overlap {
        let byte = target[start + n];
        score += i64::from(base[from_base + start - from + n] == byte) - i64::from(base[place - back + n] == byte);
        // Of equally good lengths the shortest is taken, which leaves more to the second copy: often nothing is
        // left of the first. This holds only for short overlaps. A long run that is the same everywhere would
        // otherwise be gone through again for every match in it.
        if score > best || (score == best && overlap > MAX_TAKEN) {
            (best, best_len) = (score, n + 1);
        }
    }
    if overlap == 0 { (forward, back) } else { (forward - overlap + best_len, back - best_len) }
}

/// Joins the ops of consecutive pieces of a target, so that a copy over many pieces becomes one op.
#[derive(Default)]
pub struct Builder {
    pending: Option<Op>,
}

impl Builder {
    /// Takes in an op, and returns the previous one if it is complete by that.
    pub fn push(&mut self, op: Op) -> Option<Op> {
        let Some(pending) = &mut self.pending else {
            self.pending = Some(op);
            return None;
        };
        if pending.len == 0 {
            pending.literal.extend_from_slice(&op.literal);
            (pending.base_at, pending.len, pending.changes) = (op.base_at, op.len, op.changes);
            return None;
        }
        if op.literal.is_empty() && op.len > 0 && pending.goes_on_at(op.base_at) {
            let shift = pending.len;
            pending.changes.extend(op.changes.iter().map(|change| Change { at: change.at + shift, ..*change }));
            pending.len += op.len;
            return None;
        }
        self.pending.replace(op)
    }

    /// Returns the last op.
    #[must_use]
    pub fn finish(self) -> Option<Op> {
        self.pending
    }
}
