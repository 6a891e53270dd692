//! The registries that a run uses. A repository is opened once, so that its places share what is known of its images.

use std::path::PathBuf;
use std::sync::Arc;

use regrow_catalog::Catalog;
use regrow_store::{
    HttpClient, Meter, ReadStore, RegistryOptions, RegistryStore, RegistryUrl, Retry, RetryPolicy, Rights, Store,
    StoreError, WholeObjects,
};

/// The kind of the catalog's documents that say how a registry wants its clients to log in.
const CHALLENGE_KIND: &str = "registry login";

/// The options for reaching registries, and the repositories that were opened.
#[derive(Default)]
pub(super) struct Registries {
    options: RegistryOptions,
    /// The repositories that were opened.
    opened: Vec<RegistryStore>,
}

/// Everything that a place in a registry is opened with.
pub(super) struct With {
    pub(super) client: HttpClient,
    pub(super) meter: Arc<Meter>,
    pub(super) policy: RetryPolicy,
    pub(super) wholes: Arc<WholeObjects>,
    pub(super) staging: PathBuf,
}

impl Registries {
    pub(super) fn new(options: RegistryOptions) -> Self {
        Self { options, opened: Vec::new() }
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    /// Logs in as a registry wanted it in an earlier run, if the catalog knows.
    pub(super) fn recall(&mut self, url: &RegistryUrl, with: With, catalog: &Catalog) -> Result<(), StoreError> {
        let at = self.repository(url, with)?;
        let kept = catalog.get_document(CHALLENGE_KIND, &key_of(url));
        if let Some(text) = kept.as_deref().and_then(|kept| std::str::from_utf8(kept).ok()) {
            self.opened[at].client().expect_challenge(text);
        }
        Ok(())
    }

    /// Keeps in the catalog how a registry wanted its clients to log in.
    pub(super) fn keep(&self, url: &RegistryUrl, catalog: &Catalog) {
        let known = self.opened.iter().find(|known| *known.url() == url.without_reference());
        if let Some(text) = known.and_then(|known| known.client().challenge())
            && catalog.get_document(CHALLENGE_KIND, &key_of(url)).as_deref() != Some(text.as_bytes())
        {
            catalog.put_document(CHALLENGE_KIND, &key_of(url), text.as_bytes());
        }
    }

    /// Opens a place for reading.
    pub(super) fn open(&mut self, url: &RegistryUrl, with: With) -> Result<Arc<dyn ReadStore>, StoreError> {
        let policy = with.policy.clone();
        let at = self.repository(url, with)?;
        Ok(Arc::new(Retry::new(self.opened[at].at(url.reference.clone()), policy)))
    }

    /// The number of the repository in which a place lies.
    fn repository(&mut self, url: &RegistryUrl, with: With) -> Result<usize, StoreError> {
        let url = url.without_reference();
        if let Some(at) = self.opened.iter().position(|known| *known.url() == url) {
            return Ok(at);
        }
        let With { client, meter, policy, wholes, staging } = with;
        let (http, options) = ((client, meter), &self.options);
        self.opened.push(RegistryStore::new(&url, Rights::Read, options, http, policy, wholes, staging)?);
        Ok(self.opened.len() - 1)
    }

    /// Opens a repository for reading, listing, writing and pruning.
    #[cfg(feature = "registries")]
    pub(super) fn open_store(&mut self, url: &RegistryUrl, with: With) -> Result<Arc<dyn Store>, StoreError> {
        let policy = with.policy.clone();
        let at = self.repository(url, with)?;
        if self.opened[at].rights() != Rights::Write {
            self.opened[at] = self.opened[at].for_writing(&self.options)?;
        }
        Ok(Arc::new(Retry::new(self.opened[at].clone(), policy)))
    }

    /// Refuses, since this build only reads registries.
    #[cfg(not(feature = "registries"))]
    #[expect(clippy::unused_self, reason = "the same call as with the feature")]
    pub(super) fn open_store(&mut self, url: &RegistryUrl, _: With) -> Result<Arc<dyn Store>, StoreError> {
        let reason = "this regrow was built without the feature \"registries\", and only reads them".to_owned();
        Err(StoreError::Location { location: url.to_string(), reason })
    }
}

/// The key of a registry. Its repositories have the same server of tokens.
fn key_of(url: &RegistryUrl) -> String {
    let mut registry = url.without_reference();
    registry.repository.clear();
    registry.to_string()
}
