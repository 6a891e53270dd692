//! The setup of S3: credentials, region, server, and the place of the bucket's name in URLs.

use std::sync::Arc;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig, imds};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::ServiceConfigKey;
use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use reqwest::{StatusCode, Url};

use super::credentials::AwsCredentials;
use super::failure::Failure;
use super::service::Service;
use super::store::Opened;
use super::{Addressing, BucketCredentials, BucketOptions, BucketUrl};
use crate::http::failure as network;
use crate::shown::shown_malformed;
use crate::{BucketProblem, HttpClient, Meter, RetryPolicy, StoreError};

/// The region of requests to servers for which none is given. Most servers of other makers ignore it.
const ANY_REGION: &str = "us-east-1";

/// How long to wait for an instance's credentials.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn open(
    url: &BucketUrl,
    options: &BucketOptions,
    service: Service,
    client: &HttpClient,
    meter: &Meter,
    policy: &RetryPolicy,
) -> Result<Opened, StoreError> {
    let given = region_given(options).await;
    let endpoint = endpoint(options, &load(options).await)?;
    let credentials = Arc::new(AwsCredentials::new(credentials_provider(options, given.as_deref()).await));
    let exist = options.credentials != BucketCredentials::Anonymous
        && credentials.exist().await.map_err(|failure| no_credentials(url, &failure))?;
    let region = match given {
        Some(region) => region.trim().to_owned(),
        None if endpoint.is_some() => ANY_REGION.to_owned(),
        None => policy.run(|| region_of_bucket(url, client, meter)).await?,
    };
    let builder = AmazonS3Builder::new()
        .with_bucket_name(&url.bucket)
        .with_region(&region)
        .with_credentials(Arc::clone(&credentials) as _)
        .with_skip_signature(!exist)
        .with_retry(no_retries())
        .with_allow_http(true)
        .with_http_connector(service);
    check(options.addressing, &region, endpoint.as_ref())?;
    let (is_virtual, server) = addressed(url, options.addressing, &region, endpoint.as_ref());
    let builder = builder.with_virtual_hosted_style_request(is_virtual);
    let builder = match server {
        Some(server) => builder.with_endpoint(server),
        None => builder,
    };
    let build = |builder: AmazonS3Builder| builder.build().map_err(|error| refused(url, &error));
    Ok(Opened {
        remote: Arc::new(build(builder.clone())?),
        singly: Arc::new(build(builder.with_config(object_store::aws::AmazonS3ConfigKey::DisableBulkDelete, "true"))?),
        region: Some(region),
        endpoint: endpoint.map(String::from),
        is_unsigned: !exist,
        credentials: Some(credentials),
    })
}

/// Refuses options that the client would stumble over.
fn check(addressing: Addressing, region: &str, endpoint: Option<&Url>) -> Result<(), StoreError> {
    let refused = |option: &str, reason: &str| {
        Err(StoreError::InvalidOption { option: option.to_owned(), reason: reason.to_owned() })
    };
    if region.is_empty() || !region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return refused("region", "it is letters, digits and hyphens, such as eu-central-1");
    }
    let is_name = endpoint.is_none_or(|endpoint| endpoint.domain().is_some());
    if addressing == Addressing::Virtual && !is_name {
        return refused("addressing virtual", "the endpoint is an address, which a bucket's name cannot go before");
    }
    if endpoint.is_some_and(|endpoint| endpoint.query().is_some() || endpoint.fragment().is_some()) {
        return refused("endpoint", "it is a URL without a query");
    }
    Ok(())
}

/// Disables the retries of `object_store`, which does not know all reasons. regrow's own retries are above them.
pub(super) fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// The error of a client that cannot be made.
pub(super) fn refused(url: &BucketUrl, error: &object_store::Error) -> StoreError {
    StoreError::Location { location: url.to_string(), reason: network::deepest(error) }
}

fn no_credentials(url: &BucketUrl, failure: &Failure) -> StoreError {
    let problem = BucketProblem::WrongCredentials;
    StoreError::Bucket { object: url.to_string(), problem, reason: failure.to_string() }
}

