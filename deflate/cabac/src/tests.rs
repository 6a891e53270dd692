use super::vp8::{VP8Context, VP8Reader, VP8Writer};
use super::*;

fn written(bits: &[bool]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = VP8Writer::new(&mut bytes).unwrap();
    let mut contexts = [VP8Context::default(); 3];
    bits.iter().enumerate().for_each(|(at, &bit)| writer.put(bit, &mut contexts[at % 3]).unwrap());
    writer.finish().unwrap();
    bytes
}

fn read(bytes: &[u8], count: usize, budget: u32) -> io::Result<Vec<bool>> {
    let bytes = [Budget { bits: budget, ..Budget::ENDLESS }.encode().as_slice(), bytes].concat();
    let mut reader = VP8Reader::new(bytes.as_slice())?;
    let mut contexts = [VP8Context::default(); 3];
    (0..count).map(|at| reader.get(&mut contexts[at % 3])).collect()
}

#[test]
fn bits_come_back() {
    let mut state = 1u32;
    for case in 0..2000u32 {
        let bits: Vec<bool> = (0..case % 701)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 24 < [0, 1, 20, 128, 250, 256][case as usize % 6]
            })
            .collect();
        let bytes = written(&bits);
        assert_ne!(bytes.last(), Some(&0));
        assert_eq!(read(&bytes, bits.len(), bits.len() as u32).unwrap(), bits);
    }
}

#[test]
fn zeros_take_no_bytes() {
    assert_eq!(written(&[false; 100_000]), b"");
    assert_eq!(read(b"", 1000, 1000).unwrap(), [false; 1000]);
}

#[test]
fn the_budget_ends() {
    assert_eq!(read(b"abc", 11, 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(VP8Reader::new([0, 0, 1, 0, 0, 0, 1].as_slice()).is_err());
}

#[test]
fn the_blocks_end() {
    let header = Budget { bits: 1000, blocks: 3, tokens: 0 }.encode();
    let mut reader = VP8Reader::new(header.as_slice()).unwrap();
    let mut contexts: [VP8Context; 14] = Default::default();
    for number in [0, 1, 2, 13, 1, 0, 12] {
        assert!(!reader.get(&mut contexts[number]).unwrap());
    }
    assert_eq!(reader.get(&mut contexts[1]).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn numbers_come_back_up_to_their_bound() {
    let mut bytes = Vec::new();
    let mut writer = VP8Writer::new(&mut bytes).unwrap();
    let mut contexts = [VP8Context::default(); 8];
    for number in 0..=MAX_NUMBER_BITS {
        writer.put_unary_encoded(number, &mut contexts).unwrap();
        writer.put_n_bits(0x00c0_ffee, number, &mut contexts).unwrap();
    }
    assert!(writer.put_unary_encoded(MAX_NUMBER_BITS + 1, &mut contexts).is_err());
    writer.finish().unwrap();
    let bytes = [Budget::ENDLESS.encode().as_slice(), &bytes].concat();
    let mut reader = VP8Reader::new(bytes.as_slice()).unwrap();
    let mut contexts = [VP8Context::default(); 8];
    for number in 0..=MAX_NUMBER_BITS {
        assert_eq!(reader.get_unary_encoded(&mut contexts).unwrap(), number);
        assert_eq!(reader.get_n_bits(number, &mut contexts).unwrap(), 0x00c0_ffee & ((1 << number) - 1));
    }
}

#[test]
fn endless_ones_are_an_error() {
    let mut reader = VP8Reader::new([0xff; 100].as_slice()).unwrap();
    let mut contexts = [VP8Context::default(); 2];
    assert_eq!(reader.get_unary_encoded(&mut contexts).unwrap_err().kind(), io::ErrorKind::InvalidData);
}
