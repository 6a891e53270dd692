//! One deflate stream of any level.

use super::Version;
use super::blocks::BlockWriter;
use super::fast::Fast;
use super::lazy::Lazy;
use super::tokens::Tokens;
use crate::format::tables::MAX_STORED_BYTES;

const LITERAL_BYTES: usize = 1 << 15;
/// Shorter last blocks are not searched for matches.
const MIN_SEARCHED_BYTES: usize = 128;
const MAX_STORED_REST: usize = 32;

#[derive(Debug)]
pub(super) struct Deflater {
    method: Method,
    /// The plain bytes that are not encoded yet.
    waiting: Vec<u8>,
    pub(super) blocks: BlockWriter,
}

#[derive(Debug)]
enum Method {
    Stored,
    Literals,
    Fast(Box<Fast>, Box<Tokens>),
    Lazy(Box<Lazy>),
}

impl Deflater {
    pub(super) fn new(level: i8, version: Version) -> Self {
        let (method, penalty_shift) = match level {
            -2 => (Method::Literals, 10),
            0 => (Method::Stored, 0),
            7..=9 => (Method::Lazy(Box::new(Lazy::new(level, version))), 8),
            _ => (Method::Fast(Box::new(Fast::new(level, version)), Box::new(Tokens::new())), 7),
        };
        Self { method, waiting: Vec::new(), blocks: BlockWriter::new(version, penalty_shift) }
    }

    /// Begins again, with the bytes that came before the first one.
    pub(super) fn reset(&mut self, dictionary: &[u8]) {
        match &mut self.method {
            Method::Stored | Method::Literals => (),
            Method::Fast(fast, tokens) => {
                fast.reset();
                fast.encode(tokens, dictionary);
                tokens.clear();
            }
            Method::Lazy(lazy) => {
                lazy.reset();
                lazy.set_dictionary(dictionary);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn age(&mut self) {
        match &mut self.method {
            Method::Stored | Method::Literals => (),
            Method::Fast(fast, _) => fast.age(),
            Method::Lazy(lazy) => lazy.age(),
        }
    }

    pub(super) fn write(&mut self, mut plain: &[u8]) {
        let block_bytes = match &mut self.method {
            Method::Lazy(lazy) => return lazy.write(plain, &mut self.blocks),
            Method::Literals => LITERAL_BYTES,
            Method::Stored | Method::Fast(..) => MAX_STORED_BYTES,
        };
        while !plain.is_empty() {
            // Only when more follows: the last block is another one.
            if self.waiting.len() == block_bytes {
                self.encode_waiting(false);
            }
            let (now, later) = plain.split_at(plain.len().min(block_bytes - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            plain = later;
        }
    }

    fn encode_waiting(&mut self, all: bool) {
        let waiting = &self.waiting[..];
        match &mut self.method {
            Method::Lazy(lazy) => lazy.encode(&mut self.blocks, all),
            _ if waiting.is_empty() => (),
            Method::Stored => self.blocks.stored(waiting),
            Method::Literals => self.blocks.literals(waiting, all),
            Method::Fast(fast, _) if all && waiting.len() < MIN_SEARCHED_BYTES => {
                if waiting.len() <= MAX_STORED_REST {
                    self.blocks.stored(waiting);
                } else {
                    self.blocks.literals(waiting, true);
                }
                fast.reset();
            }
            Method::Fast(fast, tokens) => {
                fast.encode(tokens, waiting);
                if tokens.list.is_empty() {
                    self.blocks.stored(waiting);
                } else if tokens.list.len() > waiting.len() - waiting.len() / 16 {
                    self.blocks.literals(waiting, all);
                } else {
                    self.blocks.tokens(tokens, Some(waiting), all);
                }
                tokens.clear();
            }
        }
        self.waiting.clear();
    }

    /// Ends the stream so far at a byte's border, with an empty stored block.
    pub(super) fn flush(&mut self) {
        self.encode_waiting(true);
        self.blocks.stored(&[]);
    }

    pub(super) fn finish(&mut self) {
        self.encode_waiting(true);
        self.blocks.finish();
    }
}
