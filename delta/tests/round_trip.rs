//! Targets come back from their bodies in both codings, and anything else is refused.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::{self, Read};

use proptest::prelude::*;
use regrow_delta::{
    Builder, Chains, Change, Coding, DeltaEncoder, DeltaError, Op, Receiver, Statistics, decode, decode_into, find_ops,
};

const CODINGS: [Coding; 2] = [Coding::Mixed, Coding::Streams];

fn ops(base: &[u8], target: &[u8], step: usize) -> Vec<Op> {
    let chains = Chains::sparse(base, 64, step);
    let (mut builder, mut ops) = (Builder::default(), Vec::new());
    for piece in target.chunks(10_000) {
        ops.extend(find_ops(&chains, piece).into_iter().filter_map(|op| builder.push(op)));
    }
    ops.extend(builder.finish());
    ops
}

fn encode_ops(base: &[u8], target_bytes: u64, ops: &[Op], coding: Coding) -> Vec<u8> {
    let mut encoder = DeltaEncoder::new(base, target_bytes, coding, 3, Vec::new()).unwrap();
    for op in ops {
        let before = encoder.written();
        encoder.push(op).unwrap();
        assert!(coding == Coding::Streams || encoder.written() >= before);
    }
    encoder.finish().unwrap()
}

/// The body, and what each part of the target costs.
fn metered(base: &[u8], target: &[u8], coding: Coding, ends: &[u64]) -> (Vec<u8>, Vec<u64>) {
    let encoder = DeltaEncoder::new(base, target.len() as u64, coding, 3, Vec::new()).unwrap();
    let mut encoder = encoder.metered(ends.to_vec()).unwrap();
    ops(base, target, 1).iter().for_each(|op| encoder.push(op).unwrap());
    encoder.finish_metered().unwrap()
}

fn encode(base: &[u8], target: &[u8], coding: Coding) -> Vec<u8> {
    encode_ops(base, target.len() as u64, &ops(base, target, 1), coding)
}

/// A reader that gives few bytes at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(7);
        self.0.read(&mut out[..len])
    }
}

/// A receiver that reads copies itself.
struct Copies<'b> {
    base: &'b [u8],
    made: Vec<u8>,
    copied: u64,
}

impl Receiver for Copies<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.made.extend_from_slice(bytes);
        Ok(())
    }

    fn copied(&mut self, at: u64, len: u64) -> io::Result<()> {
        self.copied += len;
        self.made.extend_from_slice(&self.base[at as usize..(at + len) as usize]);
        Ok(())
    }
}

#[test]
fn long_copies_are_told() {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let base: Vec<u8> = (0..400_000).map(|_| next()).collect();
    let mut target = base.clone();
    // Changes right behind a long copy are coded by what the copy ended with.
    for at in [30_000, 30_003, 30_050, 60_100, 200_000, 399_999] {
        target[at] ^= 0x55;
    }
    target.splice(100_000..100_000, *b"some new bytes between two long copies");
    target.drain(250_000..251_000);
    for coding in CODINGS {
        let body = encode(&base, &target, coding);
        let mut copies = Copies { base: &base, made: Vec::new(), copied: 0 };
        decode_into(&base[..], Slow(&body), target.len() as u64, &mut copies).unwrap();
        assert!(copies.made == target && copies.copied > 250_000, "{coding:?}: {}", copies.copied);
        assert_eq!(decoded(&base, &body, target.len() as u64).unwrap(), target);
        let short = decode_into(&base[..], Slow(&body[..body.len() / 2]), target.len() as u64, &mut copies);
        assert!(matches!(short, Err(DeltaError::Damaged(_))));
    }
}

fn decoded(base: &[u8], body: &[u8], target_bytes: u64) -> Result<Vec<u8>, DeltaError> {
    let mut made = Vec::new();
    let result = decode(base, Slow(body), target_bytes, |piece| {
        made.extend_from_slice(piece);
        Ok(())
    });
    assert!(made.len() as u64 <= target_bytes);
    result.map(|()| {
        assert_eq!(made.len() as u64, target_bytes);
        made
    })
}

fn round_trip(base: &[u8], target: &[u8], coding: Coding) -> usize {
    let body = encode(base, target, coding);
    assert!(decoded(base, &body, target.len() as u64).unwrap() == target);
    body.len()
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
    let moved = [&base[200_000..], &base[..200_000]].concat();
    for coding in CODINGS {
        assert!(round_trip(&base, &base, coding) < 40);
        assert!(round_trip(&base, &moved, coding) < 60);
        assert_eq!(round_trip(&base, &[], coding), 1);
        assert_eq!(round_trip(&[], &[], coding), 1);
        assert!(round_trip(&[], &base[..1000], coding) < 1200);
    }
}

#[test]
fn few_changes_cost_little() {
    let base = noise(2, 200_000);
    let mut target = base.clone();
    (0..target.len()).step_by(1000).for_each(|at| target[at] ^= 0x55);
    assert!(round_trip(&base, &target, Coding::Mixed) < 600);
    assert!(round_trip(&base, &target, Coding::Streams) < 800);
    target.drain(50_000..50_100);
    target.splice(100_000..100_000, noise(3, 77));
    assert!(round_trip(&base, &target, Coding::Mixed) < 720);
}

