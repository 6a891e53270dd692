//! The rest of an index of which the head alone was read. It is read only if it turns out to be needed.

use std::sync::OnceLock;

use regrow_catalog::Catalog;
use regrow_index::{CodedStretch, Index};

use crate::place::network::OpenHead;
use crate::{Location, Network, SyncError};

/// The blocks behind the head of an index.
pub(crate) struct Rest<'a> {
    open: &'a OpenHead,
    catalog: Option<&'a Catalog>,
    /// The units that are wanted of the image, if not all are.
    units: Option<Vec<usize>>,
    whole: OnceLock<Index>,
}

impl<'a> Rest<'a> {
    pub(crate) fn new(open: &'a OpenHead, catalog: Option<&'a Catalog>) -> Self {
        Self { open, catalog, units: None, whole: OnceLock::new() }
    }

    /// The same, of these units alone ([`Index::of_units`]).
    pub(crate) fn of_units(self, units: Vec<usize>) -> Self {
        Self { units: Some(units), ..self }
    }

    /// The number of bytes of the recipes of coded files that were not read.
    pub(crate) fn codings_left(&self) -> u64 {
        self.open.codings_left()
    }

    /// The recipes of the image's coded files. If they cannot be had by themselves, the whole index is read.
    ///
    /// # Errors
    /// [`SyncError::Replaced`] if the index of another image lies there by now.
    pub(crate) fn codings(&self, network: &Network, location: &Location) -> Result<Vec<CodedStretch>, SyncError> {
        match network.codings(location, self.open) {
            Ok(codings) => Ok(codings),
            Err(_) => self.index(network, location).map(|index| index.codings.clone()),
        }
    }

    /// The whole index, if it has been read.
    pub(crate) fn found(&self) -> Option<&Index> {
        self.whole.get()
    }

    /// Reads the whole index, unless that was done before.
    ///
    /// # Errors
    /// [`SyncError::Replaced`] if the index of another image lies there by now.
    pub(crate) fn index(&self, network: &Network, location: &Location) -> Result<&Index, SyncError> {
        if let Some(index) = self.whole.get() {
            return Ok(index);
        }
        let index = network.complete(location, self.open, self.catalog)?;
        // The statement was checked, and the digest and the claims are part of it. The image id covers neither.
        if index.statement().as_ref() != Some(&self.open.head.statement) {
            return Err(SyncError::Replaced { location: location.to_string() });
        }
        let index = match &self.units {
            Some(units) => index.of_units(units),
            None => index,
        };
        Ok(self.whole.get_or_init(|| index))
    }
}
