//! Streams of all encoders at hand, there and back.

mod data;
mod golden;
mod hostile;
mod pairs;
mod structure;
