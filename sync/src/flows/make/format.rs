//! Chooses the version of a new index's format.

use regrow_index::{Index, MAGIC, VERSION_1};
use regrow_store::{Span, take_bounded};

use super::{Destination, IndexFormat, MakeOptions};
use crate::Network;

/// The bytes at the beginning of an index that tell its version.
const VERSION_BYTES: u64 = MAGIC.len() as u64 + 4;

impl Destination {
    /// The format that is asked for, or else the one that fits the images before this one. Readers that took version 1
    /// until now may know no other.
    pub(super) fn format<'a>(
        &self,
        options: &MakeOptions,
        before: impl Iterator<Item = &'a Index>,
        network: &Network,
    ) -> IndexFormat {
        if let Some(format) = options.format {
            return format;
        }
        #[cfg(feature = "sign")]
        if options.signing.is_some() {
            return IndexFormat::V2;
        }
        let mut old: Vec<bool> = before.map(|index| index.units.is_none()).collect();
        if old.is_empty() {
            old.extend(self.replaces_version_1(network));
        }
        if !old.is_empty() && old.iter().all(|&is_old| is_old) { IndexFormat::V1 } else { IndexFormat::V2 }
    }

    /// Whether the index that will be replaced has version 1. `None` means that there is none, or that it is not known.
    fn replaces_version_1(&self, network: &Network) -> Option<bool> {
        let read = async {
            let download = self.place.get(&self.name, Span::Front(VERSION_BYTES)).await?;
            take_bounded(download, self.place.location(), &self.name, VERSION_BYTES).await
        };
        let front = network.block_on(read).ok()?;
        let version = front.strip_prefix(&MAGIC[..])?;
        Some(version == VERSION_1.to_le_bytes())
    }
}
