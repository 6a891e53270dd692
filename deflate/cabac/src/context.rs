//! The likelihood of a bit.

use std::cell::Cell;

/// Probabilities have this many bits.
pub(crate) const BITS: u32 = 16;

/// No bit is held to be surer than 127 in 128: what follows a long run may still differ, and each bit that is read
/// costs its share of a byte.
const LEAST: u16 = 1 << (BITS - 7);
/// The first bits move the probability by a half, a third and so on; later ones by a 24th.
const MAX_SEEN: u16 = 22;

/// The probability of a one, learned from the bits seen.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    one: u16,
    seen: u16,
    number: u16,
}

thread_local! {
    static NEXT_NUMBER: Cell<u16> = const { Cell::new(0) };
}

impl Default for Context {
    /// Numbered by the order in which a thread makes them: that is all that tells what preflate-rs uses one for.
    fn default() -> Self {
        let number = NEXT_NUMBER.get();
        NEXT_NUMBER.set(number.saturating_add(1));
        Self { one: 1 << (BITS - 1), seen: 0, number }
    }
}

impl Context {
    /// The next context is number 0.
    pub(crate) fn restart_numbers() {
        NEXT_NUMBER.set(0);
    }

    pub(crate) fn number(self) -> u16 {
        self.number
    }

    /// The likelihood in 2^[`BITS`]ths.
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
