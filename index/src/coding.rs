//! How coded files are made of the plain image. FORMAT.md, section 6.1; docs/format/index-2.md, section 6.

use std::sync::Arc;

use crate::IndexError;

/// The largest size in bytes of all corrections together.
pub(crate) const MAX_CORRECTIONS_BYTES: u64 = 16 << 20;
/// The largest size in bytes of a member's header, and of the bytes behind the last member.
pub const MAX_FRINGE_BYTES: usize = 64 << 10;
/// The largest size in bytes of an encoder's number and parameters.
pub(crate) const MAX_ENCODER_BYTES: usize = 32;
/// The size in bytes of the trailer behind each member's stream: CRC-32 and length.
const TRAILER_BYTES: u64 = 8;
/// The most bytes that deflate makes of one byte (RFC 1951: 258 bytes of two bits).
const MOST_EXPANSION: u64 = 1032;

/// A coded file: a gzip file whose plain bytes stand for it in the plain image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// The file's gzip members, at least one.
    pub members: Vec<MemberCoding>,
    /// The bytes behind the last member.
    pub tail: Arc<[u8]>,
}

/// A gzip member. Its stream is the encoder's output for the plain bytes, with the corrections applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberCoding {
    /// The header's bytes.
    pub header: Arc<[u8]>,
    /// The encoder's number and parameters, in the form of regrow-deflate.
    pub encoder: Arc<[u8]>,
    /// The number of plain bytes.
    pub plain_bytes: u64,
    /// The number of bytes of the deflate stream, without header and trailer.
    pub stream_bytes: u64,
    /// The corrections of the encoder's output. Usually there are none.
    pub corrections: Vec<u8>,
}

impl MemberCoding {
    /// The member's size in the image in bytes, header and trailer included.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.header.len() as u64 + self.stream_bytes + TRAILER_BYTES
    }

    /// Refuses sizes that deflate cannot have, so that a short index cannot make anybody write zeros for ever.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        if self.stream_bytes > 0 && self.plain_bytes / MOST_EXPANSION <= self.stream_bytes {
            Ok(())
        } else {
            Err(IndexError::Malformed("sizes of a gzip member"))
        }
    }
}

impl Coding {
    /// The file's size in the image in bytes.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.members.iter().map(MemberCoding::stored_bytes).sum::<u64>() + self.tail.len() as u64
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

/// The size in bytes of the plain image of an image of this size with these codings.
pub(crate) fn plain_image_bytes(image_bytes: u64, codings: &[Coding]) -> Result<u64, IndexError> {
    let sum = codings.iter().try_fold(image_bytes, |bytes, coding| {
        bytes.checked_sub(coding.stored_bytes())?.checked_add(coding.plain_bytes())
    });
    sum.ok_or(IndexError::Malformed("coded files larger than the image"))
}
