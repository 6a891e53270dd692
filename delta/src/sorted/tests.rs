use std::fs::File;
use std::io;

use super::*;
use crate::error::DeltaError;

fn temporary() -> io::Result<File> {
    tempfile::tempfile()
}

/// A text, machine code, data and bytes without a pattern, in turn.
fn target() -> Vec<(LaneKind, Vec<u8>)> {
    let mut state = 7u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..40)
        .map(|number: u32| {
            let text = format!("the file {number} has some words, and some numbers: {}\n", number * number);
            match number % 4 {
                0 => (LaneKind::Text, text.repeat(200).into_bytes()),
                1 => {
                    // Calls of one place, each from another.
                    let call = |at: i32| [&[0xe8][..], &(0x0010_0000 - at * 5).to_le_bytes()].concat();
                    (LaneKind::Code(4), (0..18_000).flat_map(call).collect())
                }
                2 => (LaneKind::Skeleton, vec![number as u8; 512]),
                _ => (LaneKind::Packed, (0..5_000).map(|_| random()).collect()),
            }
        })
        .collect()
}

fn encode(pieces: &[(LaneKind, Vec<u8>)]) -> Vec<u8> {
    let mut encoder = SortedEncoder::new(&temporary);
    for (kind, bytes) in pieces {
        let (one, two) = bytes.split_at(bytes.len() / 3);
        encoder.push(*kind, one).unwrap();
        encoder.push(*kind, two).unwrap();
    }
    let mut out = Vec::new();
    encoder.finish(6, &mut out).unwrap();
    out
}

fn decode(body: &[u8], target_bytes: u64) -> Result<Vec<u8>, DeltaError> {
    let mut out = Vec::new();
    decode_sorted(body, 0..body.len() as u64, target_bytes, |bytes| {
        out.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(out)
}

#[test]
fn a_target_comes_back_smaller() {
    let pieces = target();
    let whole: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let body = encode(&pieces);
    assert!(decode(&body, whole.len() as u64).unwrap() == whole);
    assert!(body.len() < 80_000, "{}", body.len());
    assert_eq!(encode(&[]), [SORTED]);
    assert_eq!(decode(&[SORTED], 0).unwrap(), []);
}

#[test]
fn damaged_bodies_are_refused() {
    let pieces: Vec<_> = target().into_iter().take(4).map(|(kind, bytes)| (kind, bytes[..500].to_vec())).collect();
    let (body, bytes) = (encode(&pieces), 2_000);
    for other in [0, 1, bytes - 1, bytes + 1, u64::MAX] {
        assert!(decode(&body, other).is_err(), "{other}");
    }
    for end in 0..body.len() {
        assert!(decode(&body[..end], bytes).is_err(), "{end}");
    }
    let whole = decode(&body, bytes).unwrap();
    for at in 0..body.len() {
        for change in [1, 0x80, 0xff] {
            let mut body = body.clone();
            body[at] ^= change;
            // LZMA2 has no checksum of its own: the bytes may be others, but never more or fewer.
            assert!(decode(&body, bytes).map_or(true, |made| made.len() == whole.len()), "{at}");
        }
    }
}

#[test]
fn kinds_are_told_by_beginnings() {
    let elf = |class: u8, order: u8, machine: [u8; 2]| {
        [&[0x7f, b'E', b'L', b'F', class, order][..], &[0; 12], &machine].concat()
    };
    assert_eq!(LaneKind::of(&elf(2, 1, [62, 0])), LaneKind::Code(4));
    assert_eq!(LaneKind::of(&elf(2, 1, [183, 0])), LaneKind::Code(10));
    assert_eq!(LaneKind::of(&elf(1, 2, [0, 20])), LaneKind::Code(5));
    assert_eq!(LaneKind::of(&elf(2, 1, [99, 99])), LaneKind::Data);
    assert_eq!(LaneKind::of("Zeilen mit Umlauten: äöü\n".as_bytes()), LaneKind::Text);
    assert_eq!(LaneKind::of(&[0, 1, 2, 3, 4, 5]), LaneKind::Data);
    assert_eq!(LaneKind::of(&(0..4096u32).map(|n| (n * 167 + n / 256) as u8).collect::<Vec<_>>()), LaneKind::Packed);
    assert_eq!(LaneKind::of(b""), LaneKind::Text);
}

#[test]
fn dictionaries_stay_within_what_readers_allow() {
    let pieces: Vec<_> =
        (4..12).map(|filter| (LaneKind::Code(filter), vec![filter; 5])).chain([(LaneKind::Data, vec![0; 5])]).collect();
    let body = encode(&pieces);
    assert_eq!(decode(&body, 45).unwrap().len(), 45);
    let large = |log| LaneEntry { form: LaneForm::new(0, 0, u64::MAX, log), plain_bytes: 1, packed_bytes: 1 };
    let table = |lanes: Vec<LaneEntry>| {
        let (mut out, count) = (Vec::new(), lanes.len() as u64);
        Table { lanes, spans_plain: 2, spans_packed: 1 }.put(&mut out);
        Table::decode(&out, count, count + 1)
    };
    assert!(table(vec![large(25); 4]).is_ok());
    assert!(table(vec![large(25); 5]).is_err());
    assert!(table(vec![large(26)]).is_err());
}
