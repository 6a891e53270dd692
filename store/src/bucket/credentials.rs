//! Credentials of AWS, from all the places in which its own tools look for them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use super::failure::Failure;
use crate::http::failure::deepest;

/// How long before their expiry credentials are renewed; half of their life if that is shorter.
const MARGIN: Duration = Duration::from_secs(300);

/// Credentials that are renewed when the last ones are about to expire.
#[derive(Debug)]
pub(super) struct AwsCredentials {
    provider: SharedCredentialsProvider,
    held: Mutex<Option<Held>>,
}

#[derive(Debug, Clone)]
struct Held {
    credential: Arc<AwsCredential>,
    /// The time at which new ones are due. It is `None` if they do not expire.
    due: Option<SystemTime>,
}

impl AwsCredentials {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, held: Mutex::new(None) }
    }

    /// Whether there are any credentials.
    ///
    /// # Errors
    /// [`Failure::Credentials`] if some are set up but cannot be obtained.
    pub(super) async fn exist(&self) -> Result<bool, Failure> {
        match self.current().await {
            Ok(_) => Ok(true),
            Err(CredentialsError::CredentialsNotLoaded(_)) => Ok(false),
            // An instance that refuses to give credentials counts as one that has none.
            Err(error) if deepest(&error).contains("IMDS") => Ok(false),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Drops the held credentials, so that the next request asks for new ones.
    pub(super) async fn forget(&self) {
        *self.held.lock().await = None;
    }

    async fn current(&self) -> Result<Arc<AwsCredential>, CredentialsError> {
        let mut held = self.held.lock().await;
        let now = SystemTime::now();
        if let Some(held) = held.as_ref().filter(|held| held.due.is_none_or(|due| now < due)) {
            return Ok(Arc::clone(&held.credential));
        }
        let credentials = self.provider.provide_credentials().await?;
        check(&credentials)?;
        let fresh = Held::of(&credentials, now);
        let credential = Arc::clone(&fresh.credential);
        *held = Some(fresh);
        Ok(credential)
    }
}

impl Held {
    fn of(credentials: &Credentials, now: SystemTime) -> Self {
        let due = credentials.expiry().map(|expiry| {
            let life = expiry.duration_since(now).unwrap_or_default();
            expiry - MARGIN.min(life / 2)
        });
        let credential = AwsCredential {
            // The last line of a file or a secret may leave white space behind.
            key_id: credentials.access_key_id().trim().to_owned(),
            secret_key: credentials.secret_access_key().trim().to_owned(),
            token: credentials.session_token().map(|token| token.trim().to_owned()),
        };
        Self { credential: Arc::new(credential), due }
    }
}

#[async_trait]
impl CredentialProvider for AwsCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.current()
            .await
            .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(failure(&error)) })
    }
}

/// Refuses credentials that cannot go into a header.
fn check(credentials: &Credentials) -> Result<(), CredentialsError> {
    let parts = [Some(credentials.access_key_id()), credentials.session_token()];
    let is_good = |part: &str| part.trim().chars().all(|c| c.is_ascii_graphic());
    if parts.into_iter().flatten().all(is_good) {
        return Ok(());
    }
    Err(CredentialsError::invalid_configuration("the access key or the session token has characters that no key has"))
}

fn failure(error: &CredentialsError) -> Failure {
    let cause = deepest(error);
    let reason = format!(
        "the AWS credentials that are set up cannot be obtained: {cause}; check the profile, or sign in again, for \
         instance with `aws sso login`"
    );
    Failure::Credentials { reason: reason.split_whitespace().collect::<Vec<_>>().join(" ") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_credential_types::provider::future;

    use super::*;

    /// Gives a new key each time, which is good for this many seconds.
    #[derive(Debug)]
    struct Counting(AtomicU64, u64);

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            let expiry = SystemTime::now() + Duration::from_secs(self.1);
            future::ProvideCredentials::ready(Ok(Credentials::new(
                format!("key{number}"),
                "secret",
                None,
                Some(expiry),
                "test",
            )))
        }
    }

    async fn keys(lifetime: u64) -> Vec<String> {
        let provider = SharedCredentialsProvider::new(Counting(AtomicU64::new(0), lifetime));
        let credentials = AwsCredentials::new(provider);
        let mut keys = Vec::new();
        for _ in 0..2 {
            keys.push(credentials.get_credential().await.unwrap().key_id.clone());
        }
        credentials.forget().await;
        keys.push(credentials.get_credential().await.unwrap().key_id.clone());
        keys
    }

    #[tokio::test]
    async fn credentials_are_kept_until_shortly_before_they_expire() {
        assert_eq!(keys(3600).await, ["key0", "key0", "key1"]);
        assert_eq!(keys(0).await, ["key0", "key1", "key2"]);
    }

    #[test]
    fn those_that_live_shortly_are_kept_for_half_their_life() {
        let now = SystemTime::now();
        let due = |seconds| {
            let expiry = now + Duration::from_secs(seconds);
            let held = Held::of(&Credentials::new("a", "b", None, Some(expiry), "test"), now);
            held.due.unwrap().duration_since(now).unwrap().as_secs()
        };
        assert_eq!((due(3600), due(100)), (3300, 50));
    }
}
