//! The bits that a block's bytes take at least, as Go's mathematics has it.

// The digits are those of FreeBSD's logarithm, which Go's is.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
const ODD: [f64; 4] =
    [6.666_666_666_666_735e-1, 2.857_142_874_366_239e-1, 1.818_357_216_161_805e-1, 1.479_819_860_511_658_6e-1];
const EVEN: [f64; 3] = [3.999_999_999_940_942e-1, 2.222_219_843_214_978_4e-1, 1.531_383_769_920_937_3e-1];

/// The number of bits of all bytes, each by how often it occurs; each byte's rounded up.
pub(super) fn entropy_bits(bytes: &[u8]) -> u64 {
    let mut counts = [0u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let share = 1.0 / bytes.len() as f64;
    let of = |count: &u32| {
        let count = f64::from(*count);
        (-log2(count * share) * count).ceil()
    };
    let bits: f64 = counts.iter().filter(|count| **count > 0).map(of).sum();
    bits.ceil() as u64
}

/// The logarithm of a number above 0 and up to 1.
fn log2(number: f64) -> f64 {
    let (fraction, exponent) = parts(number);
    if fraction == 0.5 {
        return exponent - 1.0;
    }
    log(fraction) * std::f64::consts::LOG2_E + exponent
}

/// A fraction from 1/2 on and below 1, and the power of two by which it is multiplied.
fn parts(number: f64) -> (f64, f64) {
    let bits = number.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32 - 0x3fe;
    (f64::from_bits(bits & ((1 << 52) - 1) | 0x3fe << 52), f64::from(exponent))
}

fn log(number: f64) -> f64 {
    let (mut fraction, mut exponent) = parts(number);
    if fraction < std::f64::consts::FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1.0;
    }
    let less = fraction - 1.0;
    let s = less / (2.0 + less);
    let s2 = s * s;
    let s4 = s2 * s2;
    let odd = s2 * (ODD[0] + s4 * (ODD[1] + s4 * (ODD[2] + s4 * ODD[3])));
    let even = s4 * (EVEN[0] + s4 * (EVEN[1] + s4 * EVEN[2]));
    let half = 0.5 * less * less;
    exponent * LN2_HIGH - ((half - (s * (half + (odd + even)) + exponent * LN2_LOW)) - less)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_shares() {
        assert_eq!(entropy_bits(&[7; 1000]), 0);
        assert_eq!(entropy_bits(&[0, 1, 2, 3].repeat(100)), 800);
        assert_eq!(entropy_bits(&(0..=255).collect::<Vec<u8>>()), 2048);
        let three = [0u8, 1, 2].repeat(1000);
        assert_eq!(entropy_bits(&three), 3 * (1000.0 * 3f64.log2()).ceil() as u64);
    }

    #[test]
    fn logarithms_are_right() {
        for number in [1.0, 0.999_999, 0.75, 0.5, 0.3, 0.1, 1e-3, 1.0 / 131_072.0, 5e-6] {
            let difference: f64 = log2(number) - number.log2();
            assert!(difference.abs() < 1e-14 * number.log2().abs().max(1.0), "{number}");
        }
    }
}
