//! `find`, `take_apart` and `rebuild` on arbitrary files, and `rebuild` on plain bytes and corrections that do not belong
//! together: what is taken apart comes back, nothing grows over its bounds.

use regrow_deflate::{find, inflate, rebuild, take_apart};

use crate::input::Input;

const MAX_PLAIN: usize = 1 << 16;

/// First byte: whether the rest is a file, or else corrections (their length is the next number) and plain bytes.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    if input.byte() & 1 == 0 {
        return on_file(input.0);
    }
    let len = input.number().into();
    let corrections = input.take(len);
    if let Ok(stored) = rebuild(input.0, corrections, MAX_PLAIN) {
        assert!(stored.len() <= MAX_PLAIN);
    }
}

fn on_file(file: &[u8]) {
    let mut end = 0;
    for found in find(file, MAX_PLAIN) {
        assert!(end <= found.stored.start && found.stored.end <= file.len());
        end = found.stored.end;
        let stored = &file[found.stored];
        let plain = inflate(stored, MAX_PLAIN).expect("what was found inflates");
        assert_eq!(plain.len() as u64, found.plain_bytes);
        if !found.trailer.of(&plain).is_empty() {
            assert!(file[end..].starts_with(&found.trailer.of(&plain)));
        }
        if let Some(apart) = take_apart(stored, MAX_PLAIN) {
            assert_eq!(apart.plain, plain);
            assert_eq!(rebuild(&plain, &apart.corrections, stored.len()).as_deref(), Ok(stored));
        }
    }
}

/// A gzip file, and corrections of known and foreign compressors.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let gzip = b"\0\x1f\x8b\x08\0\0\0\0\0\x02\x03\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0".to_vec();
    let plain = b"the block of the stream of the block of the window of the stream";
    let listed = [[1, 3, 0, 0x40, 3, 40].as_slice(), plain].concat();
    let foreign_head =
        [0x3f, 33, 0, 0, 4, 0x0d, 0, 4, 0x20, 2, 0x4b, 0, 0xff, 7, 1, 2, 0x31, 0x0c, 0, 4, 0x13, 4, 3, 1];
    let foreign = [[1, 60, 0].as_slice(), &foreign_head, &[0xff, 0x7f, 4, 5, 0, 0x30], plain].concat();
    vec![gzip, listed, foreign, [[1, 1, 0, 0].as_slice(), plain].concat()]
}
