//! Prediction of a bit from many contexts. Each context has a slot that learns how often a 1 came; a neuron weighs
//! the slots' logits and learns from its error (Mahoney, "Adaptive Weighing of Context Models for Lossless Data
//! Compression", 2005).

use crate::coder::BitCoder;
use crate::logistic::Logistic;

/// The number of buckets. They take 4 MiB, which the caches of most processors hold.
const BUCKETS: usize = 1 << 16;
/// The number of slots in a bucket: the 15 nodes of a tree of four bits, and one more. A bucket fills a cache line.
const BUCKET: usize = 16;
/// The weight that stands for 1.0.
const WEIGHT_ONE: i32 = 1 << 14;
/// The limit of a slot's count where few bits tell: what a byte becomes is mostly what it became the last time in
/// the same context.
pub(crate) const FEW: u32 = 3;
/// The limit of a slot's count where only frequencies tell, such as whether a byte is changed.
pub(crate) const MANY: u32 = 15;
/// The first value of a slot. A slot holds a probability of 22 bits and a count.
const SLOT_START: u32 = 1 << 31;
const COUNT_MASK: u32 = 15;
/// The constant input, from which the neuron learns its threshold.
const CONSTANT: i16 = 256;

/// The table that contexts are hashed into.
pub(crate) struct Slots {
    buckets: Box<[[u32; BUCKET]; BUCKETS]>,
    /// How far a slot moves towards a bit that it sees for the n-th time, in 1/65536.
    rates: [u16; COUNT_MASK as usize + 1],
    logistic: Logistic,
}

impl Slots {
    pub(crate) fn new() -> Self {
        let mut rates = [0; COUNT_MASK as usize + 1];
        for (count, rate) in (0u32..).zip(rates.iter_mut()) {
            // The rate is 1 / (count + 1.6).
            *rate = (655_360 / (count * 10 + 16)) as u16;
        }
        let buckets = vec![[SLOT_START; BUCKET]; BUCKETS].into_boxed_slice();
        // Invariant: the vector has BUCKETS elements.
        let buckets = buckets.try_into().expect("as many buckets as were made");
        Self { buckets, rates, logistic: Logistic::new() }
    }

    pub(crate) fn logistic(&self) -> &Logistic {
        &self.logistic
    }

    #[inline(always)]
    fn at(&self, bucket: u32, node: usize) -> u32 {
        self.buckets[bucket as usize % BUCKETS][node % BUCKET]
    }

    #[inline(always)]
    fn update(&mut self, bucket: u32, node: usize, bit: u32, limit: u32) {
        let slot = &mut self.buckets[bucket as usize % BUCKETS][node % BUCKET];
        let (p, count) = ((*slot >> 10) as i32, *slot & COUNT_MASK);
        let target = ((1 << 22) - 1) * bit as i32;
        let p = p + ((((target - p) >> 7) * i32::from(self.rates[count as usize])) >> 9);
        *slot = (p as u32) << 10 | (count + u32::from(count < limit));
    }
}

/// Mixes two numbers into one that is spread over 64 bits.
#[inline]
pub(crate) fn hash(a: u64, b: u64) -> u64 {
    (a.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ b).wrapping_mul(0xc4ce_b9fe_1a85_ec53).rotate_left(29)
}

/// One kind of bits: its contexts, further inputs, and a neuron for each selector. `INPUTS` counts two inputs for
/// each context, the further ones and a constant, rounded up to 8 so that the compiler uses vector instructions.
pub(crate) struct Field<const CONTEXTS: usize, const INPUTS: usize> {
    buckets: [u32; CONTEXTS],
    weights: Vec<[i16; INPUTS]>,
    /// The limit of its slots' counts.
    limit: u32,
}

impl<const CONTEXTS: usize, const INPUTS: usize> Field<CONTEXTS, INPUTS> {
    /// Makes a field with this number of further inputs and of selectors. `limit` is the limit of its slots'
    /// counts.
    pub(crate) fn new(extra: usize, selectors: usize, limit: u32) -> Self {
        let inputs = CONTEXTS * 2 + extra + 1;
        assert!(inputs <= INPUTS, "a field's inputs have room");
        let start = (i64::from(WEIGHT_ONE) * 10 / (10 * inputs as i64).isqrt().max(1) / 3) as i16;
        Self { buckets: [0; CONTEXTS], weights: vec![[start; INPUTS]; selectors], limit }
    }

    /// Sets the contexts for the next bits, up to four of them.
    #[inline]
    pub(crate) fn select(&mut self, contexts: &[u64; CONTEXTS], salt: u64) {
        let salt = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for (bucket, context) in self.buckets.iter_mut().zip(contexts) {
            *bucket = (context.wrapping_add(salt).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32) as u32 >> 16;
        }
    }

    /// Codes a bit at `node` (0 to 15) of the contexts' buckets.
    #[inline]
    pub(crate) fn bit<C: BitCoder, const EXTRA: usize>(
        &mut self,
        coder: &mut C,
        slots: &mut Slots,
        node: usize,
        extra: [i16; EXTRA],
        selector: usize,
        bit: u32,
    ) -> u32 {
        let mut inputs = [0i16; INPUTS];
        let mut counts = [0i16; CONTEXTS];
        let mut halves = [0i16; CONTEXTS];
        for n in 0..CONTEXTS {
            let slot = slots.at(self.buckets[n], node);
            inputs[n] = slots.logistic.stretch(slot >> 16);
            counts[n] = ((slot & COUNT_MASK) as i16).min(8) << 8;
            halves[n] = ((slot >> 16) as u16 ^ 0x8000) as i16;
        }
        for n in 0..CONTEXTS {
            inputs[CONTEXTS + n] = ((i32::from(halves[n]) * i32::from(counts[n])) >> 16) as i16;
        }
        inputs[CONTEXTS * 2..][..EXTRA].copy_from_slice(&extra);
        inputs[CONTEXTS * 2 + EXTRA] = CONSTANT;
        let weights = &mut self.weights[selector];
        let sum = dot(weights, &inputs);
        let p1 = slots.logistic.squash(sum >> 14).clamp(24, 65_512);
        let bit = coder.bit(p1, bit);
        let (p1, p0) = (p1 as u16, !(p1 as u16));
        let error = if bit == 0 { -((p1 >> 1) as i16) } else { (p0 >> 1) as i16 };
        train(weights, &inputs, error);
        for n in 0..CONTEXTS {
            slots.update(self.buckets[n], node, bit, self.limit);
        }
        bit
    }
}

#[inline(always)]
fn dot<const INPUTS: usize>(weights: &[i16; INPUTS], inputs: &[i16; INPUTS]) -> i32 {
    weights.iter().zip(inputs).map(|(weight, input)| i32::from(*weight) * i32::from(*input)).sum()
}

/// Moves the weights by the error. It is a function of its own, so that the compiler sees a product of two 16-bit
/// vectors.
#[inline(always)]
fn train<const INPUTS: usize>(weights: &mut [i16; INPUTS], inputs: &[i16; INPUTS], error: i16) {
    for (weight, input) in weights.iter_mut().zip(inputs) {
        let step = ((i32::from(*input * 4) * i32::from(error)) >> 16) as i16;
        *weight = weight.saturating_add((step + 2) >> 2);
    }
}