/// The region that options, environment or profile name. The region of this computer, from its metadata service,
/// does not count: a bucket need not be in it.
async fn region_given(options: &BucketOptions) -> Option<String> {
    if options.region.is_some() {
        return options.region.clone();
    }
    let profile = ProfileFileRegionProvider::builder();
    let profile = match &options.profile {
        Some(name) => profile.profile_name(name),
        None => profile,
    };
    // A chosen profile takes precedence over the environment, as with AWS's own tools.
    let chain = match &options.profile {
        Some(_) => RegionProviderChain::first_try(profile.build()).or_else(EnvironmentVariableRegionProvider::new()),
        None => RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(profile.build()),
    };
    chain.region().await.map(|region| region.as_ref().to_owned())
}

/// Loads the servers that environment and profile name.
async fn load(options: &BucketOptions) -> SdkConfig {
    let region = Region::new(ANY_REGION);
    let loader =
        aws_config::defaults(BehaviorVersion::latest()).region(region).no_credentials().http_client(http_client());
    match &options.profile {
        Some(profile) => loader.profile_name(profile).load().await,
        None => loader.load().await,
    }
}

/// The source of credentials: the given keys; or the given profile, which takes precedence over keys in the
/// environment; or the SDK's chain.
async fn credentials_provider(options: &BucketOptions, region: Option<&str>) -> SharedCredentialsProvider {
    if let BucketCredentials::Keys { id, secret, token } = &options.credentials {
        return SharedCredentialsProvider::new(Credentials::new(id, secret, token.clone(), None, "given"));
    }
    // The services that issue credentials need a region.
    let region = Region::new(region.unwrap_or(ANY_REGION).to_owned());
    let config = ProviderConfig::without_region().with_region(Some(region.clone())).with_http_client(http_client());
    if let Some(profile) = &options.profile {
        let provider = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build();
        return SharedCredentialsProvider::new(provider);
    }
    // Computers outside of AWS have no metadata service, and every command would wait for it at its start.
    let metadata =
        imds::Client::builder().configure(&config).max_attempts(2).operation_timeout(METADATA_TIMEOUT).build();
    let chain = DefaultCredentialsChain::builder().configure(config).imds_client(metadata).region(region).build().await;
    SharedCredentialsProvider::new(chain)
}

/// The connections to the services that give out credentials, with the cryptography of all other connections.
fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// The server that options, environment or profile name, unless it is AWS itself.
fn endpoint(options: &BucketOptions, config: &SdkConfig) -> Result<Option<Url>, StoreError> {
    let of_s3 = || {
        let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url");
        config.service_config()?.load_config(key.build().ok()?)
    };
    let text = options.endpoint.clone().or_else(of_s3).or_else(|| config.endpoint_url().map(str::to_owned));
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    endpoint_url(&text).map(Some)
}

/// Parses the URL of a server.
pub(super) fn endpoint_url(text: &str) -> Result<Url, StoreError> {
    let is_usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    Url::parse(text).ok().filter(is_usable).ok_or_else(|| StoreError::InvalidOption {
        option: format!("endpoint {:?}", shown_malformed(text)),
        reason: "it is not an http or https URL; write it like https://host:9000".to_owned(),
    })
}

/// Whether the bucket's name goes into the host's name, and the URL that the client uses for the bucket instead of
/// its own.
///
/// At AWS itself the name goes into the host's name, if certificates allow it. At other servers it goes into the
/// path.
fn addressed(url: &BucketUrl, addressing: Addressing, region: &str, endpoint: Option<&Url>) -> (bool, Option<String>) {
    let is_virtual = match addressing {
        Addressing::Path => false,
        Addressing::Virtual => true,
        Addressing::Auto => endpoint.is_none() && !url.bucket.contains('.'),
    };
    let server = match endpoint {
        Some(endpoint) => endpoint.as_str().trim_end_matches('/').to_owned(),
        // These regions are under another domain, which the client does not know.
        None if region.starts_with("cn-") => format!("https://s3.{region}.amazonaws.com.cn"),
        None => return (is_virtual, None),
    };
    match server.split_once("://") {
        Some((scheme, host)) if is_virtual => (true, Some(format!("{scheme}://{}.{host}", url.bucket))),
        _ => (is_virtual, Some(server)),
    }
}

