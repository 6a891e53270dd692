//! Which chunks an image consists of.

use regrow_chunker::Record;

/// The chunks of both streams, in order.
pub struct Recipe {
    /// Those of the skeleton.
    pub skeleton: Vec<Record>,
    /// Those of the contents.
    pub contents: Vec<Record>,
}
