//! Small decisions taken off the front of an input.

/// The rest of an input. An empty one gives zeros.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    pub(crate) fn number(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Takes `len` bytes, or fewer if the input ends.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Splits `bytes` into pieces whose sizes follow from `seed`: from single bytes up to a few thousand.
pub(crate) fn pieces(bytes: &[u8], seed: u16) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed) | 1 << 16;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        // The constants are those of Numerical Recipes' generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let width = (state >> 28) % 13;
        let len = (1 + (state >> 8 & ((1 << width) - 1)) as usize).min(rest.len());
        let (piece, after) = rest.split_at(len);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
