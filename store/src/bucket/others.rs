//! The setup of Google Cloud Storage and Azure Blob Storage from the environment.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;

use super::aws::{endpoint_url, no_retries, refused};
use super::service::Service;
use super::store::{Opened, Remote};
use super::{BucketCredentials, BucketOptions, BucketUrl};
use crate::http::failure::deepest;
use crate::{BucketProblem, StoreError};

/// How long to wait for credentials. Those of an instance come from a server that does not answer elsewhere.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

pub(super) async fn open_gcs(url: &BucketUrl, options: &BucketOptions, service: Service) -> Result<Opened, StoreError> {
    // This is for its error: the client's own would show a password.
    options.endpoint.as_deref().map(endpoint_url).transpose()?;
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&url.bucket)
        .with_retry(no_retries())
        .with_http_connector(service);
    let builder = match &options.endpoint {
        Some(endpoint) => builder.with_base_url(endpoint.trim_end_matches('/')),
        None => builder,
    };
    let build = |builder: GoogleCloudStorageBuilder| builder.build().map_err(|error| refused(url, &error));
    let store = build(builder.clone())?;
    let set_up = is_set(&["GOOGLE_SERVICE", "GOOGLE_APPLICATION_CREDENTIALS", "SERVICE_ACCOUNT"]);
    let is_unsigned = !are_there(url, options, set_up, store.credentials().get_credential()).await?;
    let store = if is_unsigned { build(builder.with_skip_signature(true))? } else { store };
    Ok(opened(Arc::new(store), options, is_unsigned))
}

pub(super) async fn open_azure(
    url: &BucketUrl,
    options: &BucketOptions,
    service: Service,
) -> Result<Opened, StoreError> {
    // This is for its error: the client's own would show a password.
    options.endpoint.as_deref().map(endpoint_url).transpose()?;
    let builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(&url.bucket)
        .with_retry(no_retries())
        .with_allow_http(true)
        .with_http_connector(service);
    let builder = match &options.endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint.trim_end_matches('/').to_owned()),
        None => builder,
    };
    if !is_set(&["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"]) {
        let reason = "the account of the container is not known; set AZURE_STORAGE_ACCOUNT_NAME".to_owned();
        return Err(StoreError::Location { location: url.to_string(), reason });
    }
    let build = |builder: MicrosoftAzureBuilder| builder.build().map_err(|error| refused(url, &error));
    let store = build(builder.clone())?;
    let set_up = is_set(&["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_CLIENT", "AZURE_FEDERATED"]);
    let is_unsigned = !are_there(url, options, set_up, store.credentials().get_credential()).await?;
    let store = if is_unsigned { build(builder.with_skip_signature(true))? } else { store };
    Ok(opened(Arc::new(store), options, is_unsigned))
}

fn opened(remote: Arc<dyn Remote>, options: &BucketOptions, is_unsigned: bool) -> Opened {
    let endpoint = options.endpoint.clone();
    Opened { singly: Arc::clone(&remote), remote, region: None, endpoint, is_unsigned, credentials: None }
}

/// Whether the environment has a variable that begins with one of these prefixes.
fn is_set(prefixes: &[&str]) -> bool {
    let is_one = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    std::env::vars_os().any(|(name, _)| name.to_str().is_some_and(is_one))
}

/// Whether there are credentials. If they cannot be obtained, that is an error only if some are set up.
async fn are_there<T>(
    url: &BucketUrl,
    options: &BucketOptions,
    set_up: bool,
    credential: impl Future<Output = object_store::Result<T>>,
) -> Result<bool, StoreError> {
    match options.credentials {
        BucketCredentials::Ambient => {}
        BucketCredentials::Anonymous => return Ok(false),
        BucketCredentials::Keys { .. } => {
            let reason = "only S3 takes them; set up credentials as the provider's own tools find them".to_owned();
            return Err(StoreError::InvalidOption { option: "access keys".to_owned(), reason });
        }
    }
    let reason = match tokio::time::timeout(LONGEST_WAIT, credential).await {
        Ok(Ok(_)) => return Ok(true),
        _ if !set_up => return Ok(false),
        Ok(Err(error)) => deepest(&error),
        Err(_) => format!("no answer for {LONGEST_WAIT:?}"),
    };
    Err(StoreError::Bucket {
        object: url.to_string(),
        problem: BucketProblem::WrongCredentials,
        reason: format!("the credentials that are set up cannot be obtained: {reason}"),
    })
}
