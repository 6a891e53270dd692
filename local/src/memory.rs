//! What this machine remembers of the images that it made: for each of their layers a description, from which the layer's
//! bytes follow once its files are there again. So an unpacked image is a whole base for the next patch.
//!
//! A folder of this user alone has a file for each part, and a small one for each image (docs/format/state.md). Nothing
//! of it is needed. What a part made from it is, its unit id tells, and chunks are verified as always.

mod entries;
mod file;
mod hidden;
mod open;
mod prune;
mod remember;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;

use regrow_paths::{Access, Place, PrivateProblem, open_private};

use crate::StorageFault;
use crate::engine::{LayerName, parse_hex, to_hex};
use crate::seed::layer::SplitLayer;

pub use entries::SkeletonReader;
pub use prune::{Forgotten, Keep, MAX_BYTES, RememberedImage};
pub use remember::{MadeImage, PlainReader};

const PART: &str = "part-";
const IMAGE: &str = "image-";
const ENDING: &str = ".rgs";
/// The name of a file until it is complete.
const NEW: &str = "new.rgs";

/// The folder of what this machine remembers.
#[derive(Debug)]
pub struct Memory {
    place: Place,
}

/// Which of its descriptions a part has. There are several where upper layers hide different files of it.
pub(crate) type Variant = [u8; 8];

/// The description of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartFile {
    pub(crate) name: LayerName,
    pub(crate) variant: Variant,
}

impl PartFile {
    fn file_name(&self) -> OsString {
        format!("{PART}{}-{}{ENDING}", to_hex(&self.name), to_hex(&self.variant)).into()
    }

    fn parse(name: &OsStr) -> Option<Self> {
        let (name, variant) = name.to_str()?.strip_prefix(PART)?.strip_suffix(ENDING)?.split_once('-')?;
        Some(Self { name: parse_hex(name)?, variant: parse_hex(variant)? })
    }
}

impl Memory {
    /// Opens the folder, if there is one.
    ///
    /// # Errors
    /// Others could have written to it, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Option<Self>, PrivateProblem> {
        Ok(open_private(folder, false)?.map(|place| Self { place }))
    }

    /// Opens the folder, and makes it if there is none.
    ///
    /// # Errors
    /// Others could have written to it, or it cannot be made.
    pub fn make(folder: &Path) -> Result<Option<Self>, PrivateProblem> {
        Ok(open_private(folder, true)?.map(|place| Self { place }))
    }

    /// The path of the folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// The parts that have a description.
    pub(crate) fn parts(&self) -> Vec<PartFile> {
        let names = self.place.entries().unwrap_or_default();
        let mut parts: Vec<PartFile> = names.iter().filter_map(|name| PartFile::parse(name)).collect();
        parts.sort_unstable();
        parts
    }

    /// A file of the folder, if it is this user's own.
    fn own_file(&self, name: &OsStr) -> io::Result<File> {
        self.place.find_file(name, Access::Read)?.own().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Opens the description of a part.
    pub(crate) fn open_part(&self, part: &PartFile) -> io::Result<File> {
        self.own_file(&part.file_name())
    }

    /// Reads the description of a part, which is this file, into a layer.
    pub(crate) fn read_part(part: &PartFile, file: File, layer: &mut SplitLayer) -> Result<(), StorageFault> {
        file::read_part(file, &part.name, layer)
    }
}
