//! Prediction of addresses in machine code. Where code moved, a call's distance changes by how far its target moved
//! and how far the call itself moved. So one call to a place tells the distances of the others. The idea comes from
//! Courgette and from BCJ filters; here it is one more prediction, which costs nothing where it is wrong.

use crate::base::byte_at;
use crate::fetch::fetch;

const ENTRIES_BITS: u32 = 16;

/// How far targets of relative addresses have moved, by their place in the base.
pub(crate) struct Movements {
    /// A target's place, and how far it moved. 0 means not known.
    entries: Vec<(u32, u32)>,
}

/// Whether the four bytes behind these two usually are a distance: x86-64's call, jmp and jcc, and operands
/// relative to rip.
#[inline]
fn leads_an_address(before: u8, last: u8) -> bool {
    matches!(last, 0xe8 | 0xe9)
        || (before == 0x0f && last & 0xf0 == 0x80)
        || (last & 0xc7 == 0x05 && matches!(before, 0x8b | 0x8d))
}

#[inline]
fn u32_at(around: u128, offset: i32) -> u32 {
    (around >> ((offset + 8) * 8)) as u32
}

/// The target of the distance that begins at `start`.
#[inline]
fn target_of(start: u32, distance: u32) -> u32 {
    start.wrapping_add(4).wrapping_add(distance)
}

impl Movements {
    pub(crate) fn new() -> Self {
        Self { entries: vec![(0, 0); 1 << ENTRIES_BITS] }
    }

    fn slot(target: u32) -> usize {
        (target.wrapping_mul(0x9e37_79b1) >> (32 - ENTRIES_BITS)) as usize
    }

    /// Predicts the new value of the byte at `base_at`, if it belongs to a distance whose target's movement is
    /// known. The lowest bits of `leads` say whether a distance begins here, a byte before, and so on.
    #[inline]
    pub(crate) fn guess(&self, leads: u32, around: u128, base_at: u64, target_at: u64) -> Option<u8> {
        let back = leads.trailing_zeros();
        if back > 3 {
            return None;
        }
        let distance = u32_at(around, -(back as i32));
        let target = target_of((base_at as u32).wrapping_sub(back), distance);
        let (known, moved) = self.entries[Self::slot(target)];
        let own = target_at.wrapping_sub(base_at) as u32;
        (known == target && known != 0).then(|| (distance.wrapping_add(moved).wrapping_sub(own) >> (back * 8)) as u8)
    }

    /// Learns from the new values of the four bytes that end at `base_at`, if `leads` says that these are a distance.
    /// `tail` holds the target's last bytes, with the last one lowest.
    #[inline]
    pub(crate) fn learn(&mut self, leads: u32, around: u128, base_at: u64, target_at: u64, tail: u64) {
        if leads >> 3 & 1 == 0 {
            return;
        }
        let distance = u32_at(around, -3);
        let target = target_of((base_at as u32).wrapping_sub(3), distance);
        let now = (tail as u32).swap_bytes();
        let own = target_at.wrapping_sub(base_at) as u32;
        self.entries[Self::slot(target)] = (target, now.wrapping_sub(distance).wrapping_add(own));
    }
}

/// How many places ahead the beginnings of distances are looked for, so that the entry of their target is there in time.
const AHEAD: u32 = 4;

/// The places at which distances begin, from [`AHEAD`] places ahead back to three places before, in a base that is walked
/// through.
pub(crate) struct Leads {
    /// The next place, if no bytes are left out.
    next: u64,
    bits: u32,
}

impl Leads {
    pub(crate) fn new() -> Self {
        Self { next: u64::MAX, bits: 0 }
    }

    /// Goes on to a place. The result's lowest bits say whether a distance begins there, a byte before, and so on.
    #[inline]
    pub(crate) fn at(&mut self, around: u128, base_at: u64, movements: &Movements) -> u32 {
        let is_led = |ahead: i32| u32::from(leads_an_address(byte_at(around, ahead - 2), byte_at(around, ahead - 1)));
        let ahead = AHEAD as i32;
        self.bits = if base_at == self.next {
            self.bits << 1 | is_led(ahead)
        } else {
            (0..ahead + 4).fold(0, |bits, back| bits | is_led(ahead - back) << back)
        };
        self.next = base_at.wrapping_add(1);
        if self.bits & 1 == 1 {
            let target = target_of((base_at as u32).wrapping_add(AHEAD), u32_at(around, ahead));
            fetch(&movements.entries[Movements::slot(target)]);
        }
        self.bits >> AHEAD & 0xf
    }
}
