//! Makers of test images, for `regrow demo`, the benchmarks and the tests.
//!
//! Every byte comes from seeded generators, so an image is the same in each run and on each machine. Tests compare
//! figures that follow from these bytes. A change to a maker changes them.
//!
//! - [`shop`] writes a pair of `docker save` archives of about 60 MB each: an application before and after a release.
//!   `regrow demo` shows it, and the benchmarks measure it where no images are given.
//! - [`versions`] makes a pair of about 2 MB each from [`Tree`]s of noise, which nothing compresses. [`kinds`] makes
//!   small images of every kind.
//! - [`patchable`] makes a pair that suits patches: edited texts, moved files, moved code, compressed pages.
//!
//! ```
//! use regrow_demo::{Tree, docker_save};
//!
//! let layer = Tree::sample("app", 20);
//! let old = docker_save(&[layer.clone()], 1_700_000_000);
//! let new = docker_save(&[layer.changed(5)], 1_700_500_000);
//! assert!(old != new && old == docker_save(&[layer], 1_700_000_000));
//! ```

mod archive;
mod gzip;
mod kinds;
mod noise;
pub mod patchable;
pub mod shop;

mod tree;
mod ustar;

pub use archive::{docker_save, oci};
pub use gzip::{GNU_GZIP, GO, PGZIP, gzip};
pub use kinds::{kinds, version_layers, versions};
pub use noise::{noise, pick};
pub use tree::Tree;
pub use ustar::{add_file, end};
