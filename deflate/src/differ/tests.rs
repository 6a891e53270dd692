//! Streams of all encoders at hand, there and back.

mod data;
mod pairs;
mod structure;
