//! The border to whatever knows how to log in at a host.

use futures::future::BoxFuture;
use reqwest::Response;

use super::client::{HttpClient, Request};
use super::route::Route;
use crate::StoreError;

/// Sends requests to a host that may want a login.
pub(crate) trait LoggedIn: Send + Sync {
    /// Sends a request, and once more with a login if the host wants one.
    fn send<'a>(
        &'a self,
        client: &'a HttpClient,
        asked: &'a Route,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Result<(Response, Route), StoreError>>;

    /// The error in place of one that was read from an answer as that of a static host.
    fn explain(&self, error: StoreError) -> StoreError;
}
