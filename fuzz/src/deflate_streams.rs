//! `find`, `take_apart` and `rebuild` on arbitrary files, and `rebuild` on plain bytes and corrections that do not
//! belong together. Streams that are taken apart come back, and nothing grows beyond its bounds.

use regrow_deflate::{Checkpoint, GzipReader, Inflater, find, inflate, rebuild, take_apart};

use crate::input::Input;

const MAX_PLAIN: usize = 1 << 16;

/// The first byte says whether the rest is a file, or else corrections (whose length is the next number) and plain
/// bytes.
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

/// Inflates in pieces, and goes on from checkpoints. The result is `None` if the input is not a whole stream.
fn in_pieces(stored: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut inflater, mut plain, mut at) = (Inflater::new(), Vec::new(), 0);
    loop {
        let (given, before, piece) = (plain.len(), at, &stored[at..stored.len().min(at + 97)]);
        let step = inflater.inflate(piece, &mut plain, 1009).ok()?;
        at += step.taken;
        if step.ended {
            return Some((plain, at));
        }
        if plain.len() > MAX_PLAIN || step.taken == 0 && plain.len() == given {
            return None;
        }
        if let Some(checkpoint) = inflater.checkpoint() {
            let checkpoint = Checkpoint::decode(&checkpoint.encode()).expect("what was encoded is decoded");
            at = checkpoint.stored_at() as usize;
            inflater = Inflater::resume(&checkpoint);
            // The rest is not a whole symbol, so it would be read again and again.
            if at <= before && plain.len() == given {
                return None;
            }
        }
    }
}

/// Checks that members of a gzip file hold what they state, and that nothing grows beyond its bounds.
fn on_gzip(file: &[u8]) {
    let (mut reader, mut plain, mut at) = (GzipReader::default(), Vec::new(), 0);
    loop {
        let given = plain.len();
        let Ok(step) = reader.push(&file[at..], &mut plain, 4096) else { break };
        at += step.taken;
        if plain.len() > MAX_PLAIN || step.taken == 0 && plain.len() == given {
            break;
        }
    }
    assert!(reader.members().iter().all(|member| member.stream.end <= file.len() as u64));
}

fn on_file(file: &[u8]) {
    on_gzip(file);
    if let Some((plain, taken)) = in_pieces(file) {
        assert_eq!(inflate(&file[..taken], MAX_PLAIN + 1009).as_deref(), Ok(plain.as_slice()));
    }
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

/// Seeds: a gzip file, and corrections of known and foreign compressors.
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
