//! The catalog as its users see it: kept, shared, bounded, and never wrong, whatever happened to its file.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod damage;
mod environment;
mod keeping;
mod owners;
mod sharing;
