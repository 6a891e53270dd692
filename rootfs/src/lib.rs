//! The root file system that the layers of an image make together, and the layer that makes one root file system from
//! another.
//!
//! A [`Tree`] is what an engine would unpack, without the contents: each file has the hash of its contents and the
//! place in the layers where they are. [`Difference`] compares two trees, and [`write_layer`] writes the layer that an
//! engine must unpack over the old one to get the new one. The layer's form is that of the OCI's image-spec (layer.md),
//! kept to what docker, podman, containerd and umoci all understand:
//!
//! - All names of a file with hard links are written if anything about it differs, and its contents with the first of
//!   them, since engines cannot link to a file of a layer below.
//! - Whatever is gone is hidden by a whiteout, a whole folder by a single one. There is never a whiteout for a name
//!   that gets another entry, nor for one that no layer has, and never an opaque folder.
//! - Each folder around a change is described again, with its time, because engines make up metadata for those that are
//!   not.
//!
//! ```
//! use std::io::Write;
//!
//! use regrow_rootfs::{ContentsSource, Difference, DifferenceOptions, Place, Tree, write_layer};
//!
//! /// The plain bytes of all layers, by their numbers.
//! struct Layers(Vec<Vec<u8>>);
//!
//! impl ContentsSource for Layers {
//!     fn copy(&mut self, place: Place, bytes: u64, out: &mut dyn Write) -> std::io::Result<()> {
//!         let start = place.at as usize;
//!         out.write_all(&self.0[place.layer as usize][start..start + bytes as usize])
//!     }
//! }
//!
//! # fn main() -> Result<(), regrow_rootfs::RootfsError> {
//! let mut layers = Layers(vec![vec![0; 1024], vec![0; 1024]]); // two empty layers
//! let (mut old, mut new) = (Tree::new(), Tree::new());
//! old.apply(layers.0[0].as_slice(), 0)?;
//! new.apply(layers.0[1].as_slice(), 1)?;
//! let mut layer = Vec::new();
//! let summary = {
//!     let difference = Difference::new(&old, &new, DifferenceOptions::default());
//!     write_layer(&difference, &mut layers, &mut layer)?
//! };
//! assert!(summary.is_empty());
//! old.apply(layer.as_slice(), 2)?;
//! assert!(Difference::new(&old, &new, DifferenceOptions::default()).is_empty());
//! # Ok(())
//! # }
//! ```

mod apply;
mod budget;
mod difference;
mod error;
mod layer;
mod links;
mod meta;
mod path;
mod tar;
mod tree;

#[cfg(test)]
mod tests;

pub use difference::{Change, Difference, DifferenceOptions, Why};
pub use error::RootfsError;
pub use layer::{ContentsSource, LayerSummary, write_layer};
pub use meta::{Contents, ContentsHash, DataRun, DeviceNumber, Metadata, Place, Special, Time, Xattrs};
pub use path::FsPath;
pub use tree::Tree;
