//! The recent distances (RFC 8878, 3.1.1.5).

/// The last three distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recent([u32; 3]);

impl Default for Recent {
    fn default() -> Self {
        Self([1, 4, 8])
    }
}

impl Recent {
    /// The distance for which a number from 1 to 3 stands behind literals, or behind none; 0 if there is no such one.
    pub(crate) fn distance(&self, repeat: u8, has_literals: bool) -> u32 {
        match usize::from(repeat) + usize::from(!has_literals) {
            4 => self.0[0].wrapping_sub(1),
            number => self.0.get(number.wrapping_sub(1)).copied().unwrap_or_default(),
        }
    }

    /// The lowest number that stands for a distance, if there is one.
    pub(crate) fn repeat_of(&self, distance: u32, has_literals: bool) -> Option<u8> {
        (1..=3).find(|repeat| self.distance(*repeat, has_literals) == distance)
    }

    /// Takes note of a match, whose distance a number from 1 to 3 stands for unless that is 0.
    pub(crate) fn push(&mut self, repeat: u8, has_literals: bool, distance: u32) {
        let [first, second, _] = self.0;
        match (repeat, usize::from(repeat) + usize::from(!has_literals)) {
            (1.., 1) => {}
            (1.., 2) => self.0 = [distance, first, self.0[2]],
            _ => self.0 = [distance, first, second],
        }
    }
}
