//! Prediction of where a copy begins: where the last copy ended, or as far from its place in the target as a recent
//! copy was.

/// The number of alignments that are kept.
const KEPT: usize = 6;
/// The number of ways that need no distance.
pub(crate) const KNOWN: u64 = KEPT as u64 + 1;

/// The places of the copies so far.
#[derive(Default)]
pub(crate) struct Alignments {
    /// The base offset at which the last copy ended.
    pub(crate) base_at: u64,
    /// Base place minus target place of the recent copies, the last one first.
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

    /// Notes that a copy begins.
    pub(crate) fn begin(&mut self, place: u64, target_at: u64) {
        let alignment = place.wrapping_sub(target_at);
        let old = self.kept.iter().position(|&kept| kept == alignment).unwrap_or(KEPT - 1);
        self.kept[..=old].rotate_right(1);
        self.kept[0] = alignment;
    }
}
