//! The chunks that an image consists of.

use regrow_chunker::Record;

/// The chunks of both streams, in order.
pub struct Recipe {
    /// The chunks of the skeleton.
    pub skeleton: Vec<Record>,
    /// The chunks of the contents.
    pub contents: Vec<Record>,
}
