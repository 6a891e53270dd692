//! The errors that can occur between regrow and a store.

use std::path::PathBuf;

/// An error of a store, by cause. `object` names the object as the store names it (`packs/ab/….pack`), with
/// the store's location before it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The object is not there. The status is 404, or 403, which hosts answer for absent objects of private
    /// listings.
    #[error("{object}: {}", not_found(*.status))]
    NotFound {
        /// The object.
        object: String,
        /// The HTTP status of the answer, if there was one.
        status: Option<u16>,
    },
    /// The server refused access: 401, or 403 if the object must exist.
    #[error("{object}: access denied (HTTP {status}); give credentials")]
    Denied {
        /// The object.
        object: String,
        /// The HTTP status.
        status: u16,
    },
    /// A redirect led to another origin. That origin wants credentials, but they were given only for the first one.
    #[error(
        "{object}: {} by {to} (HTTP {status}), where a redirect leads; the headers went to the first host only",
        denied(*.status)
    )]
    Withheld {
        /// The object.
        object: String,
        /// The origin that refused.
        to: String,
        /// The HTTP status.
        status: u16,
    },
    /// The host answers with a web page for people.
    #[error("{object}: the host answers with a web page, as some hosts do for missing files; check the URL")]
    WebPage {
        /// The object.
        object: String,
    },
    /// The server rejected the signature of the URL or the credentials, or said that they have expired.
    #[error("{object}: access refused (HTTP {status}: {reason}); renew the signed URL or the credentials")]
    Refused {
        /// The object.
        object: String,
        /// The HTTP status.
        status: u16,
        /// The server's code, or its meaning.
        reason: String,
    },
    /// Any other HTTP status that is not a success.
    #[error("{object}: the server answered HTTP {status}")]
    Status {
        /// The object.
        object: String,
        /// The HTTP status.
        status: u16,
        /// The time that `Retry-After` asked for.
        retry_after: Option<std::time::Duration>,
    },
    /// A bucket's host refuses for a reason that another attempt does not remove.
    #[error("{object}: {reason}")]
    Bucket {
        /// The object, or the bucket.
        object: String,
        /// The kind of reason.
        problem: BucketProblem,
        /// The reason, and what to do, in one line.
        reason: String,
    },
    /// A bucket's host answers with an error status and a code of its own, and it is none of the kinds above.
    #[error("{object}: the server answered HTTP {status} {code}{}", after_colon(message))]
    Answer {
        /// The object, or the bucket.
        object: String,
        /// The HTTP status.
        status: u16,
        /// The host's code, such as `SlowDown`.
        code: String,
        /// The host's message, which may be empty.
        message: String,
        /// Whether the same request may succeed later.
        transient: bool,
        /// The time that `Retry-After` asked for.
        retry_after: Option<std::time::Duration>,
    },
    /// There was no answer: a refused or broken connection, an unknown name, a certificate, a time-out.
    #[error("{object}: {reason}")]
    Network {
        /// The object.
        object: String,
        /// The failure in one line.
        reason: String,
        /// Whether the same request may succeed later.
        transient: bool,
    },
    /// The server's certificate is not accepted, but would be if the user named it, or its authority, as trusted.
    #[error("{object}: the server's certificate{} is not accepted: {distrust}", through(proxy.as_deref()))]
    Untrusted {
        /// The object.
        object: String,
        /// The reason why the certificate is not trusted.
        distrust: Distrust,
        /// The proxy through which the request went, in a form without secrets.
        proxy: Option<String>,
    },
    /// A body came more slowly than the lowest rate that is accepted.
    #[error("{object}: only {bytes} bytes in {} s of waiting, which is below the lowest rate accepted", .within.as_secs_f32())]
    Slow {
        /// The object.
        object: String,
        /// The number of bytes that came.
        bytes: u64,
        /// The time that was spent waiting for them.
        within: std::time::Duration,
    },
    /// A server redirects to a place to which the client does not go.
    #[error("{object}: redirected to {to}, {refusal}")]
    Redirected {
        /// The object.
        object: String,
        /// The origin of the new place, without path and query.
        to: String,
        /// The reason why the redirect is not followed.
        refusal: RedirectRefusal,
    },
    /// A host sends the whole object instead of a range that begins too far inside it.
    #[error(
        "{object}: the host does not give ranges: it sends the whole object, of which {skipped_bytes} bytes would be \
         skipped; use a host that supports Range requests"
    )]
    NoRanges {
        /// The object.
        object: String,
        /// The number of bytes of the answer before the wanted ones.
        skipped_bytes: u64,
    },
    /// The time allowed for the whole run has passed.
    #[error("the time allowed for this run, {} s, is over", .allowed.as_secs_f32())]
    TimeUp {
        /// The time that the run was allowed to take.
        allowed: std::time::Duration,
    },
    /// The answer contradicts itself or the request, for example by a short body or a wrong `Content-Range`.
    #[error("{object}: wrong answer: {reason}")]
    Protocol {
        /// The object.
        object: String,
        /// The contradiction.
        reason: String,
    },
    /// The object ends before the bytes that were asked for.
    #[error("{object}: the object is shorter than expected: it has {object_bytes} bytes")]
    Short {
        /// The object.
        object: String,
        /// The size of the object in bytes.
        object_bytes: u64,
    },
    /// The object's bytes do not have the form that their format demands.
    #[error("{object}: damaged: {reason}")]
    Damaged {
        /// The object.
        object: String,
        /// The damage.
        reason: String,
    },
    /// The store was made with other chunking parameters.
    #[error("{store}: the store has chunks of {found} bytes on average, not {wanted}")]
    Parameters {
        /// The store.
        store: String,
        /// The average size of the store's chunks in bytes.
        found: u32,
        /// The average size that the caller wanted.
        wanted: u32,
    },
    /// The folder holds other files, and no store lies in it.
    #[error("{location}: is not a store, and holds other files ({found}); give a folder of its own")]
    Occupied {
        /// The folder.
        location: String,
        /// One of the files.
        found: String,
    },
    /// A link that anybody could have put there lies on the way to a file that is written. It is not followed.
    #[error(
        "{}: a link of user {owner} in a folder to which everybody can write is not followed; give the path to its \
         target",
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
    /// The answer is larger than the caller's limit.
    #[error("{object}: larger than the limit of {max_bytes} bytes")]
    TooLarge {
        /// The object.
        object: String,
        /// The limit in bytes.
        max_bytes: u64,
    },
    /// No store answers such a request: it has an empty range, or a name that is no relative path.
    #[error("{object}: the request was not made: {reason}")]
    InvalidRequest {
        /// The object.
        object: String,
        /// The fault of the request.
        reason: String,
    },
    /// An option cannot be used, for example a malformed header, or a file without certificates. Values are not
    /// repeated, since they may be secret.
    #[error("{option}: {reason}")]
    InvalidOption {
        /// The option, such as `header "x-token"` or `certificates in /etc/ca.pem`.
        option: String,
        /// The fault of the option.
        reason: String,
    },
    /// The folder of a store that is read does not exist.
    #[error("{}: no such folder; give the store", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// This build cannot read or write locations of this kind.
    #[error("{location}: {reason}")]
    Location {
        /// The location as it was given.
        location: String,
        /// The reason, and a location that would work.
        reason: String,
    },
}

