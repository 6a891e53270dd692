//! Predictions of one bit from many contexts, mixed: each context has a slot that learns how often a 1 came, and a neuron weighs
//! the slots' logits and learns from its error (Mahoney, "Adaptive Weighing of Context Models for Lossless Data Compression", 2005).

use crate::coder::BitCoder;
use crate::logistic::Logistic;

/// Slots in all, of 4 bytes: 16 MiB.
const SLOT_BITS: u32 = 22;
/// Slots that lie together: the 15 nodes of a tree of four bits, and one more. A line of cache.
const BUCKET: usize = 16;
/// 1.0 as a weight.
const WEIGHT_ONE: i32 = 1 << 14;
const WEIGHT_MAX: i32 = 1 << 18;
/// Slots hold a probability of 22 bits and a count of 10.
const SLOT_START: u32 = 1 << 31;
const COUNT_MASK: u32 = 1023;

/// What contexts are hashed into.
pub(crate) struct Slots {
    slots: Vec<u32>,
    /// How far a slot goes towards a bit that it sees the n-th time, in 1/65536.
    rates: [u32; 1024],
    logistic: Logistic,
}

impl Slots {
    pub(crate) fn new() -> Self {
        let mut rates = [0; 1024];
        for (count, rate) in (0u32..).zip(&mut rates) {
            // 1 / (count + 1.6)
            *rate = 655_360 / (count * 10 + 16);
        }
        Self { slots: vec![SLOT_START; 1 << SLOT_BITS], rates, logistic: Logistic::new() }
    }

    pub(crate) fn logistic(&self) -> &Logistic {
        &self.logistic
    }

    #[inline]
    fn update(&mut self, at: usize, bit: u32, limit: u32) {
        let slot = self.slots[at];
        let (p, count) = ((slot >> 10) as i64, slot & COUNT_MASK);
        let target = if bit == 0 { 0 } else { (1 << 22) - 1 };
        let p = p + (((target - p) * i64::from(self.rates[count as usize])) >> 16);
        self.slots[at] = (p as u32) << 10 | if count < limit { count + 1 } else { count };
    }
}

/// Mixes two numbers into one that is spread over 64 bits.
#[inline]
pub(crate) fn hash(a: u64, b: u64) -> u64 {
    (a.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ b).wrapping_mul(0xc4ce_b9fe_1a85_ec53).rotate_left(29)
}

/// A kind of bits: its contexts, further inputs, and a neuron for each selector.
pub(crate) struct Field {
    contexts: usize,
    /// Counts of slots stop here: the higher, the steadier.
    limit: u32,
    buckets: Vec<usize>,
    inputs: Vec<i32>,
    weights: Vec<i32>,
}

impl Field {
    /// For so many contexts, further inputs and selectors.
    pub(crate) fn new(contexts: usize, extra: usize, selectors: usize, limit: u32) -> Self {
        // Two inputs a context, and a constant.
        let inputs = contexts * 2 + extra + 1;
        let start = (i64::from(WEIGHT_ONE) * 10 / (10 * inputs as i64).isqrt().max(1) / 3) as i32;
        Self {
            contexts,
            limit,
            buckets: vec![0; contexts],
            inputs: vec![0; inputs],
            weights: vec![start; inputs * selectors],
        }
    }

    /// Sets the contexts for the next bits, up to four of them.
    #[inline]
    pub(crate) fn select(&mut self, contexts: &[u64], salt: u64) {
        debug_assert_eq!(contexts.len(), self.contexts);
        for (bucket, context) in self.buckets.iter_mut().zip(contexts) {
            let hash =
                context.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93);
            *bucket = (hash >> (64 - SLOT_BITS)) as usize & !(BUCKET - 1);
        }
    }

    /// Codes a bit at `node` (0 to 15) of the contexts' buckets.
    #[inline]
    pub(crate) fn bit<C: BitCoder>(
        &mut self,
        coder: &mut C,
        slots: &mut Slots,
        node: usize,
        extra: &[i32],
        selector: usize,
        bit: u32,
    ) -> u32 {
        let node = node & (BUCKET - 1);
        for (inputs, bucket) in self.inputs.chunks_exact_mut(2).zip(&self.buckets) {
            let slot = slots.slots[bucket + node];
            let (p, count) = (slot >> 16, (slot & COUNT_MASK).min(8) as i32);
            inputs[0] = slots.logistic.stretch(p);
            inputs[1] = ((p as i32 - 32_768) * count) >> 8;
        }
        let given = self.contexts * 2;
        self.inputs[given..given + extra.len()].copy_from_slice(extra);
        let inputs = self.inputs.len();
        self.inputs[inputs - 1] = 256;
        let weights = &mut self.weights[selector * inputs..][..inputs];
        let sum: i32 = weights.iter().zip(&self.inputs).map(|(weight, input)| (weight * input) >> 6).sum();
        let p1 = slots.logistic.squash(sum >> 8).clamp(24, 65_512);
        let bit = coder.bit(p1, bit);
        let error = (bit << 16) as i32 - bit as i32 - p1 as i32;
        for (weight, input) in weights.iter_mut().zip(&self.inputs) {
            *weight = (*weight + ((input * error) >> 17)).clamp(-WEIGHT_MAX, WEIGHT_MAX);
        }
        for bucket in &self.buckets {
            slots.update(bucket + node, bit, self.limit);
        }
        bit
    }
}
