//! A pair of images to try things out on: the same shop application, before and after a small release.
//!
//! Both are `docker save` archives (docker-archive: `manifest.json`, a config, uncompressed layers), of
//! about 60 MB each, that `docker load` and skopeo understand. Every byte comes from seeded generators, so
//! the pair is the same everywhere; it needs no network.
//!
//! - The base layer has programs and libraries of 0.1 to 3 MB, and hundreds of small configuration and locale files.
//!   The release rebuilds two libraries with small fixes: bytes behind a fix move, so thousands of addresses change.
//! - The packages layer has libraries with their scripts. The release replaces two packages by their next version.
//! - The app layer has about 2,500 small scripts in modules, and four large bundles. In the release all times are new,
//!   8 % of the scripts are edited, some are added, some removed, and two bundles change under a new name.
//!
//! Text consists of words that follow one another as in a language. Programs consist of machine code whose calls
//! are linked. So both compress about as well as the real thing. The pair does not model file attributes, hard
//! links, hidden (whiteout) files, and data that is compressed already, such as pictures.

mod app;
mod archive;
mod base;
mod layer;
mod packages;
mod program;
mod random;
mod text;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use words::Vocabulary;

/// One of the two images of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    Old,
    New,
}

/// The state that all generators of one image share.
struct Maker {
    vocabulary: Vocabulary,
    code: program::Idioms,
    release: Release,
    scale_percent: u32,
}

impl Maker {
    fn new(release: Release, scale_percent: u32) -> Self {
        Self { vocabulary: Vocabulary::new(), code: program::Idioms::new(), release, scale_percent }
    }

    /// A size or a number of the full pair at this scale. It is never 0.
    fn scaled(&self, full: u32) -> u32 {
        let scaled = u64::from(full) * u64::from(self.scale_percent) / 100;
        u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
    }

    fn is_new(&self) -> bool {
        self.release == Release::New
    }
}

/// Writes `old.tar` and `new.tar` to a folder, which must exist, and returns their paths. Files of these names are
/// overwritten.
///
/// # Errors
/// The files cannot be written.
pub fn write_pair(folder: &Path) -> io::Result<(PathBuf, PathBuf)> {
    write_pair_scaled(folder, 100)
}

/// Writes a pair whose files are fewer and smaller (below 100%), or more and larger.
///
/// # Errors
/// The files cannot be written.
pub fn write_pair_scaled(folder: &Path, scale_percent: u32) -> io::Result<(PathBuf, PathBuf)> {
    let (old, new) = (folder.join("old.tar"), folder.join("new.tar"));
    thread::scope(|scope| {
        let writing_old =
            thread::Builder::new().spawn_scoped(scope, || write_image(&old, Release::Old, scale_percent))?;
        write_image(&new, Release::New, scale_percent)?;
        writing_old.join().unwrap_or_else(|_| Err(io::Error::other("the writer of old.tar panicked")))
    })?;
    Ok((old, new))
}

fn write_image(path: &Path, release: Release, scale_percent: u32) -> io::Result<()> {
    let maker = Maker::new(release, scale_percent);
    let mut archive = archive::Archive::create(path)?;
    archive.add_layer("ADD rootfs.tar /", &base::layer(&maker)?)?;
    archive.add_layer("RUN install-packages", &packages::layer(&maker)?)?;
    archive.add_layer("COPY . /srv/app", &app::layer(&maker)?)?;
    let (tag, created) = match release {
        Release::Old => ("shop:4.17.20", "2025-05-06T09:00:00Z"),
        Release::New => ("shop:4.17.21", "2025-05-20T09:00:00Z"),
    };
    archive.finish(tag, created)
}

#[cfg(test)]
mod tests;
