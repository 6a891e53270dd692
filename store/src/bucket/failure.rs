//! The errors of buckets: one clear line for each way that a bucket fails.

use std::error::Error;

use super::refusal::Refusal;
use super::url::{BucketUrl, Provider};
use crate::http::failure as network;
use crate::http::pace::Lag;
use crate::name::unnameable;
use crate::{BucketProblem, Distrust, StoreError};

/// A cause within an error of `object_store`, put there by our client or our credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The host answered, but not with success.
    #[error("HTTP {} {}", .0.status, .0.code)]
    Refused(Refusal),
    /// There was no answer, or only a part of it.
    #[error("{reason}")]
    Network { reason: String, transient: bool },
    /// The server's certificate is not accepted.
    #[error("{distrust}")]
    Untrusted { distrust: Distrust, proxy: Option<String> },
    /// The body came too slowly, or not at all.
    #[error("not enough came of the body")]
    Lag(Lag),
    /// A list of all depths has an index whose name no store can have.
    #[error("no store can have the key {key:?}")]
    Unnameable { key: String },
    /// The source of the credentials gave none.
    #[error("{reason}")]
    Credentials { reason: String },
}

/// The action that was tried on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    Write,
    List,
    Delete,
}

impl Action {
    /// The right that the action takes.
    fn right(self, provider: Provider) -> &'static str {
        match (provider, self) {
            (Provider::S3, Self::Read) => "s3:GetObject",
            (Provider::S3, Self::Write) => "s3:PutObject",
            (Provider::S3, Self::List) => "s3:ListBucket",
            (Provider::S3, Self::Delete) => "s3:DeleteObject",
            (_, Self::Read) => "reading",
            (_, Self::Write) => "writing",
            (_, Self::List) => "listing",
            (_, Self::Delete) => "deleting",
        }
    }
}

/// The state of a store that decides how a failure is worded.
#[derive(Debug, Clone)]
pub(super) struct Scene<'a> {
    pub(super) object: &'a str,
    pub(super) action: Action,
    pub(super) provider: Provider,
    pub(super) bucket: &'a str,
    pub(super) region: Option<&'a str>,
    /// Whether requests carry no credentials because there are none.
    pub(super) is_unsigned: bool,
    /// Whether anything of this store could be read so far. A refusal then is more likely about the object than
    /// about the rights.
    pub(super) has_read: bool,
}

