//! Registries, as places of images.

use std::sync::Arc;

use regrow_store::{RegistryClient, RegistryUrl, RetryPolicy, Rights};

use super::Network;
use crate::SyncError;

impl Network {
    /// A client that reads from a repository, and the policy for its requests.
    pub(crate) fn registry_to_read(&mut self, url: &RegistryUrl) -> Result<(RegistryClient, RetryPolicy), SyncError> {
        let (client, meter) = (self.client()?, Arc::clone(&self.meter));
        let client = RegistryClient::new(url, Rights::Read, self.registries.options(), client, meter)?;
        Ok((client, self.policy.clone()))
    }
}
