//! Gathers what the tasks of a plan found, in order.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use regrow_delta::{Builder, Op};
use regrow_local::{LocalError, Pool};

use super::PatchPlan;
use crate::expand::{ExpandedMember, UsedMembers};
use crate::level::PatchLevel;
use crate::members::BaseMember;
use crate::oplog::{Move, OpLog};
use crate::ops::{Matched, Matcher};
use crate::residue::replaced;
use crate::sample::coded_bytes;

/// The ops so far.
pub(super) struct Collected {
    matcher: Arc<Matcher>,
    builder: Builder,
    ops: OpLog,
    members: Vec<ExpandedMember>,
    bytes: u64,
    /// The ranges of the target space that were matched as pieces of something large.
    pieces: Vec<Range<u64>>,
    /// For each member of the base, whether some op refers to it.
    is_used: Vec<bool>,
}

impl Collected {
    pub(super) fn new(matcher: Arc<Matcher>, scratch: &Path) -> Self {
        let is_used = vec![false; matcher.members.all().len()];
        let (builder, ops) = (Builder::default(), OpLog::new(scratch));
        Self { matcher, builder, ops, members: Vec::new(), bytes: 0, pieces: Vec::new(), is_used }
    }

    pub(super) fn push(&mut self, matched: Matched) -> Result<(), LocalError> {
        let from = self.bytes;
        self.pieces.extend(matched.pieces.into_iter().map(|piece| from + piece.start..from + piece.end));
        self.bytes += matched.bytes;
        self.members.extend(matched.members);
        matched.ops.into_iter().try_for_each(|op| self.push_op(op))
    }

    fn push_op(&mut self, op: Op) -> Result<(), LocalError> {
        self.builder.push(op).map_or(Ok(()), |op| self.log(&op))
    }

    /// Logs what the builder has.
    fn flush(&mut self) -> Result<(), LocalError> {
        std::mem::take(&mut self.builder).finish().map_or(Ok(()), |op| self.log(&op))
    }

    /// Looks for the literals of pieces in the whole base.
    pub(super) fn refine(&mut self, pool: &Pool) -> Result<(), LocalError> {
        self.flush()?;
        let found = replaced(&self.ops, &self.pieces, &self.matcher, pool)?;
        if found.is_empty() {
            return Ok(());
        }
        let mut found = found.into_iter().peekable();
        let fresh = self.ops.fresh();
        let ops = std::mem::replace(&mut self.ops, fresh);
        for (number, op) in (0..).zip(ops.iter()) {
            let mut op = op?;
            if let Some((_, made)) = found.next_if(|(of, _)| *of == number) {
                op.literal.clear();
                made.into_iter().try_for_each(|op| self.push_op(op))?;
            }
            self.push_op(op)?;
        }
        self.flush()
    }

    fn log(&mut self, op: &Op) -> Result<(), LocalError> {
        let members = self.matcher.members.all();
        let first = members.partition_point(|known| known.at + known.member.plain_bytes <= op.base_at);
        let used = members[first..].iter().take_while(|known| known.at < op.base_at + op.len).count();
        self.is_used[first..first + used].fill(true);
        self.ops.push(op)
    }

    /// The number of bytes that the ops take when they are coded.
    pub(super) fn coded_bytes(self, level: PatchLevel, scratch: &Path) -> Result<u64, LocalError> {
        let (bytes, matcher) = (self.bytes, Arc::clone(&self.matcher));
        let (members, ops, _) = self.complete()?;
        coded_bytes(&matcher.base, (&members, &ops, bytes), level, scratch)
    }

    /// Completes the plan.
    pub(super) fn finish(self) -> Result<PatchPlan, LocalError> {
        let expanded_bytes = self.bytes - self.matcher.target.skeleton_bytes();
        let has_pieces = !self.pieces.is_empty();
        let (base_members, ops, target_members) = self.complete()?;
        Ok(PatchPlan { base_members, target_members, ops, expanded_bytes, has_pieces })
    }

    /// Completes the ops, and leaves out the members of the base that no op refers to.
    fn complete(mut self) -> Result<(UsedMembers, OpLog, Vec<ExpandedMember>), LocalError> {
        self.flush()?;
        let (mut kept, mut moves, mut back) = (UsedMembers::default(), Vec::new(), 0);
        for (known, is_used) in self.matcher.members.all().iter().zip(&self.is_used) {
            if *is_used {
                moves.push(Move { from: known.at, back });
                let (is_joined, file) = self.matcher.base.listed(known.member.file as u32);
                let list = if is_joined { &mut kept.joined } else { &mut kept.members };
                list.push(BaseMember { file: file.into(), ..known.member.clone() });
            } else {
                back += known.member.plain_bytes;
            }
        }
        self.ops.move_base(moves);
        Ok((kept, self.ops, self.members))
    }
}
