//! Streams of all encoders at hand, there and back.

mod data;
mod structure;