/// Asks AWS for the region of a bucket. It answers anybody.
async fn region_of_bucket(url: &BucketUrl, client: &HttpClient, meter: &Meter) -> Result<String, StoreError> {
    let bucket = &url.bucket;
    let at = match bucket.contains('.') {
        true => format!("https://s3.amazonaws.com/{bucket}"),
        false => format!("https://{bucket}.s3.amazonaws.com"),
    };
    region_at(&at, url, client, meter).await
}

async fn region_at(at: &str, url: &BucketUrl, client: &HttpClient, meter: &Meter) -> Result<String, StoreError> {
    meter.add_request();
    let object = url.to_string();
    let request = client.inner().head(at).timeout(client.stall_timeout()).send().await;
    let proxy = || client.proxy_of(&at.parse().ok()?);
    let answer = request.map_err(|error| network::of_request(&object, &error, proxy().as_deref()))?;
    // Redirects and refusals state the region too.
    if let Some(region) = answer.headers().get("x-amz-bucket-region").and_then(|value| value.to_str().ok()) {
        return Ok(region.to_owned());
    }
    match answer.status() {
        StatusCode::NOT_FOUND => {
            let reason = format!("there is no bucket {:?} at AWS; for another host give its endpoint", url.bucket);
            Err(StoreError::Bucket { object, problem: BucketProblem::NoBucket, reason })
        }
        status if status.is_server_error() => {
            Err(StoreError::Status { object, status: status.as_u16(), retry_after: None })
        }
        _ => Ok(ANY_REGION.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::HttpOptions;

    fn of(bucket: &str, addressing: Addressing, region: &str, endpoint: Option<&str>) -> (bool, Option<String>) {
        let url = BucketUrl::parse(&format!("s3://{bucket}/x")).unwrap().unwrap();
        let endpoint = endpoint.map(|endpoint| Url::parse(endpoint).unwrap());
        addressed(&url, addressing, region, endpoint.as_ref())
    }

    #[test]
    fn buckets_are_named_in_the_host_at_aws_and_in_the_path_elsewhere() {
        use Addressing::{Auto, Path, Virtual};
        let own = Some("http://localhost:9000/");
        let server = |text: &str| Some(text.to_owned());
        assert_eq!(of("b", Auto, "eu-west-1", None), (true, None));
        assert_eq!(of("b.c", Auto, "eu-west-1", None), (false, None));
        assert_eq!(of("b", Path, "eu-west-1", None), (false, None));
        assert_eq!(of("b", Auto, "us-east-1", own), (false, server("http://localhost:9000")));
        assert_eq!(of("b", Virtual, "us-east-1", own), (true, server("http://b.localhost:9000")));
        let china = (true, server("https://b.s3.cn-north-1.amazonaws.com.cn"));
        assert_eq!(of("b", Auto, "cn-north-1", None), china);
    }

    /// Asks a server that answers with `head`.
    async fn region(head: &'static str) -> Result<String, StoreError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            let read = stream.read(&mut asked).await.unwrap();
            assert!(asked[..read].starts_with(b"HEAD / "));
            stream.write_all(head.as_bytes()).await.unwrap();
        });
        let url = BucketUrl::parse("s3://bucket/x").unwrap().unwrap();
        let options = HttpOptions { use_proxies: false, ..HttpOptions::default() };
        region_at(&at, &url, &HttpClient::new(options).unwrap(), &Meter::new()).await
    }

    #[tokio::test]
    async fn regions_of_buckets_are_asked_for() {
        let redirect = "HTTP/1.1 301 x\r\nx-amz-bucket-region: eu-west-3\r\n\r\n";
        assert_eq!(region(redirect).await.unwrap(), "eu-west-3");
        let denied = "HTTP/1.1 403 x\r\nx-amz-bucket-region: sa-east-1\r\n\r\n";
        assert_eq!(region(denied).await.unwrap(), "sa-east-1");
        let error = region("HTTP/1.1 404 x\r\n\r\n").await.unwrap_err();
        let text = "s3://bucket/x: there is no bucket \"bucket\" at AWS; for another host give its endpoint";
        assert_eq!(error.to_string(), text);
        assert!(region("HTTP/1.1 503 x\r\n\r\n").await.unwrap_err().is_transient());
        assert_eq!(region("HTTP/1.1 200 x\r\n\r\n").await.unwrap(), ANY_REGION);
    }
}
