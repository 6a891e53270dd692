//! Makes patches from several images to one.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{PatchOptions, PatchReport, patch, store_of};
use crate::flows::bases::{BaseChoice, FoundBase, Target, channel_of, find_bases};
use crate::flows::seconds::as_seconds;
use crate::{Location, Network, Progress, SyncError};

/// The result of making several patches.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PatchesReport {
    /// The patches, in the order of the choices.
    pub patches: Vec<PatchReport>,
    /// The number of requests over a network, retries included.
    pub requests: u64,
    /// The time that the run took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

/// Makes a patch to the new image from each of the chosen images, and puts it into the store. The old image in the
/// options is ignored. Where nothing is found for a choice, or no patch can be made from what is found, a warning says so.
///
/// # Errors
/// Returns a [`SyncError`] as [`patch`](crate::patch()) does for an image that was named. Patches that were made before
/// stay.
pub fn patch_from(
    choices: &[BaseChoice],
    mut options: PatchOptions,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<PatchesReport, SyncError> {
    let start = Instant::now();
    let mut named = Vec::new();
    for choice in choices {
        let BaseChoice::Index(location) = choice else { continue };
        named.push(location.clone());
    }
    let found = find(choices, &named, &options, network, progress)?;
    // The files are those of some of the images.
    options.old_or_stored = named.len() + found.len() > 1 || !found.is_empty();
    let mut patches = Vec::new();
    for location in named {
        options.old = location;
        patches.push(patch(&options, network, progress)?);
    }
    for location in found {
        options.old = location;
        match patch(&options, network, progress) {
            Ok(report) => patches.push(report),
            Err(error) => progress.warn(&format!("{error}; no patch is made from the image of {}", options.old)),
        }
    }
    Ok(PatchesReport { patches, requests: network.meter().requests(), elapsed: start.elapsed() })
}

/// The indexes that are found for the choices, without those that are named too.
fn find(
    choices: &[BaseChoice],
    named: &[Location],
    options: &PatchOptions,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<Vec<Location>, SyncError> {
    if named.len() == choices.len() {
        return Ok(Vec::new());
    }
    let new = network.load_index(&options.new)?;
    let store = store_of(options, &new)?;
    let images = named.iter().map(|location| Ok(network.load_index(location)?.image_id()));
    let images = images.collect::<Result<Vec<_>, SyncError>>()?;
    let (location, channel) = (&options.new, channel_of(&new));
    let target = Target { location, index: &new, channel, segments: Vec::new(), store: &store };
    let found = find_bases(choices, target, network, progress)?.into_iter();
    let others = found.filter(|base| !images.contains(&base.index.image_id()));
    Ok(others.map(|FoundBase { location, .. }| location).collect())
}
