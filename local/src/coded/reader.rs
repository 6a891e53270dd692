//! Reads compressed files front to back, of whatever format they are.

use regrow_deflate::{GzipPoint, GzipReader};
use regrow_index::CodedFormat;

use super::zstd_reader::{Damaged, ZstdReader};

/// Takes a compressed file in pieces of any size, and gives its plain bytes.
pub(crate) enum CodedReader {
    Gzip(Box<GzipReader>),
    Zstd(Box<ZstdReader>),
}

/// The result of taking a piece.
pub(crate) struct CodedStep {
    /// The number of stored bytes that were taken.
    pub(crate) taken: usize,
    /// Whether the last of them ended a gzip member or a zstd frame.
    pub(crate) ended: bool,
}

impl CodedReader {
    /// A reader for a file of this format, from its beginning.
    pub(crate) fn new(format: CodedFormat) -> Self {
        match format {
            CodedFormat::Gzip => Self::Gzip(Box::new(GzipReader::without_members())),
            CodedFormat::Zstd => Self::Zstd(Box::new(ZstdReader::without_frames())),
        }
    }

    /// A reader that goes on at a point. Those of zstd files are beginnings of frames.
    pub(crate) fn resume(format: CodedFormat, point: &GzipPoint) -> Self {
        match format {
            CodedFormat::Gzip => Self::Gzip(Box::new(GzipReader::resume(point))),
            CodedFormat::Zstd => Self::new(format),
        }
    }

    /// The format of the file.
    pub(crate) fn format(&self) -> CodedFormat {
        match self {
            Self::Gzip(_) => CodedFormat::Gzip,
            Self::Zstd(_) => CodedFormat::Zstd,
        }
    }

    /// Takes in bytes until there are `wanted` more plain bytes, which go to `plain`, or a member or frame ends.
    pub(crate) fn push(&mut self, stored: &[u8], plain: &mut Vec<u8>, wanted: usize) -> Result<CodedStep, Damaged> {
        match self {
            Self::Gzip(reader) => {
                let step = reader.push(stored, plain, wanted).map_err(|_| Damaged)?;
                Ok(CodedStep { taken: step.taken, ended: step.ended_member })
            }
            Self::Zstd(reader) => {
                let step = reader.push(stored, plain, wanted)?;
                Ok(CodedStep { taken: step.taken, ended: step.ended_frame })
            }
        }
    }

    /// The point from which another reader can go on, if there is one here.
    pub(crate) fn point(&self) -> Option<GzipPoint> {
        match self {
            Self::Gzip(reader) => reader.point(),
            Self::Zstd(reader) => reader.between_at().map(|stored_at| GzipPoint { stored_at, within: None }),
        }
    }
}
