//! Patches: one image's bytes coded against another's. FORMAT.md, section 10.
//!
//! Both images are seen as one stretch of bytes each. The base space is the base's skeleton stream, its contents stream, and
//! the plain bytes of its members (compressed streams within files) that are looked into. The target space is the target's
//! skeleton stream and its contents stream, in which each member stands as its plain bytes.
//!
//! Both sides: `header`, `members`, `space`. Making: `image` -> `identity`, `names`, `pairing`, `similar` (whom to match) -> `unit`, `stretches`, `expand`,
//! `ops` (matching), `oplog` -> `plan` (all that, in order) -> `write` -> `check` -> `publish`; `local` gets the images, `costs` only looks what a patch
//! would take. Using: `apply`, `rebuild`; `extract/patched.rs` has the rest. `whole` fetches one to be copied or checked.

pub(crate) mod apply;
mod check;
pub(crate) mod costs;
mod expand;
pub(crate) mod header;
mod identity;
mod image;
mod level;
pub(crate) mod local;
mod members;
mod names;
mod oplog;
mod ops;
mod pairing;
mod plan;
pub(crate) mod publish;
mod rebuild;
mod similar;
mod space;
mod stretches;
mod unit;
pub(crate) mod whole;
pub(crate) mod write;

#[cfg(test)]
mod tests;

pub use level::PatchLevel;
