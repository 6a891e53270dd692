//! `Decompressor::decompress` on hostile frames. It returns exactly the stated number of plain bytes, or nothing.

use regrow_chunker::{ChunkId, Record};
use regrow_store::{Compressor, Decompressor, MAX_FRAME_BYTES, PlainFrame};

use crate::input::Input;

/// The first four bytes state the frame's number of plain bytes. The rest is the frame.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let stated = (u64::from(input.number()) << 16 | u64::from(input.number())) % (MAX_FRAME_BYTES + 2);
    let plain = Decompressor::new().expect("a context").decompress(input.0, stated);
    assert!(plain.is_none_or(|plain| plain.len() as u64 == stated), "another number of bytes");
}

/// Seeds: frames of text, of zeros, and of bytes that do not compress.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let noise = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    [b"the block of the stream of the block ".repeat(60), vec![0; 1 << 20], noise].map(seed).into()
}

fn seed(chunk: Vec<u8>) -> Vec<u8> {
    let mut frame = PlainFrame::default();
    frame.push(Record { id: ChunkId::of(&chunk), len: chunk.len() as u32 }, &chunk);
    let stored = frame.compress(&mut Compressor::new(9).expect("a context")).expect("a frame");
    let stated = chunk.len() as u32;
    let head = [(stated >> 16) as u16, stated as u16].map(u16::to_le_bytes).concat();
    [head, stored.bytes].concat()
}
