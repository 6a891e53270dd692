//! The reasons for which an image cannot be read from the place that a source names.

use std::io;

use crate::SyncError;

/// A reason for which an image cannot be read from its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The text does not name an image.
    #[error("is no name of an image; write it like {example}")]
    Name {
        /// An example of such a name.
        example: &'static str,
    },
    /// There is no such image.
    #[error("there is no such image{}", others(.there))]
    NotFound {
        /// The images that are there, if they are known.
        there: Vec<String>,
    },
    /// The place has several images, and the source does not say which.
    #[error("there are several images; name one of them: {}", .there.join(", "))]
    Several {
        /// The images that are there.
        there: Vec<String>,
    },
    /// The image is not there for the wanted platform.
    #[error("there is no image for {wanted}{}", others(.there))]
    Platform {
        /// The platform.
        wanted: String,
        /// The platforms that are there.
        there: Vec<String>,
    },
    /// This is an image that regrow has published.
    #[error("this is what regrow published of an image; extract gives the image itself, and push copies this")]
    Published,
    /// A file or a connection could not be read.
    #[error("{object}: {source}")]
    Io {
        /// The file, or the blob.
        object: String,
        /// The cause.
        source: io::Error,
    },
    /// A blob is not the one that its digest names.
    #[error("{blob}: the bytes have another SHA-256")]
    Digest {
        /// The digest.
        blob: String,
    },
    /// A blob has another size than its descriptor says.
    #[error("{blob}: has not the {wanted} bytes that its descriptor says")]
    Size {
        /// The digest.
        blob: String,
        /// The size that the descriptor says.
        wanted: u64,
    },
    /// A digest is no SHA-256, or malformed.
    #[error("{digest:?}: only digests of the form sha256:HEX are supported")]
    Algorithm {
        /// The digest.
        digest: String,
    },
    /// A document has a kind that is not known.
    #[error("{document}: {kind:?} is neither a manifest nor an index of the kinds that regrow reads")]
    Kind {
        /// The document's digest.
        document: String,
        /// The media type that it has.
        kind: String,
    },
    /// A document says something that none of its kind says.
    #[error("{document}: is damaged: {reason}")]
    Malformed {
        /// The document.
        document: String,
        /// The fault.
        reason: String,
    },
    /// A document is larger, or names more, than is accepted.
    #[error("{document}: has more than {most} {what}, which no image needs")]
    TooMuch {
        /// The document.
        document: String,
        /// The limit.
        most: u64,
        /// The things that there are too many of.
        what: &'static str,
    },
    /// A layer may not be distributed.
    #[error("{layer}: is a layer that may not be distributed ({kind}), so the image cannot be published")]
    Foreign {
        /// The layer's digest.
        layer: String,
        /// Its media type.
        kind: String,
    },
    /// The storage of an engine cannot be used.
    #[error(transparent)]
    Local(#[from] regrow_local::LocalError),
    /// The flow itself failed, such as for want of room.
    #[error("{0}")]
    Flow(Box<SyncError>),
    /// A registry refused, or cannot be reached.
    #[error(transparent)]
    Store(#[from] regrow_store::StoreError),
    /// An engine refused, or cannot be reached.
    #[error(transparent)]
    Engine(#[from] regrow_engine::EngineError),
    /// A blob is not there, although a document names it.
    #[error("{blob}: is not there, although the image names it")]
    Absent {
        /// The digest, or the name.
        blob: String,
    },
}

/// What there is instead, if anything is known.
fn others(there: &[String]) -> String {
    if there.is_empty() { String::new() } else { format!("; there are: {}", there.join(", ")) }
}

impl SourceError {
    /// The error of a place of images that a flow's own error is.
    pub(crate) fn of_flow(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => Self::Store(error),
            error => Self::Flow(Box::new(error)),
        }
    }

    /// The reason for which reading an image stopped.
    pub(crate) fn of_reading(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::io("the image"))
    }

    /// The error of a flow that reads this image.
    pub(crate) fn of_image(self, image: impl ToString) -> SyncError {
        match self {
            // These name what they are about themselves.
            Self::Store(error) => SyncError::Store(error),
            Self::Local(error) => SyncError::from(error),
            Self::Flow(error) => *error,
            reason => SyncError::Source { image: image.to_string(), reason: Box::new(reason) },
        }
    }

    /// A [`SourceError::Io`] for an object, for use in `map_err`.
    pub(crate) fn io(object: impl ToString) -> impl FnOnce(io::Error) -> Self {
        let object = object.to_string();
        move |source| Self::Io { object, source }
    }
}
