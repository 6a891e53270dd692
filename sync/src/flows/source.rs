//! Keeps an image that is no file in one, for work that reads it at random.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use regrow_local::check_time;

use super::extract::room::Needs;
use crate::{Progress, SourceError, SourceImage, Stage, SyncError};

const COPY_BYTES: usize = 1 << 20;

/// Reads all of an image into a file without a name in `folder`, whose disk must have room for it. The file is
/// positioned at its start.
///
/// # Errors
/// [`SyncError::Source`] if the image cannot be read, [`SyncError::Room`] and [`SyncError::Io`] for the folder.
pub fn keep_source(image: &mut SourceImage, folder: &Path, progress: &dyn Progress) -> Result<File, SyncError> {
    let mut needs = Needs::default();
    needs.add(folder, image.size());
    needs.check()?;
    let mut file = tempfile::tempfile_in(folder).map_err(SyncError::io(folder))?;
    progress.begin(Stage::Fetch, Some(image.size()));
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        check_time(progress)?;
        let read = image.read(&mut buffer);
        let read = read.map_err(|error| SourceError::of_reading(error).of_image(image.name().display()))?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read]).map_err(SyncError::io(folder))?;
        progress.add(Stage::Fetch, read as u64);
    }
    progress.end(Stage::Fetch);
    file.rewind().map_err(SyncError::io(folder))?;
    Ok(file)
}
