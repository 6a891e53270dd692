//! The plan of one image, as far as it goes: from an index to the image's chunks, to its skeleton, to the frames of what is missing.
//! info and diff look at it; extract goes on from it to the image's bytes.

use regrow_local::Seeds;

use super::locate::{Counts, Plan};
use super::recipe;
use super::skeleton::{self, Kept};
use super::target::Target;
use crate::SyncError;
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;

/// See the module's documentation.
pub(crate) struct ImagePlan {
    /// The packs' tables, as far as they were needed.
    pub(crate) packs: Packs,
    /// The image that is planned for.
    pub(crate) target: Target,
    /// Where its chunks have come from until now.
    pub(crate) counts: Counts,
}

impl ImagePlan {
    /// The chunks of the image that a fetcher's index describes; what follows from seeds is not fetched.
    pub(crate) fn of(fetcher: &Fetcher<'_>, seeds: &Seeds) -> Result<Self, SyncError> {
        let mut packs = Packs::new(fetcher.index);
        let target = Target::new(fetcher.index, recipe::resolve(fetcher, &mut packs, seeds)?);
        Ok(Self { packs, target, counts: Counts::default() })
    }

    /// Puts the skeleton together, and reads from it where contents belong.
    pub(crate) fn read_skeleton(
        &mut self,
        fetcher: &Fetcher<'_>,
        seeds: &Seeds,
        kept: Kept<'_>,
    ) -> Result<(), SyncError> {
        let (packs, counts) = (&mut self.packs, &mut self.counts);
        let spool = skeleton::assemble(fetcher, packs, seeds, &self.target, counts, kept)?;
        self.target.set_skeleton(spool, fetcher.index, &fetcher.location.to_string())
    }

    /// Finds the frames of the chunks that have no source yet.
    pub(crate) fn locate(&mut self, fetcher: &Fetcher<'_>, plan: &mut Plan) -> Result<(), SyncError> {
        plan.locate(fetcher, &mut self.packs, &self.target)
    }
}
