//! Where a copy begins, told by what came before: where the last one ended, or how far base and target were apart of late.

/// Alignments that are kept.
const KEPT: usize = 6;
/// Ways that need no distance.
pub(crate) const KNOWN: u64 = KEPT as u64 + 1;

/// Places of copies so far.
#[derive(Default)]
pub(crate) struct Alignments {
    /// Where the last copy ended in the base.
    pub(crate) base_at: u64,
    /// Base minus target places of the last copies, the last one first.
    kept: [u64; KEPT],
}

impl Alignments {
    /// The place that a way below [`KNOWN`] leads to.
    pub(crate) fn place(&self, way: u64, target_at: u64) -> u64 {
        let kept = usize::try_from(way).ok().and_then(|way| self.kept.get(way.checked_sub(1)?));
        kept.map_or(self.base_at, |kept| target_at.wrapping_add(*kept))
    }

    /// The first way that leads to a place; [`KNOWN`] if none does.
    pub(crate) fn way(&self, place: u64, target_at: u64) -> u64 {
        (0..KNOWN).find(|&way| self.place(way, target_at) == place).unwrap_or(KNOWN)
    }

    /// A copy begins.
    pub(crate) fn begin(&mut self, place: u64, target_at: u64) {
        let alignment = place.wrapping_sub(target_at);
        let old = self.kept.iter().position(|&kept| kept == alignment).unwrap_or(KEPT - 1);
        self.kept[..=old].rotate_right(1);
        self.kept[0] = alignment;
    }
}
