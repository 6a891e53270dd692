//! Delta coding: a target becomes copies of base bytes, with changed bytes and literals between them.
//!
//! An update moves most code and changes addresses in it. So a target is described as [`Op`]s: literal bytes, then
//! a copy from the base in which single bytes are changed. [`find_ops`] finds them against some part of the base; a
//! caller that knows more may add its own. The [`DeltaEncoder`] writes ops in one of two [`Coding`]s: a model that mixes
//! the predictions of many contexts, or streams compressed by LZMA. [`decode`] makes the target again in little
//! memory, reading the base at random. A target that is made from nothing has a coding of its own: [`SortedEncoder`]
//! sorts its bytes by kind, and [`decode_sorted`] makes it again on several cores.
//!
//! The crate knows bytes only. Where they come from, and which part of the base resembles which part of the target,
//! is for the caller to decide. docs/format/patch-body.md describes the coded body.
//!
//! ```
//! use regrow_delta::{Chains, Coding, DeltaEncoder, DeltaError, decode, find_ops};
//!
//! let old: Vec<u8> = (0..20_000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
//! let mut new = old.clone();
//! new[5_000] ^= 1;
//! new.splice(9_000..9_000, *b"some new bytes");
//!
//! let base = old.as_slice();
//! let mut encoder = DeltaEncoder::new(base, new.len() as u64, Coding::Mixed, 6, Vec::new())?;
//! for op in find_ops(&Chains::new(base, 64), &new) {
//!     encoder.push(&op)?;
//! }
//! let body = encoder.finish()?;
//! assert!(body.len() < 200);
//!
//! let mut made = Vec::new();
//! decode(base, body.as_slice(), new.len() as u64, |piece| {
//!     made.extend_from_slice(piece);
//!     Ok(())
//! })?;
//! assert_eq!(made, new);
//! # Ok::<(), DeltaError>(())
//! ```

mod alignments;
mod base;
mod changed;
mod checksum;
mod coder;
mod coding;
mod decode;
mod encode;
mod error;
mod fetch;
mod lanes;
mod literal;
mod logistic;
mod matching;
mod meter;
mod mix;
mod model;
mod number;
mod op;
mod pieces;
mod relative;
mod sorted;
mod streams;

pub use base::Base;
pub use coding::{Coding, Statistics};
pub use decode::{decode, decode_into};
pub use encode::DeltaEncoder;
pub use error::DeltaError;
pub use matching::{Builder, Chains, Tables, apart, common_prefix, find_ops};
pub use op::{Change, Op};
pub use pieces::Receiver;
pub use sorted::{LaneKind, SortedEncoder, decode_sorted};

/// The version of the model. Another version decodes to other bytes.
pub const VERSION: u32 = 1;