/// The reason why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectRefusal {
    /// No redirects are followed at all.
    #[error("but no redirects are followed")]
    Any,
    /// It leads to another scheme, host or port, and only the same ones are allowed.
    #[error("which is another origin")]
    OtherOrigin,
    /// It leads from https to http. That is never followed.
    #[error("from https to http, which is not followed")]
    Downgrade,
    /// It leads to a public address without https.
    #[error("a public address, without https")]
    Unencrypted,
    /// It leads to another host without https, and a proxy resolves that host's name.
    #[error("by http at another host")]
    UnencryptedByProxy,
    /// It leads to an address that is nearer to this machine than the server. The field says which, such as `an
    /// address of this machine`.
    #[error("{0}, where it may not send readers")]
    Nearer(&'static str),
}

/// The reason why a server's certificate is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// Nobody who is trusted has signed it.
    #[error("its issuer is not known here; give the certificate of the authority, or a self-signed one itself")]
    UnknownIssuer,
    /// It is an authority's, and authorities are no servers.
    #[error(
        "it is an authority's (CA:TRUE) instead of a server's; make one with CA:FALSE, or give this very certificate"
    )]
    Authority,
}

/// The reason why a bucket's host refuses for good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BucketProblem {
    /// No credentials were found, and the request needs some.
    NoCredentials,
    /// The host does not know the credentials, or their source does not give them.
    WrongCredentials,
    /// The credentials have expired.
    ExpiredCredentials,
    /// The credentials are good, but lack the right.
    Denied,
    /// There is no such bucket.
    NoBucket,
    /// The bucket is in another region, or at another endpoint.
    Region {
        /// The region that the host states.
        region: Option<String>,
    },
    /// The clock of this computer is wrong.
    Clock,
    /// The object is in a storage class that cannot be read until somebody restores it.
    Archived,
}

fn not_found(status: Option<u16>) -> String {
    match status {
        Some(403) => "not found, or not allowed to be read (HTTP 403)".to_owned(),
        Some(status) => format!("not found (HTTP {status})"),
        None => "not found".to_owned(),
    }
}

/// The mention of a proxy, if there is one.
fn through(proxy: Option<&str>) -> String {
    proxy.map(|proxy| format!(" (through the proxy {proxy})")).unwrap_or_default()
}

/// The words for a refusal. A 403 may also mean that the object is not there.
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

    /// Whether the same request may succeed at another attempt.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Network { transient, .. } | Self::Answer { transient, .. } => *transient,
            Self::Protocol { .. } | Self::Short { .. } | Self::Slow { .. } => true,
            _ => false,
        }
    }

    /// The time that the server asked for before the next attempt.
    #[must_use]
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::Answer { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error for an object that is archived, as the host says with `code`.
    #[cfg(feature = "http")]
    pub(crate) fn archived(object: &str, code: &str) -> Self {
        let reason = format!(
            "archived in a storage class that cannot be read at once ({code}): restore the object, and let no lifecycle \
             rule archive packs"
        );
        Self::Bucket { object: object.to_owned(), problem: BucketProblem::Archived, reason }
    }

    /// Whether the object exists, but must be restored before it can be read.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        matches!(self, Self::Bucket { problem: BucketProblem::Archived, .. })
    }

    /// Whether the object simply is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Withheld { status: 403, .. })
    }
}