/// The refusal among the causes of an error, if there is one.
pub(super) fn refusal(error: &object_store::Error) -> Option<&Refusal> {
    match find(error)? {
        Failure::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Failure> {
    network::causes(error).find_map(|cause| cause.downcast_ref())
}

/// The error of a body that breaks off.
pub(super) fn broken(object: &str, error: &object_store::Error) -> StoreError {
    let reason = match find(error) {
        Some(Failure::Lag(lag)) => return lag.error(object),
        Some(failure) => failure.to_string(),
        None => network::deepest(error),
    };
    StoreError::Network { object: object.to_owned(), reason, transient: true }
}

/// The kind of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Absent,
    Problem(BucketProblem),
    Other,
}

impl Scene<'_> {
    /// Turns an error into one for people.
    pub(super) fn error(&self, error: &object_store::Error) -> StoreError {
        match find(error) {
            Some(Failure::Refused(refusal)) => self.refused(refusal),
            Some(Failure::Network { reason, transient }) => {
                StoreError::Network { object: self.object.to_owned(), reason: reason.clone(), transient: *transient }
            }
            Some(Failure::Untrusted { distrust, proxy }) => {
                StoreError::Untrusted { object: self.object.to_owned(), distrust: *distrust, proxy: proxy.clone() }
            }
            Some(Failure::Lag(lag)) => lag.error(self.object),
            Some(Failure::Unnameable { key }) => unnameable(self.of_bucket(key)),
            Some(Failure::Credentials { reason }) => self.problem(BucketProblem::WrongCredentials, reason.clone()),
            None => StoreError::Protocol { object: self.object.to_owned(), reason: network::deepest(error) },
        }
    }

    /// The name of an object of the bucket for people. The object need not be one of the store.
    fn of_bucket(&self, key: &str) -> String {
        let bucket = BucketUrl { provider: self.provider, bucket: self.bucket.to_owned(), path: String::new() };
        format!("{bucket}/{key}")
    }

    /// The error for an action that takes credentials.
    pub(super) fn no_credentials(&self) -> StoreError {
        self.problem(BucketProblem::NoCredentials, self.without_credentials())
    }

    fn refused(&self, refusal: &Refusal) -> StoreError {
        match self.kind(refusal) {
            Kind::Problem(BucketProblem::Archived) => StoreError::archived(self.object, &refusal.code),
            Kind::Absent => StoreError::NotFound { object: self.object.to_owned(), status: Some(refusal.status) },
            Kind::Problem(problem) => {
                let reason = self.reason(&problem, refusal);
                self.problem(problem, reason)
            }
            Kind::Other if refusal.code.is_empty() => StoreError::Status {
                object: self.object.to_owned(),
                status: refusal.status,
                retry_after: refusal.retry_after,
            },
            Kind::Other => StoreError::Answer {
                object: self.object.to_owned(),
                status: refusal.status,
                code: refusal.code.clone(),
                message: refusal.message.clone(),
                transient: refusal.is_transient(),
                retry_after: refusal.retry_after,
            },
        }
    }

    fn kind(&self, refusal: &Refusal) -> Kind {
        use BucketProblem as P;
        let elsewhere = || P::Region { region: refusal.region.clone() };
        let by_code = match refusal.code.as_str() {
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "AuthenticationFailed" => {
                Some(P::WrongCredentials)
            }
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Some(P::ExpiredCredentials),
            "NoSuchBucket" | "ContainerNotFound" => Some(P::NoBucket),
            "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException" => Some(elsewhere()),
            "AuthorizationHeaderMalformed" if self.is_elsewhere(refusal) => Some(elsewhere()),
            "AuthorizationHeaderMalformed" => Some(P::WrongCredentials),
            "RequestTimeTooSkewed" => Some(P::Clock),
            // S3 sends the first code, Azure the others.
            "InvalidObjectState" | "BlobArchived" | "BlobBeingRehydrated" => Some(P::Archived),
            _ => None,
        };
        match (by_code, refusal.status) {
            (Some(problem), _) => Kind::Problem(problem),
            (None, 404 | 410) => Kind::Absent,
            (None, 300..=399) => Kind::Problem(elsewhere()),
            (None, 400) if refusal.code.is_empty() && self.is_elsewhere(refusal) => Kind::Problem(elsewhere()),
            (None, 403) if self.action == Action::Read && self.has_read => Kind::Absent,
            (None, 401 | 403) if self.is_unsigned => Kind::Problem(P::NoCredentials),
            (None, 401) => Kind::Problem(P::WrongCredentials),
            (None, 403) => Kind::Problem(P::Denied),
            _ => Kind::Other,
        }
    }

    fn is_elsewhere(&self, refusal: &Refusal) -> bool {
        refusal.region.is_some() && refusal.region.as_deref() != self.region
    }

    fn problem(&self, problem: BucketProblem, reason: String) -> StoreError {
        StoreError::Bucket { object: self.object.to_owned(), problem, reason }
    }

    fn reason(&self, problem: &BucketProblem, refusal: &Refusal) -> String {
        let code = if refusal.code.is_empty() { format!("HTTP {}", refusal.status) } else { refusal.code.clone() };
        let (bucket, right) = (self.bucket, self.action.right(self.provider));
        match problem {
            BucketProblem::NoCredentials => format!("{} ({code})", self.without_credentials()),
            BucketProblem::WrongCredentials => {
                format!("the host does not accept the credentials ({code}): check the access key and its secret")
            }
            BucketProblem::ExpiredCredentials => {
                format!("the credentials have expired ({code}): renew them, for instance with `aws sso login`")
            }
            BucketProblem::Denied if self.action == Action::Read => format!(
                "access denied: the credentials do not allow {right} ({code}); where the object may be missing, allow \
                 listing too, so that the host can say so"
            ),
            BucketProblem::Denied => format!("access denied: the credentials do not allow {right} ({code})"),
            BucketProblem::NoBucket => format!("there is no bucket {bucket:?} at this endpoint ({code})"),
            BucketProblem::Region { .. } => self.elsewhere(refusal, &code),
            BucketProblem::Clock => {
                format!("the clock of this computer differs too much from the host's ({code}): set it right")
            }
            BucketProblem::Archived => format!("the object is archived ({code})"),
        }
    }

    fn elsewhere(&self, refusal: &Refusal, code: &str) -> String {
        let here = self.region.unwrap_or("another");
        match &refusal.region {
            Some(region) => format!("the bucket {:?} is in the region {region}, not {here} ({code})", self.bucket),
            None => format!(
                "the host sends the request elsewhere ({code}): the bucket {:?} is not in the region {here}",
                self.bucket
            ),
        }
    }

    fn without_credentials(&self) -> String {
        let right = self.action.right(self.provider);
        let places = match self.provider {
            Provider::S3 => "no AWS credentials were found (environment, ~/.aws, instance role)",
            Provider::Gcs => "no Google credentials were found (environment, application default, instance role)",
            Provider::Azure => "no Azure credentials were found (environment, managed identity)",
        };
        format!("{places}: {right} is not allowed without any")
    }
}