#[test]
fn long_ops_go_over_many_blocks() {
    let base = noise(4, 4_000_000);
    let mut target = base.clone();
    // First every second byte is changed. Then enough bytes are new to fill whole blocks.
    (1_000_000..3_400_000).step_by(2).for_each(|at| target[at] ^= 1);
    target.splice(500_000..500_000, noise(5, 2_500_000));
    let changes = (0..1_200_000).map(|n| Change { at: n * 2, byte: base[1_000_000 + n as usize * 2] ^ 1 }).collect();
    let ops = [
        Op { base_at: 0, len: 500_000, ..Op::default() },
        Op { literal: noise(5, 2_500_000), base_at: 500_000, len: 500_000, changes: Vec::new() },
        Op { base_at: 1_000_000, len: 2_400_000, changes, ..Op::default() },
        Op { base_at: 3_400_000, len: 600_000, ..Op::default() },
    ];
    let mut statistics = Statistics::default();
    ops.iter().for_each(|op| statistics.add(op));
    assert_eq!((statistics.changed, statistics.flagged), (1_200_000, 2_399_998 + 2));
    assert_eq!(statistics.target_bytes(), target.len() as u64);
    for coding in CODINGS {
        let body = encode_ops(&base, target.len() as u64, &ops, coding);
        assert!(decoded(&base, &body, target.len() as u64).unwrap() == target);
    }
}

#[test]
fn little_that_is_new_is_mixed_and_much_goes_into_streams() {
    let statistics =
        |copied, changed, literal| Statistics { ops: 1000, copied, changed, flagged: changed * 8, literal };
    assert_eq!(Coding::choose(&statistics(500_000_000, 4_000_000, 1_000_000)), Coding::Mixed);
    assert_eq!(Coding::choose(&statistics(100_000_000, 5_000_000, 26_000_000)), Coding::Streams);
    assert_eq!(Coding::choose(&Statistics::default()), Coding::Mixed);
}

#[test]
fn wrong_ops_are_refused() {
    let base = noise(6, 1000);
    let change = |at| vec![Change { at, byte: 0 }];
    for coding in CODINGS {
        for (base_at, len, changes) in
            [(990, 11, vec![]), (u64::MAX, 5, vec![]), (1 << 63, 5, vec![]), (0, 2000, vec![]), (0, 5, change(5))]
        {
            let mut encoder = DeltaEncoder::new(&base[..], 1500, coding, 3, Vec::new()).unwrap();
            assert!(
                encoder.push(&Op { base_at, len, changes, ..Op::default() }).is_err(),
                "{coding:?} {base_at} {len}"
            );
        }
        let mut encoder = DeltaEncoder::new(&base[..], 1500, coding, 3, Vec::new()).unwrap();
        encoder.push(&Op { base_at: 5, len: 10, changes: change(3), ..Op::default() }).unwrap();
        assert!(encoder.finish().is_err());
    }
}

fn edited(base: &[u8], edits: &[(usize, usize, u8, Vec<u8>)]) -> Vec<u8> {
    let mut target = base.to_vec();
    for (at, len, kind, put) in edits {
        let at = (*at).min(target.len());
        let end = (at + len).min(target.len());
        match kind % 5 {
            0 => drop(target.splice(at..end, put.iter().copied())),
            1 => target[at..end].iter_mut().for_each(|byte| *byte = byte.wrapping_add(3)),
            2 => target[at..end].iter_mut().step_by(5).for_each(|byte| *byte ^= 0x10),
            3 => target.rotate_left(at / 2),
            _ => target.truncate(end.max(target.len() / 2)),
        }
    }
    target
}

fn edits() -> impl Strategy<Value = Vec<(usize, usize, u8, Vec<u8>)>> {
    prop::collection::vec((0usize..30_000, 0usize..400, any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..12)
}

/// Bytes that resemble the headers of a tar, one for each name, size and time, padded to 512 bytes.
fn headers(entries: &[(String, u32, u32)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, size, time) in entries {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..124].copy_from_slice(b"0000644\x000000000\x000000000\0");
        header[124..148].copy_from_slice(format!("{size:011o}\0{time:011o}\0").as_bytes());
        header[148..157].copy_from_slice(b"        0");
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.resize(tar.len() + (size.wrapping_neg() % 512) as usize + 2, 0);
    }
    tar
}

