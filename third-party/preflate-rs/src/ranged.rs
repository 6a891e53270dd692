//! regrow's: numbers within a range, without the crate `deranged`.

/// A number from 0 to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranged<const MAX: u8>(u8);

impl<const MAX: u8> Ranged<MAX> {
    pub const MIN: Self = Self(0);

    pub const fn new(value: u8) -> Option<Self> {
        if value <= MAX { Some(Self(value)) } else { None }
    }

    pub const fn get(self) -> u8 {
        self.0
    }
}
