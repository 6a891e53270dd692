//! Opening files that should be regular ones, in folders that others may write into.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file for reading. Anything else is an error, and never waited for: a pipe without a writer would block whoever
/// opens it, for ever.
pub fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    // A look first, because opening some devices has effects of its own; and one after, because what is there may have changed.
    check_regular(&path.metadata()?)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    check_regular(&metadata)?;
    Ok((file, metadata))
}

fn check_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(io::Error::new(ErrorKind::InvalidInput, "is not a regular file")) }
}
