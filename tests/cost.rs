//! The cost of a run follows from the image that was asked for, whatever the index and the packs say. If something
//! were believed, each test would take gigabytes of memory or disk, or minutes. `ulimit` bounds the costs, never a
//! clock.

mod forge;
mod refused;
mod spent;
