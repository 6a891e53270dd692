//! The reasons why a block is not decoded or made.

use crate::BlockCodec;

/// The reason why a compressed block is not decoded or made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The block is damaged.
    #[error("a compressed block is damaged")]
    Damaged,
    /// The block holds more plain bytes than it may.
    #[error("a compressed block holds more than {0} bytes")]
    TooLong(usize),
    /// Something follows the compressed bytes in the block.
    #[error("a compressed block has bytes behind its end")]
    Trailing,
    /// Blocks in this format do not tell where they end.
    #[error("blocks in {0} do not tell their end")]
    Endless(BlockCodec),
    /// The corrections do not belong to these plain bytes and this encoder.
    #[error("the corrections of a compressed block do not fit its plain bytes")]
    Corrections,
    /// The encoder's library failed.
    #[error("{0} made no block of these bytes")]
    NotMade(&'static str),
}

impl From<regrow_deflate::DeflateError> for BlockError {
    fn from(error: regrow_deflate::DeflateError) -> Self {
        match error {
            regrow_deflate::DeflateError::TooLong(most) => Self::TooLong(most),
            regrow_deflate::DeflateError::Trailing(_) => Self::Trailing,
            _ => Self::Damaged,
        }
    }
}
