//! What a target is made of: literal bytes, and copies of base bytes of which some are changed.

/// A byte of a copy that is another than the base's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which byte of the copy.
    pub at: u64,
    /// What it is in the target.
    pub byte: u8,
}

/// Literal bytes, then a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Op {
    /// Bytes of the target that are like nothing in the base.
    pub literal: Vec<u8>,
    /// Where in the base the copy begins.
    pub base_at: u64,
    /// How long it is; 0 only at the target's end.
    pub len: u64,
    /// The bytes of it that are changed, in order.
    pub changes: Vec<Change>,
}

impl Op {
    /// Bytes of the target that it makes.
    #[must_use]
    pub fn target_bytes(&self) -> u64 {
        (self.literal.len() as u64).saturating_add(self.len)
    }

    /// Whether a copy from here on would only make this one longer.
    pub(crate) fn goes_on_at(&self, base_at: u64) -> bool {
        self.len > 0 && self.base_at + self.len == base_at
    }
}
