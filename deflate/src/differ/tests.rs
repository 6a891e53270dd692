//! Streams of all encoders at hand, there and back.

mod data;
mod hostile;
mod pairs;
mod structure;
