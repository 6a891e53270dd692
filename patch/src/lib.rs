//! Patches between two local images: the bytes of one image, coded against those of another. FORMAT.md, section 10.
//!
//! A machine that has the first image can fetch the patch in place of chunks. Patches are smaller, since they match
//! single bytes and look into compressed files. But a patch serves only one pair of images, and making it takes
//! more time than cutting chunks.
//!
//! Both images are local files, and each is seen as one stretch of bytes. The base space is the base's skeleton
//! stream, its contents stream, and the plain bytes of those of its members (compressed streams within files) that
//! are used. The target space is the target's skeleton stream and its contents stream, in which each member stands
//! as its plain bytes.
//!
//! [`PatchImage`] opens an image. [`write()`] makes the patch from one image to another, [`check()`] applies it and
//! compares the result with the target, [`write_checked()`] does both at once, and [`PatchCosts`] only counts the bytes that the patch would take.
//! [`write_from_nothing()`] makes one that needs no base. [`open()`] reads a patch's header, and [`apply()`] makes the target's streams from a base and a patch. The crate
//! knows no store: `regrow-sync` decides where patches lie, and when one is worth fetching.
//!
//! ```no_run
//! use std::error::Error;
//! use std::fs::File;
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use regrow_chunker::Params;
//! use regrow_image::WalkRules;
//! use regrow_local::{NoProgress, Pool, SeedContext};
//! use regrow_patch::{Between, ChunkCost, Made, PatchImage, PatchLevel, PatchVersion, check, write};
//!
//! let (pool, params, scratch) = (Pool::new(), Params::default(), Path::new("/var/tmp"));
//! let context = SeedContext {
//!     rules: WalkRules::V3,
//!     params,
//!     pool: &pool,
//!     catalog: None,
//!     progress: &NoProgress,
//!     scratch,
//!     unfolds: true,
//!     on_scan: &|| (),
//! };
//! let open = |path: &Path| -> Result<_, Box<dyn Error>> {
//!     Ok(Arc::new(PatchImage::open(File::open(path)?, path, &context, scratch)?))
//! };
//! let (base, target) = (open(Path::new("old.tar"))?, open(Path::new("new.tar"))?);
//! let between = Between {
//!     base: &base,
//!     target: &target,
//!     ids: (base.id(params), target.id(params)),
//!     version: PatchVersion::V2,
//!     codings: &[],
//!     params,
//!     chunk_cost: ChunkCost::default(),
//!     least_saving: 0,
//!     level: PatchLevel::default(),
//!     pool: &pool,
//!     scratch,
//!     progress: &NoProgress,
//! };
//! let mut patch = File::options().read(true).write(true).create_new(true).open("old-to-new.patch")?;
//! if let Made::Patch(written) = write(&between, &mut patch)? {
//!     check(&between, &mut patch)?;
//!     println!("the patch has {} bytes", written.header.patch_bytes);
//! }
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! A patch is made in steps, and each module is one of them. `identity`, `names`, `pairing` and `similar` choose
//! the files to match. `unit`, `stretches`, `expand`, `literals` and `ops` match them, and `oplog` keeps the result. `plan`
//! runs these steps in order, `write` and `body` code the plan, and `check` tests the patch. `apply` and `rebuild` apply it.
//! Both sides share `header`, `members` and `space`.

mod apply;
mod base;
mod beside;
mod body;
mod check;
mod costs;
mod divided;
mod expand;
mod files;
mod growing;
mod header;
mod held;
mod identity;
mod image;
mod joined;
mod joining;
mod level;
mod lists;
mod literals;
mod loosen;
mod making;
mod members;
mod names;
mod nothing;
mod oplog;
mod ops;
mod origin;
mod pairing;
mod part_ranges;
mod plan;
mod ranges;
mod rebuild;
mod residue;
mod sample;
mod scattered;
mod side;
mod similar;
mod space;
mod spent;
mod streams;
mod stretch;
mod stretches;
mod target;
mod unit;
mod waiting;
mod write;
mod xz;

#[cfg(test)]
mod tests;

pub use apply::{ApplyError, apply, codings, open};
pub use base::{BasePart, ClosedPart, LocalPart, OpenPart, PatchBase, without_repeated};
pub use check::check;
pub use costs::PatchCosts;
pub use header::{ChunkCost, HEADER_BYTES, HeaderError, PatchHeader, PatchVersion};
pub use image::PatchImage;
pub use level::PatchLevel;
pub use members::ListsError;
pub use nothing::{FromNothing, NOTHING, check_from_nothing, write_from_nothing};
pub use target::{LeftOut, PatchTarget, TargetPart, TargetSink, TargetSizes};
pub use write::{Between, Made, Written, write, write_checked};
