//! Rewriting an image archive before it is made.

use std::fs::File;
use std::path::Path;

use regrow_local::{LocalError, Normalized};

use super::IndexFormat;
use crate::Progress;

/// Rewrites the image archive in `file` to another file in `scratch`, with plain layers in the place of those that an
/// index of this format cannot describe; `None` stands for version 2. The result is `None` if no layer has to change.
/// `name` is for errors.
///
/// # Errors
/// [`LocalError::NoArchive`] or [`LocalError::Usage`] if the file is no image archive, [`LocalError::Changed`] if
/// somebody writes to it meanwhile, and [`LocalError::Io`].
pub fn normalize(
    file: &mut File,
    name: &Path,
    scratch: &Path,
    format: Option<IndexFormat>,
    progress: &dyn Progress,
) -> Result<Option<Normalized>, LocalError> {
    regrow_local::normalize(file, name, scratch, format.unwrap_or(IndexFormat::V2).rules(), progress)
}
