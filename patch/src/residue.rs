//! Looks for the literals of large parts of the target in the whole base.
//!
//! A large part is matched in pieces, each against the places of the base where it likely comes from. What is left as
//! literals after that may be anywhere: a file system's tables, or a block that moved. So all these literals are indexed,
//! and the whole base is looked up in that index, which takes little memory however large the base is. Each literal is
//! then matched against the places that were found for it.

mod wanted;

use std::ops::Range;
use std::sync::Arc;

use regrow_delta::{Chains, Op, find_ops};
use regrow_local::{LocalError, Ordered, Pool};

use crate::oplog::OpLog;
use crate::ops::Matcher;
use wanted::{Hit, Hits, Wanted};

/// The smallest literal that is looked for.
const LITERAL_BYTES: usize = 24;
/// The largest number of bytes of literals that are looked for together. For each, the index takes up to nine bytes.
const MAX_BYTES: usize = 24 << 20;
/// The number of times that the base is read for more literals than that.
const MAX_ROUNDS: usize = 8;
/// The base is read again only if there is at least one byte of literals for this many bytes of the base.
const BASE_BYTES_A_BYTE: u64 = 4 << 10;
/// The number of bytes of the base that are looked up in one job.
const JOB_BYTES: u64 = 8 << 20;
const JOBS_IN_FLIGHT: usize = 4;
/// The number of bytes of literals that are matched in one job.
const MATCHED_BYTES: usize = 128 << 10;
/// The number of bytes around a hit's base bytes that a literal is matched against, at either end.
const AROUND_BYTES: u64 = 4 << 10;
/// A literal is matched against the places of its longest hits, this many, and those that add at least some bytes.
const PLACES: usize = 4;
const ADDED_BYTES: usize = 12;
/// The number of bytes that a copy must give. It costs about as much as they do.
const WORTH: u64 = 16;

/// The literals of the ops of a plan that are looked for.
struct Residue {
    wanted: Arc<Wanted>,
    /// The positions of their ops.
    ops: Vec<u64>,
}

/// The ops that make literals, by the positions of the ops whose literals they are.
pub(super) type Found = Vec<(u64, Vec<Op>)>;

/// Finds ops for the literals of ops, as far as they lie in these ranges of the target space.
pub(super) fn replaced(
    ops: &OpLog,
    pieces: &[Range<u64>],
    matcher: &Arc<Matcher>,
    pool: &Pool,
) -> Result<Found, LocalError> {
    let (mut found, mut first) = (Vec::new(), 0);
    for _ in 0..MAX_ROUNDS {
        let Some(residue) = Residue::of(ops, pieces, matcher.base_bytes(), first)? else { break };
        first = residue.end();
        found.extend(residue.find(matcher, pool)?);
    }
    Ok(found)
}

impl Residue {
    /// Gathers the literals of the ops from the one of number `first` on, as far as they lie in these ranges of the target
    /// space. There are none if they are too few for so large a base.
    fn of(ops: &OpLog, pieces: &[Range<u64>], base_bytes: u64, first: u64) -> Result<Option<Self>, LocalError> {
        let (mut bytes, mut starts, mut numbers, mut at) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let mut pieces = pieces.iter().peekable();
        for (number, op) in (0..).zip(ops.iter()) {
            let op = op?;
            while pieces.next_if(|piece| piece.end <= at).is_some() {}
            let literal = op.literal.len();
            let is_wanted = pieces.peek().is_some_and(|piece| piece.start < at + literal as u64);
            if number >= first && is_wanted && (LITERAL_BYTES..=MAX_BYTES).contains(&literal) {
                if bytes.len() + literal > MAX_BYTES {
                    break;
                }
                starts.push(bytes.len() as u32);
                numbers.push(number);
                bytes.extend_from_slice(&op.literal);
            }
            at += op.target_bytes();
        }
        if bytes.is_empty() || (bytes.len() as u64) < base_bytes / BASE_BYTES_A_BYTE {
            return Ok(None);
        }
        Ok(Some(Self { wanted: Arc::new(Wanted::new(bytes, starts)), ops: numbers }))
    }

    /// The number of the op behind the last one whose literal is looked for.
    fn end(&self) -> u64 {
        self.ops.last().map_or(u64::MAX, |last| last + 1)
    }

