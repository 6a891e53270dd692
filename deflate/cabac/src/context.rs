//! How likely a bit is.

/// Probabilities have this many bits.
pub(crate) const BITS: u32 = 16;

/// No bit is held to be surer than 127 in 128: what follows a long run may still differ, and each bit that is read costs
/// its share of a byte.
const LEAST: u16 = 1 << (BITS - 7);
/// The first bits move the probability by a half, a third and so on; later ones by a 24th.
const MAX_SEEN: u16 = 22;

/// The probability of a one, learned from the bits seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    one: u16,
    seen: u16,
}

impl Default for Context {
    fn default() -> Self {
        Self { one: 1 << (BITS - 1), seen: 0 }
    }
}

impl Context {
    /// Of 2^[`BITS`].
    pub(crate) fn one(self) -> u32 {
        u32::from(self.one)
    }

    pub(crate) fn learn(&mut self, bit: bool) {
        let share = self.seen + 2;
        if bit {
            self.one += (u16::MAX - self.one) / share;
        } else {
            self.one -= self.one / share;
        }
        self.one = self.one.clamp(LEAST, u16::MAX - LEAST);
        self.seen = MAX_SEEN.min(self.seen + 1);
    }
}
