//! `compress/flate` from Go 1.27 on.
//!
//! | level | what |
//! |---|---|
//! | 0 | stored blocks |
//! | 1 and 2 | [`single`]: one candidate for each hash of five bytes |
//! | 3 | [`pairs`]: two candidates |
//! | 4 | [`short_long`]: a candidate each for hashes of four and seven bytes |
//! | 5 and 6 | [`short_pair`]: of seven bytes, two |
//! | 7 to 9 | [`lazy`]: hash chains; a match is taken when the next byte has no longer one |
//! | -2 | codes for literals, blocks of 32 KiB |
//!
//! Levels 1 to 6 make blocks of 65535 bytes. Codes are taken over from the block before where that is estimated to be
//! smaller. Every stream ends with an empty fixed block.

mod estimate;
mod fast;
mod history;
mod lazy;
mod pairs;
mod short_long;
mod short_pair;
mod single;
mod writer;

use super::HUFFMAN_ONLY;
use crate::format::tables::MAX_STORED_BYTES;
pub(super) use estimate::Rounding;
use fast::Fast;
use lazy::Lazy;
use writer::BlockWriter;

const LITERALS_MAX_BYTES: usize = 32 << 10;

/// The way in which plain bytes become blocks.
enum Method {
    Stored(Pieces<MAX_STORED_BYTES>),
    HuffmanOnly(Pieces<LITERALS_MAX_BYTES>),
    Fast(Pieces<MAX_STORED_BYTES>, Box<Fast>),
    Lazy(Box<Lazy>),
}

pub(in crate::encoders) struct From127Encoder {
    method: Method,
    writer: BlockWriter,
}

/// Plain bytes on their way to being blocks of `N` bytes. A full block waits for what follows it: the last is marked.
#[derive(Default)]
struct Pieces<const N: usize>(Vec<u8>);

impl<const N: usize> Pieces<N> {
    fn write(&mut self, mut plain: &[u8], mut block: impl FnMut(&[u8])) {
        while !plain.is_empty() {
            if self.0.len() == N {
                block(&self.0);
                self.0.clear();
            }
            let (now, later) = plain.split_at(plain.len().min(N - self.0.len()));
            self.0.extend_from_slice(now);
            plain = later;
        }
    }
}

/// The shift that makes the penalty of a block with new codes from its estimated size.
fn penalty_shift(level: i8) -> u32 {
    match level {
        HUFFMAN_ONLY => 10,
        7..=9 => 8,
        _ => 7,
    }
}

impl From127Encoder {
    pub(super) fn new(level: i8, rounding: Rounding) -> Self {
        let method = match level {
            0 => Method::Stored(Pieces::default()),
            HUFFMAN_ONLY => Method::HuffmanOnly(Pieces::default()),
            7..=9 => Method::Lazy(Box::new(Lazy::new(level))),
            level => Method::Fast(Pieces::default(), Box::new(Fast::new(level))),
        };
        Self { method, writer: BlockWriter::new(penalty_shift(level), rounding) }
    }

    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let writer = &mut self.writer;
        match &mut self.method {
            Method::Stored(pieces) => pieces.write(plain, |piece| writer.write_stored(piece)),
            Method::HuffmanOnly(pieces) => pieces.write(plain, |piece| writer.write_literals(piece, false)),
            Method::Fast(pieces, fast) => pieces.write(plain, |piece| fast.write(piece, false, writer)),
            Method::Lazy(lazy) => lazy.write(plain, writer),
        }
        writer.bits.append_to(out);
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        let writer = &mut self.writer;
        match self.method {
            Method::Stored(Pieces(rest)) if !rest.is_empty() => writer.write_stored(&rest),
            Method::HuffmanOnly(Pieces(rest)) if !rest.is_empty() => writer.write_literals(&rest, true),
            Method::Fast(Pieces(rest), mut fast) if !rest.is_empty() => fast.write_last(&rest, writer),
            Method::Lazy(mut lazy) => lazy.finish(writer),
            _ => {}
        }
        writer.finish();
        writer.bits.append_to(out);
    }
}
