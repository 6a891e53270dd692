//! What a deflate stream has that a predicted one of the same plain bytes has not, and back.
//!
//! Where the encoder that wrote a stream is only nearly known, [`Differ`] compares the stream with what the known one
//! makes of the plain bytes: blocks with blocks, tokens with tokens. What differs are *corrections*, from which and from the
//! prediction [`Patcher`] makes exactly the stream. Both take streams in pieces and bounded memory.
//!
//! [`structure`] says what a stream consists of, [`parser`] takes it apart, [`writer`] is the way back.

mod header_reader;
mod parser;
mod structure;
#[cfg(test)]
mod tests;
mod writer;
