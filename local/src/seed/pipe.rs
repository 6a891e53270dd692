//! A pipe as a seed. Its bytes are copied to a file without a name.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};

use super::SeedContext;
use crate::LocalError;
use crate::progress::check_time;

/// The number of bytes that are read at a time.
const READ_BYTES: usize = 256 << 10;
/// The time within which a writer must open the other end. Without a limit, the run could wait forever.
const WRITER_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Reads a pipe to its end.
pub(super) fn spooled(path: &Path, context: &SeedContext<'_>) -> Result<File, LocalError> {
    let full = || LocalError::io(context.scratch);
    let mut buffer = vec![0; READ_BYTES];
    let (mut pipe, mut len) = open(path, &mut buffer).map_err(LocalError::io(path))?;
    let mut file = tempfile::tempfile_in(context.scratch).map_err(full())?;
    loop {
        file.write_all(&buffer[..len]).map_err(full())?;
        check_time(context.progress)?;
        len = match pipe.read(&mut buffer) {
            Ok(0) if len > 0 || file.stream_position().map_err(full())? > 0 => break,
            Ok(0) => return Err(LocalError::io(path)(nothing_came())),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) => return Err(LocalError::io(path)(error)),
        };
    }
    file.rewind().map_err(full())?;
    Ok(file)
}

/// Opens a pipe, waits for a writer, and reads the bytes that are already there. Without a writer, a pipe is at its
/// end at once.
fn open(path: &Path, buffer: &mut [u8]) -> io::Result<(File, usize)> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut pipe = File::options().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let start = Instant::now();
    let read = loop {
        match pipe.read(buffer) {
            Ok(0) if start.elapsed() < WRITER_WITHIN => sleep(LOOK_EVERY),
            Ok(0) => return Err(nothing_came()),
            Ok(read) => break read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    // The writer has opened its end, so reads may now wait for it.
    fcntl_setfl(&pipe, OFlags::empty())?;
    Ok((pipe, read))
}

fn nothing_came() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "nothing was written to this pipe")
}
