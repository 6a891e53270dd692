//! Corrections that no maker writes.

use super::*;

/// Pseudo-random numbers.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below.max(1)
    }
}

#[test]
fn changed_corrections_are_refused_or_make_another_frame() {
    let plain = mixed(150_000);
    let stored = frame(klauspost(1, 23), &plain);
    let known = libzstd(3, 1, 0);
    let packed = corrections(known, &plain, &stored, usize::MAX).unwrap();
    let plain_form = unpacked(&packed);
    let (mut noise, mut refused) = (Noise(1), 0);
    for form in [&packed, &plain_form] {
        for _ in 0..200 {
            let mut changed = form.clone();
            for _ in 0..1 + noise.next(4) {
                let at = noise.next(changed.len());
                changed[at] = noise.next(256) as u8;
            }
            changed.truncate(changed.len() - noise.next(2) * noise.next(50));
            match rebuilt(known, &plain, &changed, 150_000) {
                Ok(made) => assert!(made.len() < 2 * plain.len()),
                Err(error) => {
                    assert_eq!(error, ZstdError::Corrections);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 300, "{refused}");
    for few in [&[][..], &[1], &[1, 0], &[2, 0, 0], &[1, 2, 0], &[1, 1, 0], &[1, 0, 255, 255, 255, 255]] {
        assert!(rebuilt(known, &plain, few, 1000).is_err());
    }
}

/// Corrections whose numbers are not packed.
fn unpacked(packed: &[u8]) -> Vec<u8> {
    let frame = [&crate::format::MAGIC, &packed[2..]].concat();
    [&[VERSION, 0], zstd::stream::decode_all(frame.as_slice()).unwrap().as_slice()].concat()
}

#[test]
fn corrections_that_unpack_to_much_are_refused() {
    let many = zstd::bulk::compress(&vec![0; 40 << 20], 3).unwrap();
    let corrections = [&[VERSION, 1], &many[4..]].concat();
    assert_eq!(Rebuilder::new(libzstd(3, 1, 0), 1000, &corrections).err(), Some(ZstdError::Corrections));
}

#[test]
fn encoders_that_fail_are_refused() {
    let plain = mixed(10_000);
    let known = libzstd(3, 1, 0);
    let stored = frame(known, &plain);
    let found = corrections(known, &plain, &stored, 1000).unwrap();
    // Another version of libzstd makes nothing.
    let other = encoder(&[0x1800, 10504, 3, 1, 0, 0]);
    assert!(rebuilt(other, &plain, &found, 1000).is_err());
    assert!(rebuilt(known, &plain[1..], &found, 1000) != Ok(stored));
}