#[test]
fn new_times_of_headers_cost_next_to_nothing() {
    let entries = |time: u32| -> Vec<_> {
        (0..1000u32).map(|n| (format!("usr/lib/{}", n * n), n * 7919 % 40_000, time + n / 50 * 77)).collect()
    };
    let size = round_trip(&headers(&entries(1_700_000_000)), &headers(&entries(1_703_456_789)), Coding::Mixed);
    assert!(size < 600, "{size}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn changed_headers_come_back(
        entries in prop::collection::vec(("[a-z/]{1,99}", 0u32..100_000, 0u32..1 << 31), 1..60),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..5, any::<u32>()), 0..60),
        shift in 0usize..9,
        edits in edits(),
    ) {
        let mut new = entries.clone();
        for (which, kind, value) in changes {
            let at = which.index(new.len());
            match kind {
                0 => new[at].1 = value % 100_000,
                1 => new[at].2 = value >> 1,
                2 => new[at].0 = format!("other/{value}"),
                3 => new.insert(at, (format!("new/{value}"), value % 1000, value >> 1)),
                _ if new.len() > 1 => drop(new.remove(at)),
                _ => {}
            }
        }
        let (base, target) = (headers(&entries), [&noise(7, shift)[..], &headers(&new)].concat());
        let target_edited = edited(&target, &edits);
        round_trip(&base, &target, Coding::Mixed);
        round_trip(&base, &target_edited, Coding::Mixed);
        round_trip(&base[base.len().min(shift * 30)..], &target, Coding::Mixed);
    }

    #[test]
    fn any_edits_come_back(seed in 0u64..1000, len in 0usize..30_000, edits in edits()) {
        let base = noise(seed, len);
        let target = edited(&base, &edits);
        for coding in CODINGS {
            round_trip(&base, &target, coding);
        }
    }

    #[test]
    fn sparse_chains_find_what_is_long(seed in 0u64..1000, step in 2usize..40, edits in edits()) {
        let base = noise(seed, 20_000);
        let target = edited(&base, &edits);
        let ops = ops(&base, &target, step);
        let body = encode_ops(&base, target.len() as u64, &ops, Coding::Streams);
        prop_assert!(decoded(&base, &body, target.len() as u64).unwrap() == target);
        let mut moved = base.clone();
        moved.rotate_left(9_999);
        let copied: u64 = self::ops(&base, &moved, step).iter().map(|op| op.len).sum();
        prop_assert!(copied > 19_900, "{}", copied);
    }

    #[test]
    fn damage_is_refused_or_bounded(
        seed in 0u64..100,
        edits in edits(),
        flips in prop::collection::vec((any::<usize>(), 0u8..8), 0..4),
        cut in any::<usize>(),
        is_cut in any::<bool>(),
    ) {
        let base = noise(seed, 10_000);
        let target = edited(&base, &edits);
        for coding in CODINGS {
            let whole = encode(&base, &target, coding);
            let mut body = whole.clone();
            for (at, bit) in &flips {
                let at = at % body.len();
                body[at] ^= 1 << bit;
            }
            if is_cut {
                body.truncate(cut % body.len());
            }
            let _ = decoded(&base, &body, target.len() as u64);
            // The body is decoded with a length that it was not made for, against another base, and with bytes
            // behind it.
            let _ = decoded(&base, &body, target.len() as u64 + 1000);
            let _ = decoded(&base[..5000], &body, target.len() as u64);
            let more = [&whole[..], &[0; 9]].concat();
            prop_assert!(decoded(&base, &more, target.len() as u64).is_err());
        }
    }

    #[test]
    fn nonsense_is_refused_or_bounded(body in prop::collection::vec(any::<u8>(), 0..400), target in 0u64..5000) {
        let base = noise(9, 3000);
        for coding in CODINGS {
            let _ = decoded(&base, &[&[coding.byte()], &body[..]].concat(), target);
        }
        let _ = decoded(&base, &body, target);
    }
}

/// The part that costs is the one that is new and random, and not the longer one that compresses well.
#[test]
fn a_metered_body_is_the_same_and_says_what_costs() {
    let word = |number: usize| ["alpha ", "beta ", "gamma\n", "delta ", "eps, ", "zeta "][number % 6].bytes();
    let text: Vec<u8> = noise(3, 400_000).into_iter().flat_map(|byte| word(usize::from(byte))).collect();
    let (base, fresh) = (noise(1, 500_000), noise(2, 300_000));
    let mut changed = base.clone();
    (0..100).for_each(|number| changed[number * 4999] ^= 0x55);
    let parts = [&base[..200_000], &text, &fresh, &changed[200_000..]];
    let target = parts.concat();
    let mut ends = Vec::new();
    for part in parts {
        ends.push(ends.last().copied().unwrap_or(0) + part.len() as u64);
    }
    for coding in CODINGS {
        let (body, costs) = metered(&base, &target, coding, &ends);
        assert!(body == encode(&base, &target, coding));
        assert_eq!(costs.iter().sum::<u64>(), body.len() as u64);
        let [same, text_cost, noise_cost, change_cost] = costs[..] else { panic!("{costs:?}") };
        assert!(same < 100 && (1..2000).contains(&change_cost), "{costs:?}");
        assert!((fresh.len() as u64 * 99 / 100..fresh.len() as u64 * 103 / 100).contains(&noise_cost), "{costs:?}");
        assert!(text_cost > 50_000 && text_cost < text.len() as u64 / 4, "{costs:?} of {}", text.len());
    }
}
