//! Streams taken apart into plain bytes and corrections by preflate-rs, and put together again.

mod actions;
pub(crate) mod apart;
mod blocks;
mod contained;
mod known;
mod packed;
mod parameters;
