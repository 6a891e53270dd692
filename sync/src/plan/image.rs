//! The plan of one image, in steps: from its index to its chunks, then to its skeleton, then to the frames of its
//! missing chunks. info and diff stop there, while extract goes on to the image's bytes.

use regrow_local::Seeds;

use super::locate::{Counts, Plan};
use super::recipe;
use super::skeleton::{self, Kept};
use super::target::Target;
use crate::SyncError;
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;

/// The plan of one image, as far as it has been made.
pub(crate) struct ImagePlan {
    /// The tables of the packs that were needed so far.
    pub(crate) packs: Packs,
    /// The image that is planned for.
    pub(crate) target: Target,
    /// The chunks that have been counted so far, by where they came from.
    pub(crate) counts: Counts,
}

impl ImagePlan {
    /// Finds the chunks of the image that the fetcher's index describes. Segments that the seeds have are not fetched.
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