    /// Finds ops for the literals.
    fn find(&self, matcher: &Arc<Matcher>, pool: &Pool) -> Result<Found, LocalError> {
        let hits = Arc::new(self.hits(matcher, pool)?);
        let (mut found, mut jobs, mut first) = (Vec::new(), Ordered::new(JOBS_IN_FLIGHT), 0);
        let mut take = |made: Vec<(usize, Vec<Op>)>| found.extend(made.into_iter().map(|(n, ops)| (self.ops[n], ops)));
        while first < self.wanted.literals() {
            let (mut end, mut bytes) = (first, 0);
            while end < self.wanted.literals() && bytes < MATCHED_BYTES {
                bytes += self.wanted.literal(end).0.len();
                end += 1;
            }
            let (wanted, hits, matcher) = (Arc::clone(&self.wanted), Arc::clone(&hits), Arc::clone(matcher));
            let literals = first..end;
            first = end;
            jobs.push(pool.submit(move || matched(&wanted, &hits, literals, &matcher)));
            while let Some(made) = jobs.next_over_limit()? {
                take(made?);
            }
        }
        while let Some(made) = jobs.next()? {
            take(made?);
        }
        Ok(found)
    }

    /// Looks up the whole base space.
    fn hits(&self, matcher: &Arc<Matcher>, pool: &Pool) -> Result<Hits, LocalError> {
        let mut hits = self.wanted.no_hits();
        let mut jobs = Ordered::new(JOBS_IN_FLIGHT);
        for range in matcher.stretches(JOB_BYTES) {
            let (wanted, matcher) = (Arc::clone(&self.wanted), Arc::clone(matcher));
            let job = move || {
                let mut hits = wanted.no_hits();
                matcher.read_base(range, |bytes, at| wanted.look_up(bytes, at, &mut hits))?;
                Ok::<_, LocalError>(hits)
            };
            jobs.push(pool.submit(job));
            while let Some(later) = jobs.next_over_limit()? {
                hits.merge(&later?);
            }
        }
        while let Some(later) = jobs.next()? {
            hits.merge(&later?);
        }
        Ok(hits)
    }
}

/// Matches some literals against the places where the base has parts of them.
fn matched(
    wanted: &Wanted,
    hits: &Hits,
    literals: Range<usize>,
    matcher: &Matcher,
) -> Result<Vec<(usize, Vec<Op>)>, LocalError> {
    let mut found = Vec::new();
    for number in literals {
        let (bytes, start) = wanted.literal(number);
        let hits = useful(hits.within(start, bytes.len()), start, bytes.len());
        if hits.is_empty() {
            continue;
        }
        let ranges = hits.iter().map(|hit| around(hit, start, bytes.len())).collect();
        let gathered = matcher.gather_ranges(ranges)?;
        let chains = Chains::new(gathered.bytes(), matcher.level.chain_depth());
        let ops = find_ops(&chains, bytes).into_iter().flat_map(|op| gathered.in_base_space(op));
        let ops = worthy(ops, bytes);
        if ops.iter().any(|op| op.len > 0) {
            found.push((number, ops));
        }
    }
    Ok(found)
}

/// The hits against whose places a literal is matched. `hits` are those within it, the longest first.
fn useful(mut hits: Vec<Hit>, start: u32, bytes: usize) -> Vec<Hit> {
    let (mut is_covered, mut number) = (vec![false; bytes], 0);
    hits.retain(|hit| {
        let own = &mut is_covered[(hit.at - start) as usize..(hit.at - start + hit.len) as usize];
        let added = own.iter().filter(|is_covered| !**is_covered).count();
        number += 1;
        let is_useful = number <= PLACES || added >= ADDED_BYTES;
        if is_useful {
            own.fill(true);
        }
        is_useful
    });
    hits
}

/// The range of the base space that may make a literal, as far as it is near the hit.
fn around(hit: &Hit, start: u32, bytes: usize) -> Range<u64> {
    let before = u64::from(hit.at - start).min(AROUND_BYTES);
    let behind = (u64::from(start) + bytes as u64 - u64::from(hit.at + hit.len)).min(AROUND_BYTES);
    hit.base_at.saturating_sub(before)..hit.base_at + u64::from(hit.len) + behind
}

/// The ops, without copies that save less than they cost. `target` is what they make.
fn worthy(ops: impl Iterator<Item = Op>, target: &[u8]) -> Vec<Op> {
    let (mut kept, mut literal, mut at) = (Vec::new(), Vec::new(), 0);
    for op in ops {
        literal.extend_from_slice(&op.literal);
        at += op.literal.len();
        let copied = &target[at..at + op.len as usize];
        at += op.len as usize;
        if op.len.saturating_sub(op.changes.len() as u64 * 2) >= WORTH {
            kept.push(Op { literal: std::mem::take(&mut literal), ..op });
        } else {
            literal.extend_from_slice(copied);
        }
    }
    if !literal.is_empty() {
        kept.push(Op { literal, ..Op::default() });
    }
    kept
}
