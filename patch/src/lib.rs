//! Patches: one image's bytes coded against another's. FORMAT.md, section 10.
//!
//! Both images are local files, seen as one stretch of bytes each. The base space is the base's skeleton stream, its contents
//! stream, and the plain bytes of its members (compressed streams within files) that are looked into. The target space is the
//! target's skeleton stream and its contents stream, in which each member stands as its plain bytes.
//!
//! [`PatchImage`] opens an image. [`write()`] makes the patch from one image to another, [`check()`] applies it and compares the
//! result with the target, and [`PatchCosts`] only counts what the patch would take. [`open()`] reads a patch's header, and
//! [`apply()`] makes the target's streams from a base and a patch. No store is known here: where patches lie, and when one is
//! worth fetching, `regrow-sync` decides.
//!
//! The modules, in the order in which a patch is made: `image` -> `identity`, `names`, `pairing`, `similar` (which files to match)
//! -> `unit`, `stretches`, `expand`, `ops` (matching), `oplog` -> `plan` (all that, in order) -> `write` -> `check`. Both sides use
//! `header`, `members` and `space`; applying has `apply` and `rebuild`.

mod apply;
mod check;
mod costs;
mod expand;
mod header;
mod identity;
mod image;
mod level;
mod members;
mod names;
mod oplog;
mod ops;
mod pairing;
mod plan;
mod rebuild;
mod similar;
mod space;
mod stretches;
mod unit;
mod write;

#[cfg(test)]
mod tests;

pub use apply::{ApplyError, TargetSink, TargetSizes, apply, open};
pub use check::check;
pub use costs::PatchCosts;
pub use header::{ChunkCost, HEADER_BYTES, HeaderError, PatchHeader};
pub use image::PatchImage;
pub use level::PatchLevel;
pub use members::ListsError;
pub use write::{Between, Costs, Written, write};
