//! What can go wrong between regrow and a store.

use std::path::PathBuf;

/// An error of a store, by cause. `object` names the object as the store names it (`packs/ab/….pack`), with
/// the store's location before it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The object is not there (404, or 403, which hosts answer for absent objects of private listings).
    #[error("{object}: {}", not_found(*.status))]
    NotFound {
        /// The object.
        object: String,
        /// The HTTP status that said so, if any.
        status: Option<u16>,
    },
    /// The server refused: 401, or 403 where the object must exist.
    #[error("{object}: access denied (HTTP {status}); give credentials with --header")]
    Denied {
        /// The object.
        object: String,
        /// The HTTP status.
        status: u16,
    },
    /// A redirect led to another origin, which wants credentials that were given for the first one.
    #[error(
        "{object}: {} by {to} (HTTP {status}), where a redirect leads; --header went to the first host only; \
         name this one too: --header \"{to}=Name: value\"", denied(*.status)
    )]
    Withheld {
        /// The object.
        object: String,
        /// The origin that refused.
        to: String,
        /// The HTTP status.
        status: u16,
    },
    /// The host answers with a page for people.
    #[error("{object}: the host answers with a web page, as some do for what is not there; check the URL")]
    WebPage {
        /// The object.
        object: String,
    },
    /// The server said that the signature of the URL or the credentials are not, or no longer, good.
    #[error("{object}: access refused (HTTP {status}: {reason}); renew the signed URL or the credentials")]
    Refused {
        /// The object.
        object: String,
        /// The HTTP status.
        status: u16,
        /// The server's code, or what it comes to.
        reason: String,
    },
    /// Any other HTTP status that is no success.
    #[error("{object}: the server answered HTTP {status}")]
    Status {
        /// The object.
        object: String,
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` asked for.
        retry_after: Option<std::time::Duration>,
    },
    /// A bucket's host refuses for a reason that asking again does not mend.
    #[error("{object}: {reason}")]
    Bucket {
        /// The object, or the bucket.
        object: String,
        /// What kind of reason.
        problem: BucketProblem,
        /// One line: the reason, and what to do.
        reason: String,
    },
    /// A bucket's host answers a status that is no success, with a code of its own; none of the kinds above.
    #[error("{object}: the server answered HTTP {status} {code}{}", after_colon(message))]
    Answer {
        /// The object, or the bucket.
        object: String,
        /// The HTTP status.
        status: u16,
        /// The host's code: `SlowDown`.
        code: String,
        /// What the host says in words; may be empty.
        message: String,
        /// Whether the same request may succeed later.
        transient: bool,
        /// What `Retry-After` asked for.
        retry_after: Option<std::time::Duration>,
    },
    /// No answer: refused or broken connection, name not found, certificate, time-out.
    #[error("{object}: {reason}")]
    Network {
        /// The object.
        object: String,
        /// One line: what failed.
        reason: String,
        /// Whether the same request may succeed later.
        transient: bool,
    },
    /// A body came more slowly than the least rate that is accepted.
    #[error("{object}: only {bytes} bytes in {} s of waiting, which is below --min-rate", .within.as_secs_f32())]
    Slow {
        /// The object.
        object: String,
        /// What came, in bytes.
        bytes: u64,
        /// The time that was waited for it.
        within: std::time::Duration,
    },
    /// A server sends readers somewhere that they do not go.
    #[error("{object}: redirected to {to}, {reason}")]
    Redirected {
        /// The object.
        object: String,
        /// The origin of the new place: no path, no query.
        to: String,
        /// Why it is not followed, and which option would allow it.
        reason: String,
    },
    /// A host sends the whole object instead of a range that begins too far inside it.
    #[error(
        "{object}: the host does not give ranges: it sends the whole object, of which {skipped_bytes} bytes would be \
         skipped; use a host that supports Range requests"
    )]
    NoRanges {
        /// The object.
        object: String,
        /// The bytes of the answer before the wanted ones.
        skipped_bytes: u64,
    },
    /// The time allowed for the whole run has passed.
    #[error("the time allowed for this run is over (--max-time {} s)", .allowed.as_secs_f32())]
    TimeUp {
        /// How long the run was allowed to take.
        allowed: std::time::Duration,
    },
    /// The answer contradicts itself or the request: a short body, a wrong `Content-Range`.
    #[error("{object}: wrong answer: {reason}")]
    Protocol {
        /// The object.
        object: String,
        /// What does not fit.
        reason: String,
    },
    /// The object ends before the bytes that were asked for.
    #[error("{object}: the object is shorter than expected: it has {object_bytes} bytes")]
    Short {
        /// The object.
        object: String,
        /// All that it has, in bytes.
        object_bytes: u64,
    },
    /// The object's bytes are not what its format demands.
    #[error("{object}: damaged: {reason}")]
    Damaged {
        /// The object.
        object: String,
        /// What does not fit.
        reason: String,
    },
    /// The store was made with other chunking parameters.
    #[error("{store}: {reason}")]
    Parameters {
        /// The store.
        store: String,
        /// Which parameters differ and what to do.
        reason: String,
    },
    /// The folder holds other files, and no store lies in it.
    #[error(
        "{location}: is no store, and holds other files ({found}); give a folder of its own, or --new-store to make a \
         store among them"
    )]
    Occupied {
        /// The folder.
        location: String,
        /// One of the files.
        found: String,
    },
    /// A link that anybody could have put there is not followed to what is written.
    #[error(
        "{}: a link of user {owner} in a folder that everybody can write is not followed; give the path that it leads to",
        path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The answer is larger than the caller takes.
    #[error("{object}: larger than the {max_bytes} bytes that are taken of it")]
    TooLarge {
        /// The object.
        object: String,
        /// The most that would have been taken, in bytes.
        max_bytes: u64,
    },
    /// The request is one that no store answers: an empty range, or a name that is no relative path.
    #[error("{object}: not asked for: {reason}")]
    InvalidRequest {
        /// The object.
        object: String,
        /// What is wrong with the request.
        reason: String,
    },
    /// An option does not do: a malformed header, a file without certificates. Values are not repeated, since
    /// they may be secret.
    #[error("{option}: {reason}")]
    InvalidOption {
        /// The option: `header "x-token"`, `certificates in /etc/ca.pem`.
        option: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The location is not of a kind that this build reads or writes.
    #[error("{location}: {reason}")]
    Location {
        /// The location as given.
        location: String,
        /// Why, and what would do.
        reason: String,
    },
}

/// Why a bucket's host refuses for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BucketProblem {
    /// No credentials were found, and without any it may not be done.
    NoCredentials,
    /// The credentials are unknown to the host, or cannot be had from where they should come.
    WrongCredentials,
    /// The credentials were good once.
    ExpiredCredentials,
    /// The credentials are good but lack the right.
    Denied,
    /// There is no such bucket.
    NoBucket,
    /// The bucket is in another region, or at another endpoint.
    Region,
    /// The clock of this computer is wrong.
    Clock,
    /// The object is in a storage class that cannot be read before somebody restores it.
    Archived,
}

fn not_found(status: Option<u16>) -> String {
    match status {
        Some(403) => "not found, or not allowed to be read (HTTP 403)".to_owned(),
        Some(status) => format!("not found (HTTP {status})"),
        None => "not found".to_owned(),
    }
}

/// A 403 may also mean that the object is not there.
fn denied(status: u16) -> &'static str {
    if status == 403 { "not found, or not allowed to be read," } else { "access denied" }
}

fn after_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl StoreError {
    /// An [`StoreError::Io`] for `path`, for use in `map_err`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// Whether the same request may succeed when it is made again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Network { transient, .. } | Self::Answer { transient, .. } => *transient,
            Self::Protocol { .. } | Self::Short { .. } | Self::Slow { .. } => true,
            _ => false,
        }
    }

    /// How long the server asked to be left alone before the next attempt.
    #[must_use]
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::Answer { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error for an object that is archived, as the host says by `code`.
    #[cfg(feature = "http")]
    pub(crate) fn archived(object: &str, code: &str) -> Self {
        let reason = format!(
            "archived in a storage class that cannot be read at once ({code}): restore the object, and let no lifecycle \
             rule archive packs"
        );
        Self::Bucket { object: object.to_owned(), problem: BucketProblem::Archived, reason }
    }

    /// Whether the object is there, but has to be restored before it can be read.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        matches!(self, Self::Bucket { problem: BucketProblem::Archived, .. })
    }

    /// Whether the object is just not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Withheld { status: 403, .. })
    }
}
