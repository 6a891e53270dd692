//! The differences between a deflate stream and a predicted one of the same plain bytes, and the way back.
//!
//! If the encoder that wrote a stream is only nearly known, [`Differ`] compares the stream with what the known one
//! makes of the plain bytes: blocks with blocks, tokens with tokens. What differs are *corrections*, from which and
//! from the prediction [`Patcher`] makes exactly the stream. Both take streams in pieces and bounded memory.
//!
//! [`crate::format::structure`] says what a stream consists of, [`crate::format::parser`] takes it apart,
//! [`crate::format::writer`] is the way back. [`differ`] is the one side, [`patcher`] the other; what both know of the
//! predicted stream is [`predicted`], and [`marks`], [`headers`] and [`channels`] are how corrections are written.

mod actual;
mod channels;
mod code_builder;
mod differ;
mod headers;
mod history;
mod listing;
mod marks;
mod patcher;
mod plain;
mod predicted;
#[cfg(test)]
mod tests;

pub use differ::Differ;
pub use patcher::Patcher;
