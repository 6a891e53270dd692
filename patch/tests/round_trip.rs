//! Targets come back from their patches.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use proptest::prelude::*;
use regrow_patch::{Builder, Chains, Encoder, decode, find_ops};

fn encode(base: &[u8], target: &[u8]) -> Vec<u8> {
    let chains = Chains::new(base, 64);
    let mut encoder = Encoder::new(base, target.len() as u64);
    let mut builder = Builder::default();
    for piece in target.chunks(10_000) {
        for op in find_ops(&chains, piece) {
            if let Some(op) = builder.push(op) {
                encoder.push(&op).unwrap();
            }
        }
    }
    if let Some(op) = builder.finish() {
        encoder.push(&op).unwrap();
    }
    encoder.finish().unwrap()
}

fn round_trip(base: &[u8], target: &[u8]) -> usize {
    let patch = encode(base, target);
    let mut made = Vec::new();
    decode(base, &patch, target.len() as u64, |piece| {
        made.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    assert!(made == target);
    patch.len()
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn what_is_the_same_costs_next_to_nothing() {
    let base = noise(1, 300_000);
    assert!(round_trip(&base, &base) < 20);
    let moved = [&base[200_000..], &base[..200_000]].concat();
    assert!(round_trip(&base, &moved) < 30);
    assert_eq!(round_trip(&base, &[]), 0);
    assert!(round_trip(&[], &base[..1000]) < 1100);
}

#[test]
fn few_changes_cost_little() {
    let base = noise(2, 200_000);
    let mut target = base.clone();
    (0..target.len()).step_by(1000).for_each(|at| target[at] ^= 0x55);
    assert!(round_trip(&base, &target) < 600);
    target.drain(50_000..50_100);
    target.splice(100_000..100_000, noise(3, 77));
    assert!(round_trip(&base, &target) < 720);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_edits_come_back(
        seed in 0u64..1000,
        len in 0usize..30_000,
        edits in prop::collection::vec((0usize..30_000, 0usize..400, prop::collection::vec(any::<u8>(), 0..300)), 0..12),
    ) {
        let base = noise(seed, len);
        let mut target = base.clone();
        for (at, cut, put) in edits {
            let at = at.min(target.len());
            let end = (at + cut).min(target.len());
            target.splice(at..end, put);
        }
        round_trip(&base, &target);
    }

    #[test]
    fn nonsense_is_refused_or_bounded(patch in prop::collection::vec(any::<u8>(), 0..400), target in 0u64..5000) {
        let base = noise(9, 3000);
        let mut made = 0;
        let _ = decode(&base[..], &patch, target, |piece| {
            made += piece.len() as u64;
            Ok(())
        });
        prop_assert!(made <= target);
    }
}
