//! `regrow_delta::decode` of hostile bodies against a fixed base. It gives an error or a target of the right
//! length, and never more than that.

use regrow_delta::{Chains, Coding, DeltaEncoder, decode, find_ops};

use crate::input::Input;

/// The first two bytes are the target's length. The rest is a body.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let target_bytes = u64::from(input.number());
    let (base, mut made) = (base(), 0);
    let result = decode(&base[..], input.0, target_bytes, |piece| {
        made += piece.len() as u64;
        assert!(made <= target_bytes, "more than the target");
        Ok(())
    });
    assert!(result.is_err() || made == target_bytes, "a target of another length");
}

/// A base of some code, some text, and some noise.
fn base() -> Vec<u8> {
    let mut state = 7u32;
    let mut noise = || {
        // The constants are those of Numerical Recipes' generator.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let text = b"\xe8\x10\x20\x00\x00\x48\x8b\x05 every word of it ".iter().copied().cycle();
    text.take(3000).chain((0..3000).map(|_| noise())).collect()
}

/// Seeds: bodies of both codings, of targets with changes, moves and new bytes.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let base = base();
    let mut target = base.clone();
    target.iter_mut().step_by(97).for_each(|byte| *byte = byte.wrapping_add(1));
    target.splice(1000..1200, b"something else, and else, and else".iter().copied());
    target.rotate_left(2500);
    [(Coding::Mixed, &target[..]), (Coding::Streams, &target[..]), (Coding::Mixed, &[]), (Coding::Streams, &base[..])]
        .map(|(coding, target)| {
            let body = Vec::from((target.len() as u16).to_le_bytes());
            let mut encoder = DeltaEncoder::new(&base[..], target.len() as u64, coding, 6, body).expect("an encoder");
            for op in find_ops(&Chains::new(&base, 16), target) {
                encoder.push(&op).expect("a right op");
            }
            encoder.finish().expect("a whole target")
        })
        .into()
}
