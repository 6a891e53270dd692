//! The reasons for which an image is not trusted.

use regrow_sign::SignError;

use crate::Timestamp;

/// A reason for which an image is refused before anything of it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The image is not the one that is wanted by its digest.
    #[error("this is another image than the one that is wanted: its BLAKE3 digest is {stated}")]
    Digest {
        /// The digest that the index states.
        stated: String,
    },
    /// An index of version 1 cannot have signatures.
    #[error(
        "images without signatures are not taken here, and an index of version 1 cannot have any; its publisher must make it in version 2 and sign it"
    )]
    Version1,
    /// There is no signature, or there are not enough good ones by trusted keys.
    #[error("images that are not signed by a trusted key are not taken here: {0}")]
    Signature(#[from] SignError),
    /// The image belongs to another channel than the one that is wanted.
    #[error("the image belongs to {}, and {} is wanted", channel(stated), channel(wanted))]
    Channel {
        /// The channel that the statement names, or nothing.
        stated: String,
        /// The channel that is wanted.
        wanted: String,
    },
    /// The image belongs to another channel than the last one from the same place.
    #[error("the image belongs to {}, and images from there belonged to {} until now", channel(stated), channel(last))]
    OtherChannel {
        /// The channel that the statement names, or nothing.
        stated: String,
        /// The channel of the last image.
        last: String,
    },
    /// The statement is no longer valid.
    #[error("the signed statement expired on {at}, so newer images may be withheld; its publisher must sign it again")]
    Expired {
        /// The time of expiry.
        at: Timestamp,
    },
    /// An image with a higher counter was seen already.
    #[error(
        "the image is older than one that this machine has seen: its counter in {} is {counter}, and {seen} was there",
        channel(stated)
    )]
    Older {
        /// The channel that the statement names, or nothing.
        stated: String,
        /// The statement's counter.
        counter: u64,
        /// The highest counter that was seen.
        seen: u64,
    },
    /// There is nothing to check by.
    #[error("there is no key and no digest to check it by")]
    NothingToCheckBy,
}

/// A channel in words.
fn channel(name: &str) -> String {
    if name.is_empty() { "no channel".to_owned() } else { format!("channel {name}") }
}
