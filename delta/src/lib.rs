//! Delta coding: target bytes as copies of base bytes, with changed bytes and literals between, through a model that mixes what many
//! contexts predict. Knows bytes only; where they come from, and what of the base is like what of the target, is for the caller.
//!
//! A target is split into [`Op`]s: by [`find_ops`] against some part of the base, or by whatever else the caller knows. The
//! [`Encoder`] writes them, [`decode`] makes the target of them again, in little memory, reading the base at random.

mod alignments;
mod base;
mod changed;
mod checksum;
mod coder;
mod coding;
mod decode;
mod encode;
mod error;
mod literal;
mod logistic;
mod matching;
mod mix;
mod model;
mod number;
mod op;
mod pieces;
mod relative;
mod streams;

pub use base::Base;
pub use coding::{Coding, Statistics};
pub use decode::decode;
pub use encode::Encoder;
pub use error::PatchError;
pub use matching::{Builder, Chains, find_ops};
pub use op::{Change, Op};

/// Version of the model: another one decodes to other bytes.
pub const VERSION: u32 = 1;
