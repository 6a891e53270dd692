//! The lists of a patch that is made, and the bytes that its parts take.

use std::ops::Range;

use crate::expand::ExpandedMember;
use crate::header::PatchHeader;
use crate::held::HeldPart;
use crate::joined::JoinedLists;
use crate::lists::Lists;
use crate::members::{MemberLists, TargetMember};
use crate::plan::PatchPlan;
use crate::side::Side;

/// The bytes of a patch, by what they are for. Together they are the whole patch.
#[derive(Default)]
pub(crate) struct Spent {
    /// The bytes that make the target's skeleton.
    pub(crate) skeleton: u64,
    /// The bytes that make each file of the target, in order, with the files' ranges in the target's contents. A joined
    /// file stands where its first piece does. Those of held parts are left out.
    pub(crate) files: Vec<(Range<u64>, u64)>,
    /// The rest: the header, the checksum, and the lists of held parts, of joined files and of the base's members.
    pub(crate) other: u64,
}

impl Spent {
    /// Adds up the costs of the lists and of the body.
    pub(crate) fn of(
        header: &PatchHeader,
        (plan, target): (&PatchPlan, &Side),
        of_lists: &[u64],
        of_parts: &[u64],
    ) -> Self {
        // In the target space joined files come first. Among the files they are last.
        let (joined, rest) = of_parts.split_at_checked(target.joined().len()).unwrap_or_default();
        let (skeleton, files) = rest.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        let mut files = [files, joined].concat();
        for (member, bytes) in
            plan.target_members.iter().zip(of_members(of_lists, (plan, target), header.has_joined_files))
        {
            if let Some(sum) = files.get_mut(member.file as usize) {
                *sum += bytes;
            }
        }
        let known = skeleton + files.iter().sum::<u64>();
        let mut files: Vec<_> = target.files().map(|file| target.in_image(&file)).zip(files).collect();
        files.sort_by_key(|(contents, _)| contents.start);
        Self { skeleton, files, other: header.patch_bytes.saturating_sub(known) }
    }
}

/// The costs of the target's members, in order, of the costs of all parts of the lists. Before the members, and before
/// those of joined files if there are such, comes a part for everything else.
fn of_members(costs: &[u64], (plan, target): (&PatchPlan, &Side), has_joined: bool) -> Vec<u64> {
    let costs = if has_joined { costs.get(1..).unwrap_or_default() } else { costs };
    let (joined, rest) = costs.split_at_checked(members(plan, target).0.len()).unwrap_or_default();
    [joined, rest.get(1..).unwrap_or_default()].concat()
}

/// The target's members in joined files, and in all others.
fn members<'p>(plan: &'p PatchPlan, target: &Side) -> (&'p [ExpandedMember], &'p [ExpandedMember]) {
    let first = u64::from(target.first_joined());
    plan.target_members.split_at(plan.target_members.partition_point(|member| member.file >= first))
}

/// The ends, in the target space, of each joined file, of the skeleton, and of each other file.
pub(crate) fn ends(target: &Side, plan: &PatchPlan) -> Vec<u64> {
    let mut members = plan.target_members.iter().peekable();
    let mut at = 0;
    let mut end = |number: u32| {
        at += target.file(number).bytes();
        while let Some(member) = members.next_if(|member| member.file == u64::from(number)) {
            at = at + member.plain_bytes - member.bytes();
        }
        at
    };
    let first = target.first_joined();
    let mut ends: Vec<u64> = (first..first + target.joined().len() as u32).map(&mut end).collect();
    let skeleton = ends.last().copied().unwrap_or(0) + target.skeleton_bytes();
    ends.push(skeleton);
    ends.extend((0..first).map(end).map(|end| end + target.skeleton_bytes()));
    ends
}

/// The lists of a patch.
pub(crate) fn lists_of(
    (codings, held): (Vec<u8>, Vec<HeldPart>),
    (base, target): (&Side, &Side),
    plan: &PatchPlan,
) -> Lists {
    let (of_joined, of_files) = members(plan, target);
    let of_base = &plan.base_members;
    let joined = JoinedLists {
        base: base.joined().clone(),
        target: target.joined().clone(),
        expanded_bytes: expanded_bytes(of_joined, target.joined().bytes()),
        members: MemberLists { base: of_base.joined.clone(), target: listed(of_joined, target) },
    };
    Lists {
        codings,
        held,
        joined,
        members: MemberLists { base: of_base.members.clone(), target: listed(of_files, target) },
    }
}

/// The size of files of this many bytes with their members as plain bytes.
fn expanded_bytes(members: &[ExpandedMember], bytes: u64) -> u64 {
    members.iter().fold(bytes, |sum, member| sum + member.plain_bytes - member.bytes())
}

/// The target's members, by the distances between them. Their files are counted over those of the whole image, or over the
/// joined ones.
fn listed(members: &[ExpandedMember], target: &Side) -> Vec<TargetMember> {
    let (mut file, mut end) = (u64::MAX, 0);
    let list = |found: &ExpandedMember| {
        let from = if found.file == file { end } else { 0 };
        (file, end) = (found.file, found.stored.start + found.bytes());
        let number = file as u32;
        TargetMember {
            file: number.checked_sub(target.first_joined()).unwrap_or_else(|| target.file(number).number).into(),
            gap: found.stored.start - from,
            trailer: found.trailer,
            plain_bytes: found.plain_bytes,
            corrections: found.corrections.clone(),
            xz: found.xz,
        }
    };
    members.iter().map(list).collect()
}
