//! `compress/flate` up to Go 1.26.
//!
//! | level | what |
//! |---|---|
//! | 0 | stored blocks |
//! | 1 | [`fast`]: one candidate for each hash, blocks of 65535 bytes |
//! | 2 and 3 | [`chains`]: hash chains, the first good match is taken |
//! | 4 to 9 | [`chains`], lazily: a match is taken when the next byte has no longer one |
//! | -2 | codes for literals, blocks of 65535 bytes |
//!
//! Every stream ends with an empty stored block.
//!
//! The sizes of the writes that the original was given make no difference, with an exception at levels 2 to 9: its
//! window moves on as soon as it is looked at with 65274 bytes of it used, which after a write that ends just there is
//! up to 258 bytes before it is full. Matches of more than 32506 bytes' distance may then be missed. What is made here
//! is what writes of whole 512 bytes give.

mod chains;
mod fast;
mod writer;

use super::HUFFMAN_ONLY;
use crate::format::tables::MAX_STORED_BYTES;
use chains::Chains;
use fast::Fast;
use writer::BlockWriter;

/// The way in which plain bytes become blocks.
enum Method {
    Stored(Pieces),
    HuffmanOnly(Pieces),
    Fast(Pieces, Box<Fast>),
    Chains(Box<Chains>),
}

pub(in crate::encoders) struct Before127Encoder {
    method: Method,
    writer: BlockWriter,
}

/// Plain bytes on their way to being blocks of 65535 bytes.
#[derive(Default)]
pub(super) struct Pieces(Vec<u8>);

impl Pieces {
    /// Gives `block` every full piece, and keeps the rest.
    fn write(&mut self, mut plain: &[u8], mut block: impl FnMut(&[u8])) {
        while !plain.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(MAX_STORED_BYTES - self.0.len()));
            self.0.extend_from_slice(now);
            plain = later;
            if self.0.len() == MAX_STORED_BYTES {
                block(&self.0);
                self.0.clear();
            }
        }
    }
}

impl Before127Encoder {
    pub(super) fn new(level: i8) -> Self {
        let method = match level {
            0 => Method::Stored(Pieces::default()),
            HUFFMAN_ONLY => Method::HuffmanOnly(Pieces::default()),
            1 => Method::Fast(Pieces::default(), Box::new(Fast::new())),
            level => Method::Chains(Box::new(Chains::new(level))),
        };
        Self { method, writer: BlockWriter::new() }
    }

    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let writer = &mut self.writer;
        match &mut self.method {
            Method::Stored(pieces) => pieces.write(plain, |piece| writer.write_stored(piece)),
            Method::HuffmanOnly(pieces) => pieces.write(plain, |piece| writer.write_literals(piece)),
            Method::Fast(pieces, fast) => pieces.write(plain, |piece| fast.write(piece, writer)),
            Method::Chains(chains) => chains.write(plain, writer),
        }
        writer.bits.append_to(out);
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        let writer = &mut self.writer;
        match self.method {
            Method::Stored(Pieces(rest)) if !rest.is_empty() => writer.write_stored(&rest),
            Method::HuffmanOnly(Pieces(rest)) if !rest.is_empty() => writer.write_literals(&rest),
            Method::Fast(Pieces(rest), mut fast) if !rest.is_empty() => fast.write_last(&rest, writer),
            Method::Chains(mut chains) => chains.finish(writer),
            _ => {}
        }
        writer.finish();
        writer.bits.append_to(out);
    }
}
