//! Tables by hashes of the next bytes.

use super::history::lower;

/// The place where each of N hashes was seen last; N is a power of two.
#[derive(Debug)]
pub(super) struct Table<T, const N: usize>(Box<[T; N]>);

/// The place where a hash was seen last, and the time before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Two {
    pub(super) last: i32,
    pub(super) before: i32,
}

impl<T: Clone + Default, const N: usize> Table<T, N> {
    pub(super) fn new() -> Self {
        match vec![T::default(); N].into_boxed_slice().try_into() {
            Ok(entries) => Self(entries),
            Err(_) => unreachable!("there are N entries"),
        }
    }
}

impl<const N: usize> Table<i32, N> {
    pub(super) fn lower(&mut self, less: i32) {
        self.0.iter_mut().for_each(|entry| lower(entry, less));
    }

    #[inline(always)]
    pub(super) fn get(&self, hash: usize) -> i32 {
        self.0[hash & (N - 1)]
    }

    #[inline(always)]
    pub(super) fn set(&mut self, hash: usize, position: i32) {
        self.0[hash & (N - 1)] = position;
    }
}

impl<const N: usize> Table<Two, N> {
    pub(super) fn lower(&mut self, less: i32) {
        for entry in self.0.iter_mut() {
            lower(&mut entry.last, less);
            lower(&mut entry.before, less);
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, hash: usize) -> Two {
        self.0[hash & (N - 1)]
    }

    /// Returns what was there.
    #[inline(always)]
    pub(super) fn push(&mut self, hash: usize, position: i32) -> Two {
        let entry = &mut self.0[hash & (N - 1)];
        let was = *entry;
        *entry = Two { last: position, before: was.last };
        was
    }
}

/// The hash of the first four bytes.
#[inline(always)]
pub(in super::super) fn hash4(bytes: u32, bits: u32) -> usize {
    (bytes.wrapping_mul(2_654_435_761) >> (32 - bits)) as usize
}

/// The hash of the first five bytes.
#[inline(always)]
pub(super) fn hash5(bytes: u64, bits: u32) -> usize {
    ((bytes << 24).wrapping_mul(889_523_592_379) >> (64 - bits)) as usize
}

/// The hash of the first seven bytes.
#[inline(always)]
pub(super) fn hash7(bytes: u64, bits: u32) -> usize {
    ((bytes << 8).wrapping_mul(58_295_818_150_454_627) >> (64 - bits)) as usize
}
