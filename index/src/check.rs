//! Checks of an index that go beyond single fields: sums, and the bounds of FORMAT.md, section 11.

use regrow_chunker::{Params, ReaderLimits, bounds};

use crate::{Index, IndexError, Run};

impl Index {
    /// Checks that all numbers fit together, in an image of this many plain bytes.
    pub(crate) fn check(&self, plain_bytes: u64) -> Result<(), IndexError> {
        let segments = self.skeleton.segments.len() + self.contents.segments.len();
        if runs_total(&self.chunk_runs) != Some(self.chunks())
            || runs_total(&self.segment_runs) != Some(segments as u64)
        {
            return Err(IndexError::Malformed("runs do not add up"));
        }
        check_streams(plain_bytes, self.skeleton.bytes, self.contents.bytes)?;
        check_coded_files(plain_bytes, self.codings.len())?;
        for stream in [&self.skeleton, &self.contents] {
            if stream.chunks > bounds::max_chunks(&self.params, stream.bytes, plain_bytes) {
                return Err(IndexError::Malformed("more chunks than an image of its size has"));
            }
        }
        Ok(())
    }

    /// Refuses an index that is well-formed, but that its reader does not want.
    ///
    /// # Errors
    /// [`IndexError::SmallChunks`] and [`IndexError::LargeImage`].
    pub fn check_limits(&self, limits: &ReaderLimits) -> Result<(), IndexError> {
        check_limits(self.image_bytes.max(self.plain_bytes()), &self.params, limits)
    }
}

/// Checks that streams of these sizes can make this many plain bytes. Bytes that are not contents stand in the
/// skeleton.
pub(crate) fn check_streams(plain_bytes: u64, skeleton_bytes: u64, contents_bytes: u64) -> Result<(), IndexError> {
    let literal = plain_bytes.checked_sub(contents_bytes);
    if literal.is_none_or(|literal| literal > skeleton_bytes) {
        return Err(IndexError::Malformed("the image's size and its streams' do not agree"));
    }
    if skeleton_bytes > bounds::max_skeleton_bytes(plain_bytes, contents_bytes) {
        return Err(IndexError::Malformed("streams longer than the image"));
    }
    Ok(())
}

pub(crate) fn check_coded_files(plain_bytes: u64, files: usize) -> Result<(), IndexError> {
    if files as u64 > bounds::max_coded_files(plain_bytes) {
        return Err(IndexError::Malformed("more coded files than the image has room for"));
    }
    Ok(())
}

/// Refuses an image whose larger size, of the image or of the plain image, or whose chunks a reader does not want.
pub(crate) fn check_limits(bytes: u64, params: &Params, limits: &ReaderLimits) -> Result<(), IndexError> {
    if bytes > limits.max_image_bytes {
        return Err(IndexError::LargeImage { bytes, limit: limits.max_image_bytes });
    }
    if limits.allows(params) {
        return Ok(());
    }
    let (min, avg, needed) = (params.min_bytes(), params.avg_bytes(), ReaderLimits::needed_for(params));
    Err(IndexError::SmallChunks { min, avg, limit: limits.min_avg_bytes, needed })
}

/// The total count of these runs, or `None` if it overflows.
fn runs_total(runs: &[Run]) -> Option<u64> {
    runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.count))
}
