//! Makes the ops of the target's units, one unit after the other. Several runs of units are matched at a time.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use regrow_chunker::Digest;
use regrow_delta::{Builder, Chains, Change, Op, Tables, apart, find_ops};
use regrow_local::LocalError;

use crate::expand::{BaseMembers, Expanded, ExpandedMember, MAX_FILE_PLAIN_BYTES, Place, PlacedMember};
use crate::level::PatchLevel;
use crate::literals::{put_back, take_out};
use crate::loosen::loosen;
use crate::side::Side;
use crate::similar::Spot;
use crate::stretches::merged;

/// The data that every job needs.
pub(super) struct Matcher {
    pub(super) base: Arc<Side>,
    pub(super) target: Arc<Side>,
    pub(super) members: BaseMembers,
    pub(super) level: PatchLevel,
    /// Tables of earlier tasks, for later ones. New memory for each would take time, and some of it would stay behind.
    tables: Mutex<Vec<Tables>>,
}

/// From this many bytes of the base on, only every second place of it is indexed. That costs hardly any bytes, and saves half of
/// the index.
const SPARSE_FROM_BYTES: u64 = 16 << 20;

fn step_for(base_bytes: u64) -> u64 {
    if base_bytes > SPARSE_FROM_BYTES { 2 } else { 1 }
}

/// A unit, with the way in which it will be made.
#[derive(Clone)]
pub(super) enum Task {
    /// Copy this many bytes of the base from there on.
    Copy { base_at: u64, len: u64 },
    /// Match the unit against parts of the base. The likeliest part comes last.
    Match {
        target: Range<u64>,
        parts: Vec<Spot>,
        /// The place of the unit, if its members are seen through.
        expanded: Option<Place>,
        /// The ranges of the unit that become literals.
        literals: Vec<Range<u64>>,
        /// Whether the unit is a piece of something large, which was not matched against all that it may come from.
        is_piece: bool,
    },
    /// What was made before.
    Made(Arc<Matched>),
}

impl Task {
    /// The approximate memory that the task takes in bytes.
    pub(super) fn cost(&self) -> u64 {
        let Self::Match { target, parts, expanded, .. } = self else { return 0 };
        let factor = if expanded.is_some() { 4 } else { 1 };
        let base = parts.iter().map(|part| part.stored.end - part.stored.start).sum::<u64>();
        // The base takes its bytes and 4 more for each place in chains. The target takes its bytes and its ops.
        factor * (base + base * 4 / step_for(base) + (target.end - target.start) * 3)
    }
}

impl Task {
    fn is_piece(&self) -> bool {
        matches!(self, Self::Match { is_piece: true, .. })
    }
}

/// The ops of a run of units.
#[derive(Clone, Default)]
pub(super) struct Matched {
    pub(super) ops: Vec<Op>,
    pub(super) members: Vec<ExpandedMember>,
    /// The number of bytes of the target's stored space that the ops cover.
    pub(super) stored_bytes: u64,
    /// The number of bytes of the target space that the ops make.
    pub(super) bytes: u64,
    /// The ranges of those bytes that are pieces of something large.
    pub(super) pieces: Vec<Range<u64>>,
}

impl Matcher {
    pub(super) fn new(base: &Arc<Side>, target: &Arc<Side>, members: BaseMembers, level: PatchLevel) -> Self {
        let (base, target) = (Arc::clone(base), Arc::clone(target));
        Self { base, target, members, level, tables: Mutex::default() }
    }

    /// Does some tasks, one after the other.
    pub(super) fn run(&self, tasks: &[Task]) -> Result<Matched, LocalError> {
        let mut matched = Matched::default();
        let mut builder = Builder::default();
        for task in tasks {
            let from = matched.bytes;
            let ops = match task {
                Task::Copy { base_at, len } => {
                    matched.stored_bytes += len;
                    vec![Op { base_at: *base_at, len: *len, ..Op::default() }]
                }
                Task::Match { target, parts, expanded, literals, is_piece } => {
                    matched.stored_bytes += target.end - target.start;
                    let stored = self.target.read(target.clone()).map_err(LocalError::io("image"))?;
                    let (stored, literals) = take_out(stored, literals);
                    put_back(self.match_one(stored, *expanded, (parts, *is_piece), &mut matched.members)?, literals)
                }
                Task::Made(made) => {
                    matched.stored_bytes += made.stored_bytes;
                    matched.members.extend_from_slice(&made.members);
                    made.ops.clone()
                }
            };
            for op in ops {
                matched.bytes += op.target_bytes();
                matched.ops.extend(builder.push(op));
            }
            if task.is_piece() {
                matched.pieces.push(from..matched.bytes);
            }
        }
        matched.ops.extend(builder.finish());
        Ok(matched)
    }

