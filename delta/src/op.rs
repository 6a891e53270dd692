//! The ops that make up a target: literal bytes, and copies of base bytes some of which are changed.

/// A byte of a copy that differs from the base's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The byte's position in the copy.
    pub at: u64,
    /// The byte's value in the target.
    pub byte: u8,
}

/// Literal bytes, then a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Op {
    /// Target bytes that resemble nothing in the base.
    pub literal: Vec<u8>,
    /// The offset in the base at which the copy begins.
    pub base_at: u64,
    /// The length of the copy. It is 0 only at the target's end.
    pub len: u64,
    /// The changed bytes of the copy, in order.
    pub changes: Vec<Change>,
}

impl Op {
    /// The number of target bytes that the op makes.
    #[must_use]
    pub fn target_bytes(&self) -> u64 {
        (self.literal.len() as u64).saturating_add(self.len)
    }

    /// Whether a copy from here on would only make this one longer.
    pub(crate) fn goes_on_at(&self, base_at: u64) -> bool {
        self.len > 0 && self.base_at + self.len == base_at
    }
}
