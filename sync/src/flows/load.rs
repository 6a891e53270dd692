//! Gives an image to the container engine of this machine.

#[cfg_attr(not(test), expect(dead_code, reason = "the flow that uses it comes next"))]
pub(crate) mod archive;
