//! The place of a side in its image.

use regrow_image::StreamKind;

/// The place in an image of a side that is one stretch of it: where its streams begin, and the number of its first file. All
/// are 0 for a whole image.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Origin {
    pub(crate) skeleton: u64,
    pub(crate) contents: u64,
    pub(crate) file: u32,
}

impl Origin {
    pub(crate) fn of(&self, stream: StreamKind) -> u64 {
        match stream {
            StreamKind::Skeleton => self.skeleton,
            StreamKind::Contents => self.contents,
        }
    }
}
