//! Publishes an image again under the name that it has already.

use regrow_index::{Index, MAX_INDEX_BYTES};
use regrow_store::{patch_name, read_small};

use super::Destination;
use crate::Network;

impl Destination {
    /// Keeps what the index that will be replaced announces, if it describes the same image: machines find patches by
    /// announcements, and whoever runs a command again wants to lose none. Patches that are gone are left out.
    pub(super) fn keep_announced(&self, index: &mut Index, network: &Network) {
        let read = network.block_on(read_small(&*self.place, &self.name, MAX_INDEX_BYTES));
        // An index that cannot be read announces nothing.
        let Some(old) = read.ok().flatten().and_then(|(bytes, _)| Index::decode(&bytes).ok()) else { return };
        let target = index.image_id();
        if old.image_id() != target {
            return;
        }
        for patch in old.patches {
            let name = patch_name(&patch.base, &target);
            if matches!(network.block_on(self.store.stat(&name)), Ok(Some(_))) {
                index.announce_last(patch);
            }
        }
    }
}
