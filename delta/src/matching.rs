//! Finding what a target has of a base.

mod chains;
mod scan;

pub use chains::Chains;
pub use scan::{Builder, find_ops};
