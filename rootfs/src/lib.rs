//! The root file system that the layers of an image make together, and the layer that makes one root file system from
//! another.
