//! Prediction of a bit from many contexts. Each context has a slot that learns how often a 1 came; a neuron weighs
//! the slots' logits and learns from its error (Mahoney, "Adaptive Weighing of Context Models for Lossless Data
//! Compression", 2005).

use crate::coder::BitCoder;
use crate::fetch::fetch;
use crate::lanes::Lanes;
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
/// The constant input. It is in the last place of the second half.
const CONSTANT: i16 = 256;

/// A bucket, which begins where a cache line does.
#[derive(Clone)]
#[repr(align(64))]
struct Bucket([u32; BUCKET]);

/// The table that contexts are hashed into.
pub(crate) struct Slots {
    buckets: Box<[Bucket; BUCKETS]>,
    /// How far a slot moves towards a bit that it sees for the n-th time, in 1/65536.
    rates: [i32; COUNT_MASK as usize + 1],
    logistic: Logistic,
}

impl Slots {
    pub(crate) fn new() -> Self {
        // The rate is 1 / (count + 1.6).
        let rates = std::array::from_fn(|count| 655_360 / (count as i32 * 10 + 16));
        let buckets = vec![Bucket([SLOT_START; BUCKET]); BUCKETS].into_boxed_slice();
        // Invariant: the vector has BUCKETS elements.
        let buckets = buckets.try_into().ok().expect("as many buckets as were made");
        Self { buckets, rates, logistic: Logistic::new() }
    }

    pub(crate) fn logistic(&self) -> &Logistic {
        &self.logistic
    }

    #[inline(always)]
    fn at(&self, bucket: u16, node: usize) -> u32 {
        self.buckets[usize::from(bucket)].0[node % BUCKET]
    }

    /// Asks for a bucket that will be needed soon.
    #[inline(always)]
    pub(crate) fn fetch(&self, bucket: u16) {
        fetch(&self.buckets[usize::from(bucket)]);
    }

    /// Moves a slot towards a bit. `most` is the largest probability if the bit is 1, and otherwise 0. The slot may have
    /// been moved for this bit already, since two contexts may share it.
    #[inline(always)]
    fn update(&mut self, bucket: u16, node: usize, most: i32, limit: u32) {
        let slot = &mut self.buckets[usize::from(bucket)].0[node % BUCKET];
        let count = *slot & COUNT_MASK;
        let step = (((most - (*slot >> 10) as i32) >> 7) * self.rates[count as usize]) >> 9;
        // The probability stays within its bits, so nothing is carried into the count.
        *slot = slot.wrapping_add((step << 10) as u32) + u32::from(count < limit);
    }
}

/// Mixes two numbers into one that is spread over 64 bits.
#[inline]
pub(crate) fn hash(a: u64, b: u64) -> u64 {
    (a.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ b).wrapping_mul(0xc4ce_b9fe_1a85_ec53).rotate_left(29)
}

#[inline(always)]
fn salted(context: u64, salt: u64) -> u64 {
    context.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A context's bucket.
#[inline(always)]
pub(crate) fn bucket_of(context: u64) -> u16 {
    (context.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 48) as u16
}

/// The largest number of contexts and further inputs of a field. The other inputs are a second one for each context, and a
/// constant.
const INPUTS: usize = 8;

/// One kind of bits: its contexts, further inputs, and a neuron for each selector.
pub(crate) struct Field<const CONTEXTS: usize> {
    /// The contexts' buckets.
    buckets: [u16; CONTEXTS],
    weights: Vec<[Lanes; 2]>,
    /// The limit of its slots' counts.
    limit: u32,
}

impl<const CONTEXTS: usize> Field<CONTEXTS> {
    /// Makes a field with this number of further inputs and of selectors. `limit` is the limit of its slots'
    /// counts.
    pub(crate) fn new(extra: usize, selectors: usize, limit: u32) -> Self {
        let inputs = CONTEXTS * 2 + extra + 1;
        assert!(inputs <= 2 * INPUTS, "a field's inputs have room");
        let start = (i64::from(WEIGHT_ONE) * 10 / (10 * inputs as i64).isqrt().max(1) / 3) as i16;
        Self { buckets: [0; CONTEXTS], weights: vec![[Lanes::splat(start); 2]; selectors], limit }
    }

    /// Sets the contexts for the next bits, up to four of them.
    #[inline]
    pub(crate) fn select(&mut self, contexts: &[u64; CONTEXTS], salt: u64) {
        self.buckets = contexts.map(|context| bucket_of(salted(context, salt)));
    }

    /// Asks for the buckets that will be needed soon if the contexts are these.
    #[inline]
    pub(crate) fn fetch(&self, slots: &Slots, contexts: &[u64; CONTEXTS], salt: u64) {
        contexts.iter().for_each(|&context| slots.fetch(bucket_of(salted(context, salt))));
    }

    /// Sets the buckets of the contexts.
    #[inline(always)]
    pub(crate) fn select_buckets(&mut self, buckets: [u16; CONTEXTS]) {
        self.buckets = buckets;
    }

    /// Codes a bit at `node` (0 to 15) of the contexts' buckets. Each half of the inputs has one for each context in its
    /// first places, where `first` and `second` must have zeros; behind them they have the further inputs.
    #[inline(always)]
    pub(crate) fn bit<C: BitCoder>(
        &mut self,
        coder: &mut C,
        slots: &mut Slots,
        node: usize,
        (first, second): (Lanes, Lanes),
        selector: usize,
        bit: u32,
    ) -> u32 {
        let mut known = [0; INPUTS];
        let mut inputs = [0; INPUTS];
        for n in 0..CONTEXTS {
            known[n] = slots.at(self.buckets[n], node);
            inputs[n] = slots.logistic.stretch(known[n] >> 16);
        }
        let inputs = [Lanes::of(inputs).plus(first), Lanes::confidences(known, COUNT_MASK).plus(second)];
        let weights = &mut self.weights[selector];
        let p1 = slots.logistic.bounded(Lanes::dot(*weights, inputs) >> 14);
        let bit = coder.bit(p1, bit);
        let (p1, p0) = (p1 as u16, !(p1 as u16));
        let error = if bit == 0 { -((p1 >> 1) as i16) } else { (p0 >> 1) as i16 };
        for (weights, inputs) in weights.iter_mut().zip(inputs) {
            *weights = weights.trained(inputs, error);
        }
        let most = ((1 << 22) - 1) * bit as i32;
        for n in 0..CONTEXTS {
            slots.update(self.buckets[n], node, most, self.limit);
        }
        bit
    }
}

/// The further inputs of a field that has none but the constant, from which the neuron learns its threshold.
#[inline(always)]
pub(crate) fn no_further() -> (Lanes, Lanes) {
    (Lanes::splat(0), Lanes::of([0, 0, 0, 0, 0, 0, 0, CONSTANT]))
}
