//! Divides the target into stretches that are matched one by one.

use std::ops::Range;

use regrow_image::StreamKind;

use crate::pairing::Partner;
use crate::side::{Side, SideFile};
use crate::stretches::{Region, split};

/// The size up to which a file is matched as a whole.
pub(super) const WHOLE_BYTES: u64 = 32 << 20;

/// A stretch of the target's stored space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) target: Range<u64>,
    pub(super) source: Source,
}

/// The source of a unit's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The same bytes are in the base, from this offset on.
    Same(u64),
    /// The source must be searched for.
    Unknown(Unknown),
}

/// The hints for a stretch that must be matched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The position of the file, if the stretch is a whole file.
    pub(super) file: Option<u32>,
    pub(super) partner: Option<Partner>,
    /// The stretches of the base's stored space from which it likely comes.
    pub(super) near: Vec<Range<u64>>,
}

/// The units of the whole target, in order: joined files, the skeleton, all other files.
pub(super) fn units(base: &Side, target: &Side, identical: &[Option<u32>], partners: &[Option<Partner>]) -> Vec<Unit> {
    let mut units = Vec::new();
    let push = |numbers: Range<u32>, units: &mut Vec<Unit>| {
        numbers.for_each(|number| {
            push_file((base, target), (number, &target.file(number)), (identical, partners), units);
        });
    };
    push(target.first_joined()..target.files().len() as u32, &mut units);
    let skeleton = Region {
        stream: StreamKind::Skeleton,
        target: 0..target.skeleton_bytes(),
        base: Some(0..base.skeleton_bytes()),
    };
    if skeleton.is_small() {
        let unknown = Unknown { near: skeleton.base.into_iter().collect(), ..Unknown::default() };
        units.push(Unit { target: skeleton.target, source: Source::Unknown(unknown) });
    } else {
        split(base, target, &skeleton, &mut units);
    }
    push(0..target.first_joined(), &mut units);
    units
}

/// Appends the units of a file.
fn push_file(
    (base, target): (&Side, &Side),
    (number, file): (u32, &SideFile),
    (identical, partners): (&[Option<u32>], &[Option<Partner>]),
    units: &mut Vec<Unit>,
) {
    let stored = target.stored(file);
    if let Some(same) = identical[number as usize] {
        let at = base.stored(&base.file(same)).start;
        push_same(units, stored, at);
        return;
    }
    let partner = partners[number as usize];
    if file.bytes() <= WHOLE_BYTES {
        let unknown = Unknown { file: Some(number), partner, near: Vec::new() };
        units.push(Unit { target: stored, source: Source::Unknown(unknown) });
        return;
    }
    let partner = partner.filter(|partner| partner.is_likely);
    let base_file = partner.map(|partner| base.stored(&base.file(partner.file)));
    split(base, target, &Region { stream: StreamKind::Contents, target: stored, base: base_file }, units);
}

/// Appends a copy from the base. If it continues the previous copy, it extends that one.
pub(super) fn push_same(units: &mut Vec<Unit>, target: Range<u64>, base_at: u64) {
    if let Some(Unit { target: last, source: Source::Same(at) }) = units.last_mut()
        && last.end == target.start
        && *at + (last.end - last.start) == base_at
    {
        last.end = target.end;
        return;
    }
    units.push(Unit { target, source: Source::Same(base_at) });
}
