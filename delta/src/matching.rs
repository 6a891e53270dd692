//! The search for parts of a target that the base has too.

mod ahead;
mod chains;
mod scan;

pub use chains::{Chains, Tables, apart, common as common_prefix};
pub use scan::{Builder, find_ops};
