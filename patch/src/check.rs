//! Applies a patch before it is published, since a patch that cannot be applied is useless.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use regrow_chunker::Params;
use regrow_image::{Layout, StreamKind};
use regrow_local::{FileSeed, LocalError, Spool};

use crate::apply::{ApplyError, apply, apply_read, open};
use crate::base::PatchBase;
use crate::header::{CHECKSUM_BYTES, HEADER_BYTES, PatchHeader};
use crate::target::{PatchTarget, TargetPart, TargetSink, TargetSizes};
use crate::write::{Between, base_of};

/// The number of bytes of a patch that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// Compares the streams from a patch with those of the target.
struct Compare<'a> {
    target: &'a FileSeed,
    at: u64,
    buffer: Vec<u8>,
}

/// Applies the patch in `file`, and compares the result with the target.
///
/// # Errors
/// [`LocalError::Io`] if the result is not the target. Then regrow has a fault, or an image has changed meanwhile.
pub fn check(between: &Between<'_>, file: &mut File) -> Result<(), LocalError> {
    check_from(between, &base_of(between), file)
}

/// Does the same from this base.
pub(crate) fn check_from(between: &Between<'_>, base: &PatchBase<'_>, file: &mut File) -> Result<(), LocalError> {
    check_target((between.target.seed(), between.params), base, between.scratch, file)
}

/// Applies the patch in `file` from this base, and compares the result with an image that was cut with these parameters.
pub(crate) fn check_target(
    target: (&FileSeed, Params),
    base: &PatchBase<'_>,
    scratch: &Path,
    file: &mut File,
) -> Result<(), LocalError> {
    let header = open(file).map_err(|error| failed(error.to_string()))?;
    compared(target, |target, compare| apply(file, &header, base, target, scratch, compare))
}

/// What was read of a patch while it was applied.
pub(crate) struct WasRead {
    hash: blake3::Hash,
    bytes: u64,
}

/// Does the same as [`check()`] with a patch of this header while it is written. `input` gives what comes behind the header.
/// Once the patch is whole, [`confirm`] must tell whether it is what was read here.
pub(crate) fn check_growing(
    between: &Between<'_>,
    header: &PatchHeader,
    input: impl Read + Send,
) -> Result<WasRead, LocalError> {
    let mut input = Hashed { input, hasher: blake3::Hasher::new() };
    let base = base_of(between);
    compared((between.target.seed(), between.params), |target, compare| {
        let buffered = BufReader::with_capacity(READ_BYTES, &mut input);
        apply_read(buffered, header, (&base, target), between.scratch, compare)
    })?;
    Ok(WasRead { hash: input.hasher.finalize(), bytes: input.hasher.count() })
}

/// Checks that the patch in `file` has this header, a right checksum, and else what was read and applied before.
pub(crate) fn confirm(file: &mut File, header: &PatchHeader, was_read: &WasRead) -> Result<(), LocalError> {
    let found = open(file).map_err(|error| failed(error.to_string()))?;
    let mut hasher = blake3::Hasher::new();
    file.seek(SeekFrom::Start(HEADER_BYTES as u64)).map_err(LocalError::io("the patch that was made"))?;
    let rest = file.take(header.patch_bytes - (HEADER_BYTES + CHECKSUM_BYTES) as u64);
    hasher.update_reader(rest).map_err(LocalError::io("the patch that was made"))?;
    let is_same = found == *header && hasher.count() == was_read.bytes && hasher.finalize() == was_read.hash;
    if is_same { Ok(()) } else { Err(failed("it is not what was checked".to_owned())) }
}

/// Compares with the target what `apply` makes.
fn compared(
    (target, params): (&FileSeed, Params),
    apply: impl FnOnce(&PatchTarget<'_>, &mut Compare<'_>) -> Result<(), ApplyError>,
) -> Result<(), LocalError> {
    let layout = &target.scan().layout;
    let sizes = TargetSizes {
        image: layout.image_bytes(),
        skeleton: layout.skeleton_bytes(),
        contents: layout.contents_bytes(),
    };
    let mut compare = Compare { target, at: 0, buffer: Vec::new() };
    let parts = TargetPart::all_of(target, params);
    let target = PatchTarget { sizes, parts: &parts, leaves_out_held: false };
    apply(&target, &mut compare).map_err(|error| failed(error.to_string()))?;
    if compare.at == sizes.contents { Ok(()) } else { Err(failed("it gives too few bytes".to_owned())) }
}

fn failed(reason: String) -> LocalError {
    LocalError::io("the patch that was made")(io::Error::other(reason))
}

/// Hashes what is read.
struct Hashed<R> {
    input: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.hasher.update(&out[..read]);
        Ok(read)
    }
}

impl Compare<'_> {
    fn same(&mut self, stream: StreamKind, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.buffer.resize(bytes.len(), 0);
        self.target.read_stream(stream, at, &mut self.buffer)?;
        if self.buffer == bytes { Ok(()) } else { Err(io::Error::other("it does not give the new image")) }
    }
}

impl TargetSink for Compare<'_> {
    fn skeleton(&mut self, spool: Spool, _layout: Layout) -> io::Result<()> {
        let mut at = 0;
        let compared = spool.for_each(|bytes| {
            self.same(StreamKind::Skeleton, at, bytes).map_err(LocalError::io("skeleton"))?;
            at += bytes.len() as u64;
            Ok::<_, LocalError>(())
        });
        compared.map_err(|error| io::Error::other(error.to_string()))
    }

    fn contents(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.same(StreamKind::Contents, self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}
