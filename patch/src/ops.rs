//! Makes the ops of the target's units, one unit after the other. Several runs of units are matched at a time.

use std::ops::Range;
use std::sync::Arc;

use regrow_chunker::Digest;
use regrow_delta::{Builder, Chains, Change, Op, find_ops};
use regrow_local::LocalError;

use crate::expand::{BaseMembers, Expanded, ExpandedMember, MAX_FILE_PLAIN_BYTES, MAX_PLAIN_BYTES};
use crate::level::PatchLevel;
use crate::literals::{put_back, take_out};
use crate::side::Side;
use crate::similar::Spot;

/// The data that every job needs.
pub(super) struct Matcher {
    pub(super) base: Arc<Side>,
    pub(super) target: Arc<Side>,
    pub(super) members: BaseMembers,
    pub(super) level: PatchLevel,
}

/// A unit, with the way in which it will be made.
#[derive(Clone)]
pub(super) enum Task {
    /// Copy this many bytes of the base from there on.
    Copy { base_at: u64, len: u64 },
    /// Match the unit against parts of the base. The likeliest part comes last.
    Match {
        target: Range<u64>,
        file: Option<u32>,
        parts: Vec<Spot>,
        is_expanded: bool,
        /// The ranges of the unit that become literals.
        literals: Vec<Range<u64>>,
    },
}

impl Task {
    /// The approximate memory that the task takes in bytes.
    pub(super) fn cost(&self) -> u64 {
        let Self::Match { target, parts, is_expanded, .. } = self else { return 0 };
        let factor = if *is_expanded { 4 } else { 1 };
        let base = parts.iter().map(|part| part.stored.end - part.stored.start).sum::<u64>();
        // The base takes its bytes and 4 more for each in chains. The target takes its bytes and its ops.
        factor * (base * 5 + (target.end - target.start) * 3)
    }
}

/// The ops of a run of units.
#[derive(Default)]
pub(super) struct Matched {
    pub(super) ops: Vec<Op>,
    pub(super) members: Vec<ExpandedMember>,
    /// The number of bytes of the target's stored space that the ops cover.
    pub(super) stored_bytes: u64,
    /// The number of bytes of the target space that the ops make.
    pub(super) bytes: u64,
}

impl Matcher {
    /// Does some tasks, one after the other.
    pub(super) fn run(&self, tasks: &[Task]) -> Result<Matched, LocalError> {
        let mut matched = Matched::default();
        let mut builder = Builder::default();
        for task in tasks {
            let ops = match task {
                Task::Copy { base_at, len } => {
                    matched.stored_bytes += len;
                    vec![Op { base_at: *base_at, len: *len, ..Op::default() }]
                }
                Task::Match { target, file, parts, is_expanded, literals } => {
                    matched.stored_bytes += target.end - target.start;
                    let stored = self.target.read(target.clone()).map_err(LocalError::io("image"))?;
                    let (stored, literals) = take_out(stored, literals);
                    let file = file.filter(|_| *is_expanded);
                    put_back(self.match_one(stored, file, parts, &mut matched.members)?, literals)
                }
            };
            for op in ops {
                matched.bytes += op.target_bytes();
                matched.ops.extend(builder.push(op));
            }
        }
        matched.ops.extend(builder.finish());
        Ok(matched)
    }

    fn match_one(
        &self,
        stored: Vec<u8>,
        expand: Option<u32>,
        parts: &[Spot],
        members: &mut Vec<ExpandedMember>,
    ) -> Result<Vec<Op>, LocalError> {
        let bytes = match expand {
            Some(file) => {
                let expanded = Expanded::of_file(file, stored, |stream| self.has_stream(parts, stream));
                members.extend(expanded.members);
                expanded.bytes
            }
            None => stored,
        };
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        let gathered = self.gather(parts, expand.is_some())?;
        if gathered.bytes.is_empty() {
            return Ok(vec![Op { literal: bytes, ..Op::default() }]);
        }
        let chains = Chains::new(&gathered.bytes, self.level.chain_depth());
        Ok(find_ops(&chains, &bytes).into_iter().flat_map(|op| gathered.in_base_space(op)).collect())
    }

    fn has_stream(&self, parts: &[Spot], stream: &Digest) -> bool {
        let files = parts.iter().filter_map(|part| part.file);
        files.flat_map(|file| self.members.of_file(file)).any(|known| known.hash == *stream)
    }

    /// Gathers parts of the base, each followed by the plain bytes of its members.
    fn gather(&self, parts: &[Spot], is_expanded: bool) -> Result<Gathered, LocalError> {
        let mut gathered = Gathered::default();
        let mut plain_bytes = 0;
        let whole = |part: &Spot| (part.stored.clone(), part.file);
        let pieces = parts.iter().flat_map(|part| match part.file {
            Some(_) => vec![whole(part)],
            None => self.base.matched_in(&part.stored).into_iter().map(|stored| (stored, None)).collect(),
        });
        for (range, file) in pieces {
            let stored = self.base.read(range.clone()).map_err(LocalError::io("image"))?;
            let members = file.filter(|_| is_expanded).map_or(&[][..], |file| self.members.of_file(file));
            gathered.push(&stored, range.start);
            for known in members {
                plain_bytes += known.member.plain_bytes;
                let stream = &stored[known.member.stored.start as usize..known.member.stored.end as usize];
                // This cannot fail for a sound image, since the stream was inflated before.
                let Ok(plain) = regrow_deflate::inflate(stream, MAX_PLAIN_BYTES) else { continue };
                if plain_bytes <= MAX_FILE_PLAIN_BYTES {
                    gathered.push(&plain, known.at);
                }
            }
        }
        Ok(gathered)
    }
}

/// Stretches of the base space, placed one behind the other.
#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    /// The offset of each stretch in `bytes`, and its offset in the base space.
    starts: Vec<(usize, u64)>,
}

impl Gathered {
    fn push(&mut self, bytes: &[u8], at: u64) {
        self.starts.push((self.bytes.len(), at));
        self.bytes.extend_from_slice(bytes);
    }

    /// Translates an op on `bytes` to the base space. An op across the end of a stretch becomes several.
    fn in_base_space(&self, op: Op) -> Vec<Op> {
        if op.len == 0 {
            return vec![op];
        }
        let mut ops = Vec::with_capacity(1);
        let Op { mut literal, base_at, len, changes } = op;
        let (mut done, mut passed) = (0, 0);
        while done < len {
            let at = (base_at + done) as usize;
            let number = self.starts.partition_point(|(start, _)| *start <= at) - 1;
            let (start, base_start) = self.starts[number];
            let end = self.starts.get(number + 1).map_or(self.bytes.len(), |(next, _)| *next);
            let part = ((end - at) as u64).min(len - done);
            let rest = &changes[passed..];
            let own = rest.partition_point(|change| change.at < done + part);
            ops.push(Op {
                literal: std::mem::take(&mut literal),
                base_at: base_start + (at - start) as u64,
                len: part,
                changes: rest[..own].iter().map(|change| Change { at: change.at - done, ..*change }).collect(),
            });
            (done, passed) = (done + part, passed + own);
        }
        ops
    }
}
