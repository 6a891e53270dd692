//! Probabilities and their logits in whole numbers only: a patch must not decode to other bytes on a machine with
//! another floating point unit.

/// The largest logit. Logits are in units of 1/256, within ±2047.
pub(crate) const LOGIT_MAX: i32 = 2047;

/// e^(-1/256) in units of 1/2^48.
const STEP: u64 = 280_377_587_853_037;
const ONE: u64 = 1 << 48;

/// The smallest probability with which a bit is coded, and the distance of the largest from 1, in 1/65536.
const LEAST_PROBABILITY: u16 = 24;

/// The two functions as tables.
pub(crate) struct Logistic {
    #[cfg(test)]
    squash: Box<[u16; 4096]>,
    stretch: Box<[i16; 4096]>,
    /// `squash` within the bounds of what a coder can work with.
    bounded: Box<[u16; 4096]>,
}

impl Logistic {
    pub(crate) fn new() -> Self {
        let mut squash = Box::new([0u16; 4096]);
        let mut power = ONE;
        // p(x) = 1 / (1 + e^-x), and p(-x) = 1 - p(x).
        for x in 0..2048usize {
            let p = ((u128::from(ONE) << 16) / u128::from(ONE + power)).min(65_535) as u32;
            squash[2048 + x] = p as u16;
            squash[2048 - x] = (65_536 - p) as u16;
            power = ((u128::from(power) * u128::from(STEP)) >> 48) as u64;
        }
        squash[0] = squash[1];
        let mut stretch = Box::new([0i16; 4096]);
        let mut x = -LOGIT_MAX;
        for (p, entry) in (0u32..).zip(stretch.iter_mut()) {
            // The first logit whose probability is at least that of the middle of this sixteenth.
            while x < LOGIT_MAX && u32::from(squash[(x + 2048) as usize]) < p * 16 + 8 {
                x += 1;
            }
            *entry = x as i16;
        }
        let bounded = Box::new(squash.map(|p| p.clamp(LEAST_PROBABILITY, u16::MAX - LEAST_PROBABILITY + 1)));
        Self {
            #[cfg(test)]
            squash,
            stretch,
            bounded,
        }
    }

    /// The logit of a 16-bit probability.
    #[inline(always)]
    pub(crate) fn stretch(&self, p: u32) -> i16 {
        self.stretch[(p >> 4) as usize % 4096]
    }

    /// The 16-bit probability of a logit, neither too small nor too large for a coder.
    #[inline(always)]
    pub(crate) fn bounded(&self, logit: i32) -> u32 {
        u32::from(self.bounded[(logit.clamp(-LOGIT_MAX, LOGIT_MAX) + 2048) as usize % 4096])
    }

    /// The 16-bit probability of a logit.
    #[cfg(test)]
    pub(crate) fn squash(&self, logit: i32) -> u32 {
        u32::from(self.squash[(logit.clamp(-LOGIT_MAX, LOGIT_MAX) + 2048) as usize % 4096])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_the_functions() {
        let tables = Logistic::new();
        for x in -LOGIT_MAX..=LOGIT_MAX {
            let p = 65_536.0 / (1.0 + (-f64::from(x) / 256.0).exp());
            assert!((f64::from(tables.squash(x)) - p).abs() <= 1.01, "{x}");
        }
        for p in (8..65_536u32).step_by(16) {
            let back = tables.squash(i32::from(tables.stretch(p)));
            assert!(back.abs_diff(p) <= 64 + p.min(65_536 - p) / 200, "{p} {back}");
        }
        assert_eq!(i32::from(tables.stretch(0)), -LOGIT_MAX);
        assert_eq!(i32::from(tables.stretch(65_535)), LOGIT_MAX);
    }
}
