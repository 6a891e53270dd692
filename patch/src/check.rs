//! Applies a patch before it is published, since a patch that cannot be applied is useless.

use std::fs::File;
use std::io;
use std::path::Path;

use regrow_chunker::Params;
use regrow_image::{Layout, StreamKind};
use regrow_local::{FileSeed, LocalError, Spool};

use crate::apply::{apply, open};
use crate::base::PatchBase;
use crate::target::{PatchTarget, TargetPart, TargetSink, TargetSizes};
use crate::write::{Between, base_of};

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
    (target, params): (&FileSeed, Params),
    base: &PatchBase<'_>,
    scratch: &Path,
    file: &mut File,
) -> Result<(), LocalError> {
    let failed = |reason: String| LocalError::io("the patch that was made")(io::Error::other(reason));
    let layout = &target.scan().layout;
    let sizes = TargetSizes {
        image: layout.image_bytes(),
        skeleton: layout.skeleton_bytes(),
        contents: layout.contents_bytes(),
    };
    let header = open(file).map_err(|error| failed(error.to_string()))?;
    let mut compare = Compare { target, at: 0, buffer: Vec::new() };
    let parts = TargetPart::all_of(target, params);
    let target = PatchTarget { sizes, parts: &parts, leaves_out_held: false };
    apply(file, &header, base, &target, scratch, &mut compare).map_err(|error| failed(error.to_string()))?;
    if compare.at == sizes.contents { Ok(()) } else { Err(failed("it gives too few bytes".to_owned())) }
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
