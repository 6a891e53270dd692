//! Stores on the S3 server of these tests.

use std::sync::Arc;

use regrow_store::{
    BucketCredentials, BucketOptions, BucketStore, BucketUrl, HttpClient, HttpOptions, Meter, RetryPolicy,
};

use crate::s3server::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::support::{hasty, options};

/// A server with a bucket, and the folder behind it.
pub(crate) struct Bucket {
    pub(crate) server: S3Server,
    pub(crate) root: tempfile::TempDir,
    pub(crate) meter: Arc<Meter>,
}

impl Bucket {
    pub(crate) async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let server = S3Server::start(root.path()).await;
        server.create_bucket("bucket");
        Self { server, root, meter: Meter::new() }
    }

    /// The store below `path`.
    pub(crate) async fn store(&self, path: &str) -> BucketStore {
        self.store_with(path, keys(), hasty()).await
    }

    pub(crate) async fn store_with(
        &self,
        path: &str,
        credentials: BucketCredentials,
        policy: RetryPolicy,
    ) -> BucketStore {
        let url = BucketUrl::parse(&format!("s3://bucket/{path}")).unwrap().unwrap();
        let options = BucketOptions { credentials, ..self.options() };
        BucketStore::open(&url, &options, patient(), Arc::clone(&self.meter), policy).await.unwrap()
    }

    pub(crate) fn options(&self) -> BucketOptions {
        BucketOptions {
            endpoint: Some(self.server.endpoint().to_owned()),
            region: Some("us-east-1".to_owned()),
            credentials: keys(),
            staging: self.root.path().to_owned(),
            ..BucketOptions::default()
        }
    }
}

pub(crate) fn keys() -> BucketCredentials {
    BucketCredentials::Keys { id: ACCESS_KEY.to_owned(), secret: SECRET_KEY.to_owned(), token: None }
}

/// A client that waits long enough for the server with large objects, of which it computes checksums.
pub(crate) fn patient() -> HttpClient {
    HttpClient::new(HttpOptions { stall_timeout: std::time::Duration::from_secs(20), ..options() }).unwrap()
}
