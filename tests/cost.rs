//! What a run costs follows from the image that was asked for, whatever the index and the packs say. Each test would take gigabytes
//! of memory or of the temporary folder, or minutes, if something were believed. Costs are bounded by `ulimit`, never by a clock.

mod forge;
mod refused;
mod spent;
