//! Remembers the layers of an image that was made, so that its unpacked files are a base for the next patch.

use std::path::Path;

use regrow_local::{MadeImage, Memory, PlainReader};

use super::Run;
use crate::Progress;
use crate::plan::target::Target;

/// Opens what this machine remembers, if it remembers anything. A problem is a warning, since nothing depends on it.
pub(super) fn open(folder: Option<&Path>, progress: &dyn Progress) -> Option<Memory> {
    Memory::open(folder?).unwrap_or_else(|problem| {
        progress.warn(&format!("{problem}; layers are not looked for by what was remembered"));
        None
    })
}

impl Run<'_> {
    /// Remembers the image. `read` gives bytes of the plain image. A problem is a warning, unless this user just may not
    /// write there.
    pub(super) fn remember(&self, target: &Target, read: PlainReader<'_>) {
        let (Some(folder), Some(statement)) = (&self.options.memory, self.index.statement()) else { return };
        let parts = target.parted(self.index).parts;
        let skeleton = &|at, out: &mut [u8]| target.read_skeleton(at, out);
        let image = MadeImage { statement, parts: &parts, skeleton, read };
        match Memory::make(folder) {
            Ok(Some(memory)) => {
                if let Err(error) = memory.remember(&image) {
                    self.progress.warn(&format!("{}: {error}; the image is not remembered", folder.display()));
                }
            }
            Ok(None) => {}
            Err(problem) => self.progress.warn(&format!("{problem}; the image is not remembered")),
        }
    }
}
