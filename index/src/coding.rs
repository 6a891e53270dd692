//! How coded files are made of the plain image. FORMAT.md, section 6.1; docs/format/index-2.md, section 6.

use std::sync::Arc;

use regrow_chunker::varint;

use crate::{DiskCoding, IndexError};

/// The largest size in bytes of all corrections together.
pub(crate) const MAX_CORRECTIONS_BYTES: u64 = 16 << 20;
/// The largest size in bytes of a member's header, and of the bytes behind the last member.
pub const MAX_FRINGE_BYTES: usize = 64 << 10;
/// The largest size in bytes of an encoder's number and parameters.
pub(crate) const MAX_ENCODER_BYTES: usize = 32;
/// The size in bytes of the trailer behind each gzip member's stream: CRC-32 and length.
const TRAILER_BYTES: u64 = 8;
/// The most bytes that deflate makes of one byte (RFC 1951: 258 bytes of two bits).
pub(crate) const MOST_DEFLATE_EXPANSION: u64 = 1032;
/// The most bytes that zstd makes of one byte (RFC 8878: a block of 128 KiB takes four bytes).
const MOST_ZSTD_EXPANSION: u64 = 32 << 10;
/// The encoders from this number on write zstd frames.
const FIRST_ZSTD_ENCODER: u64 = 0x1000;

/// The format of a coded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodedFormat {
    /// A gzip file. Each member has a header, a deflate stream and a trailer.
    Gzip,
    /// A zstd file. Each frame is a stream of its own, and the literals before it are skippable or empty frames.
    Zstd,
}

impl CodedFormat {
    /// The format's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The format of what an encoder writes, which its number tells.
    pub(crate) fn of_encoder(encoder: &[u8]) -> Result<Self, IndexError> {
        let number = varint::take(&mut &*encoder).ok_or(IndexError::Malformed("number of an encoder"))?;
        Ok(if number < FIRST_ZSTD_ENCODER { Self::Gzip } else { Self::Zstd })
    }

    const fn trailer_bytes(self) -> u64 {
        match self {
            Self::Gzip => TRAILER_BYTES,
            Self::Zstd => 0,
        }
    }
}

/// A coded file: a gzip or zstd file whose plain bytes stand for it in the plain image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// The format of the file.
    pub format: CodedFormat,
    /// The file's gzip members or zstd frames, at least one.
    pub members: Vec<MemberCoding>,
    /// The bytes behind the last member. For gzip they are at most [`MAX_FRINGE_BYTES`].
    pub tail: Arc<[u8]>,
}

/// A gzip member, or a zstd frame that has plain bytes. Its stream is the encoder's output for the plain bytes, with the
/// corrections applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberCoding {
    /// The bytes before the stream: a gzip header, or the skippable and empty frames before a zstd frame.
    pub header: Arc<[u8]>,
    /// The encoder's number and parameters, in the form of regrow-deflate or regrow-zstd.
    pub encoder: Arc<[u8]>,
    /// The number of plain bytes.
    pub plain_bytes: u64,
    /// The number of bytes of the stream: of the deflate stream, without header and trailer, or of the whole zstd frame.
    pub stream_bytes: u64,
    /// The corrections of the encoder's output. Usually there are none.
    pub corrections: Vec<u8>,
}

impl MemberCoding {
    /// The member's size in the image in bytes, header and trailer included, in a file of this format.
    #[must_use]
    pub fn stored_bytes(&self, format: CodedFormat) -> u64 {
        self.header.len() as u64 + self.stream_bytes + format.trailer_bytes()
    }

    /// Refuses sizes that the format cannot have, so that a short index cannot make anybody write zeros for ever.
    pub(crate) fn check(&self, format: CodedFormat) -> Result<(), IndexError> {
        let (is_possible, what) = match format {
            CodedFormat::Gzip => {
                (self.plain_bytes / MOST_DEFLATE_EXPANSION <= self.stream_bytes, "sizes of a gzip member")
            }
            CodedFormat::Zstd => {
                let expands = self.plain_bytes / MOST_ZSTD_EXPANSION <= self.stream_bytes;
                (self.plain_bytes > 0 && expands, "sizes of a zstd frame")
            }
        };
        if self.stream_bytes > 0 && is_possible { Ok(()) } else { Err(IndexError::Malformed(what)) }
    }
}

impl Coding {
    /// The file's size in the image in bytes.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.members.iter().map(|member| member.stored_bytes(self.format)).sum::<u64>() + self.tail.len() as u64
    }

    /// The file's size in the plain image in bytes.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.members.iter().map(|member| member.plain_bytes).sum()
    }

    /// Checks that the file has plain bytes, and that its sizes can be added up.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        let sum = |size: fn(&MemberCoding) -> u64| {
            self.members.iter().try_fold(0u64, |sum, member| {
                // Half of the range of a number is left for the rest of the image.
                sum.checked_add(size(member)).filter(|&sum| sum < 1 << 62)
            })
        };
        let plain = sum(|member| member.plain_bytes);
        let stored = sum(|member| member.stream_bytes.saturating_add(member.header.len() as u64 + TRAILER_BYTES));
        match (plain, stored) {
            (Some(1..), Some(_)) => Ok(()),
            _ => Err(IndexError::Malformed("sizes of a coded file")),
        }
    }
}

/// A stretch of the plain image that stands for something compressed, and how that is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodedStretch {
    /// A gzip or zstd file.
    File(Coding),
    /// A disk image with compressed blocks.
    Disk(DiskCoding),
}

impl CodedStretch {
    /// The format's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::File(coding) => coding.format.name(),
            Self::Disk(_) => "disk image",
        }
    }

    /// The size in the image in bytes.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        match self {
            Self::File(coding) => coding.stored_bytes(),
            Self::Disk(coding) => coding.stored_bytes(),
        }
    }

    /// The size in the plain image in bytes.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        match self {
            Self::File(coding) => coding.plain_bytes(),
            Self::Disk(coding) => coding.plain_bytes(),
        }
    }

    /// About how many bytes of the index describe the stretch.
    #[must_use]
    pub fn cost_bytes(&self) -> u64 {
        match self {
            Self::File(coding) => coding.cost_bytes(),
            Self::Disk(coding) => coding.cost_bytes(),
        }
    }

    /// The gzip or zstd file, if it is one.
    #[must_use]
    pub const fn file(&self) -> Option<&Coding> {
        match self {
            Self::File(coding) => Some(coding),
            Self::Disk(_) => None,
        }
    }

    /// The same, to change it.
    #[must_use]
    pub const fn file_mut(&mut self) -> Option<&mut Coding> {
        match self {
            Self::File(coding) => Some(coding),
            Self::Disk(_) => None,
        }
    }

    /// The disk image, if it is one.
    #[must_use]
    pub const fn disk(&self) -> Option<&DiskCoding> {
        match self {
            Self::File(_) => None,
            Self::Disk(coding) => Some(coding),
        }
    }
}

impl From<Coding> for CodedStretch {
    fn from(coding: Coding) -> Self {
        Self::File(coding)
    }
}

impl From<DiskCoding> for CodedStretch {
    fn from(coding: DiskCoding) -> Self {
        Self::Disk(coding)
    }
}

/// The size in bytes of the plain image of an image of this size with these codings.
pub(crate) fn plain_image_bytes(image_bytes: u64, codings: &[CodedStretch]) -> Result<u64, IndexError> {
    let sum = codings.iter().try_fold(image_bytes, |bytes, coding| {
        bytes.checked_sub(coding.stored_bytes())?.checked_add(coding.plain_bytes())
    });
    sum.ok_or(IndexError::Malformed("coded files larger than the image"))
}