    fn match_one(
        &self,
        stored: Vec<u8>,
        expand: Option<Place>,
        (parts, is_piece): (&[Spot], bool),
        members: &mut Vec<ExpandedMember>,
    ) -> Result<Vec<Op>, LocalError> {
        let bytes = match expand {
            Some(place) => {
                let expanded = Expanded::of(place, stored, |stream| self.has_stream(place, parts, stream));
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
        let step = step_for(gathered.bytes.len() as u64) as usize;
        let tables = self.tables().pop().unwrap_or_default();
        let chains = Chains::sparse_in(tables, &gathered.bytes, self.level.chain_depth(), step);
        let ops = find_ops(&chains, &bytes);
        let tables = chains.into_tables();
        if tables.is_moderate() {
            self.tables().push(tables);
        }
        let ops = if is_piece { loosen(ops, &bytes) } else { ops };
        Ok(ops.into_iter().flat_map(|op| gathered.in_base_space(op)).collect())
    }

    /// The tables that no job uses now.
    fn tables(&self) -> MutexGuard<'_, Vec<Tables>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the base has a stream unchanged, where it is found.
    fn has_stream(&self, place: Place, parts: &[Spot], stream: &Digest) -> bool {
        if !place.is_whole {
            return self.members.has(stream);
        }
        let of_part = |part: &Spot| match part.file {
            Some(file) => self.members.of_file(file),
            None => self.members.within(&part.stored),
        };
        parts.iter().flat_map(of_part).any(|known| known.hash == *stream)
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
        let members = |range: &Range<u64>, file: Option<u32>| match file {
            _ if !is_expanded => &[],
            Some(file) => self.members.of_file(file),
            None => self.members.within(range),
        };
        let plain_of = |(range, file): &(Range<u64>, Option<u32>)| {
            members(range, *file).iter().map(|known| known.member.plain_bytes).sum::<u64>()
        };
        let pieces: Vec<_> = pieces.collect();
        let stored_bytes = pieces.iter().map(|(range, _)| range.end - range.start).sum::<u64>();
        let plain = pieces.iter().map(plain_of).sum::<u64>().min(MAX_FILE_PLAIN_BYTES);
        gathered.bytes = apart((stored_bytes + plain) as usize);
        for (range, file) in pieces {
            let stored = self.base.read(range.clone()).map_err(LocalError::io("image"))?;
            gathered.push(&stored, range.start);
            for known in members(&range, file) {
                plain_bytes += known.member.plain_bytes;
                let stream = known.stored();
                let stream = &stored[(stream.start - range.start) as usize..(stream.end - range.start) as usize];
                // This cannot fail for a sound image, since the stream was inflated before.
                let Some(plain) = known.member.codec.decode(stream, known.member.plain_bytes as usize) else {
                    continue;
                };
                if plain_bytes <= MAX_FILE_PLAIN_BYTES {
                    gathered.push(&plain, known.at);
                }
            }
        }
        Ok(gathered)
    }

    /// The number of bytes of the base space.
    pub(super) fn base_bytes(&self) -> u64 {
        self.members.all().last().map_or(self.base.stored_bytes(), |last| last.at + last.member.plain_bytes)
    }

    /// Divides the base space into stretches of about this many bytes.
    pub(super) fn stretches(&self, bytes: u64) -> impl Iterator<Item = Range<u64>> + use<> {
        let end = self.base_bytes();
        (0..end).step_by(bytes as usize).map(move |at| at..end.min(at + bytes))
    }

    /// Reads a range of the base space, and passes on the parts of it that belong together, with their places.
    pub(super) fn read_base(&self, range: Range<u64>, mut each: impl FnMut(&[u8], u64)) -> Result<(), LocalError> {
        let stored_bytes = self.base.stored_bytes();
        for part in self.base.matched_in(&(range.start..range.end.min(stored_bytes))) {
            each(&self.base.read(part.clone()).map_err(LocalError::io("image"))?, part.start);
        }
        let members = self.members.all();
        let first = members.partition_point(|known| known.at + known.member.plain_bytes <= range.start);
        for known in members[first..].iter().take_while(|known| known.at < range.end) {
            let plain = self.plain(known)?;
            let at = range.start.max(known.at);
            let within = (at - known.at) as usize..plain.len().min((range.end - known.at) as usize);
            each(&plain[within], at);
        }
        Ok(())
    }

    /// The plain bytes of a member of the base.
    fn plain(&self, known: &PlacedMember) -> Result<Vec<u8>, LocalError> {
        let stored = self.base.read(known.stored()).map_err(LocalError::io("image"))?;
        // This cannot fail for a sound image, since the stream was inflated before.
        Ok(known.member.codec.decode(&stored, known.member.plain_bytes as usize).unwrap_or_default())
    }

    /// Gathers ranges of the base space.
    pub(super) fn gather_ranges(&self, ranges: Vec<Range<u64>>) -> Result<Gathered, LocalError> {
        let mut gathered = Gathered::default();
        for range in merged(ranges) {
            let range = range.start..range.end.min(self.base_bytes());
            self.read_base(range, |bytes, at| gathered.push(bytes, at))?;
        }
        Ok(gathered)
    }
}

/// Stretches of the base space, placed one behind the other.
#[derive(Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    /// The offset of each stretch in `bytes`, and its offset in the base space.
    starts: Vec<(usize, u64)>,
}

impl Gathered {
    /// The bytes of all stretches.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn push(&mut self, bytes: &[u8], at: u64) {
        self.starts.push((self.bytes.len(), at));
        self.bytes.extend_from_slice(bytes);
    }

    /// Translates an op on `bytes` to the base space. An op across the end of a stretch becomes several.
    pub(super) fn in_base_space(&self, op: Op) -> Vec<Op> {
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
