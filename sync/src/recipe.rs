//! Which chunks an image consists of.

use regrow_chunker::Record;

/// The chunks of both streams, in order.
pub(crate) struct Recipe {
    /// Those of the skeleton.
    pub(crate) skeleton: Vec<Record>,
    /// Those of the contents.
    pub(crate) contents: Vec<Record>,
}
