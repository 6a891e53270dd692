//! Chooses among the images around a store those that patches start from.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use regrow_index::{Index, MAX_PATCHES, Segment};
use regrow_local::{Pool, ScratchFolder};

use super::around::{Failures, Neighbour, indexes_around};
use super::names::{Release, channel_of};
use super::{BaseChoice, FoundBase};
use crate::plan::compare::{Comparison, Costs, Described};
use crate::plan::overlap::KnownSegments;
use crate::plan::tree::Reading;
use crate::{Location, Network, Progress, SyncError};

/// The most images whose recipes are compared with the new one chunk by chunk. Their indexes tell which ones.
const MOST_COMPARED: usize = 16;
/// The most images whose contents are compared with the new one. Their recipes tell which ones.
const MOST_SAMPLED: usize = 8;

/// The new image.
pub(crate) struct Target<'a> {
    /// Where its index will lie, or lies.
    pub(crate) location: &'a Location,
    pub(crate) index: &'a Index,
    /// The channel that it will have, if it has one.
    pub(crate) channel: Option<&'a str>,
    /// Its segments, if they are at hand. Otherwise they are read from the store.
    pub(crate) segments: Vec<Segment>,
    /// The store that holds it.
    pub(crate) store: &'a Location,
}

/// Finds the bases that are not named by the user, for each choice the best ones first. Each image comes once.
///
/// If there are none, a warning says so: a first release has no predecessor.
///
/// # Errors
/// The new image cannot be read from its store, or a temporary folder cannot be made. Other images that cannot be read
/// are passed over with a warning.
pub(crate) fn find_bases(
    choices: &[BaseChoice],
    mut target: Target<'_>,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<Vec<FoundBase>, SyncError> {
    if choices.iter().all(|choice| matches!(choice, BaseChoice::Index(_))) {
        return Ok(Vec::new());
    }
    let (image, format) = (target.index.image_id(), target.index.units.is_some());
    let most = choices.iter().filter_map(BaseChoice::similar).max();
    let mut around = indexes_around(target.store, target.location, most.is_some(), network, progress);
    around.retain(|found| {
        let index = &found.index;
        index.image_id() != image && index.params == target.index.params && index.units.is_some() == format
    });
    let newest: Vec<Neighbour> = newest(&around, &target).into_iter().take(MAX_PATCHES).cloned().collect();
    let mut images = BTreeSet::new();
    around.retain(|found| images.insert(found.index.image_id()));
    let mut found: Vec<FoundBase> = Vec::new();
    let segments = KnownSegments::of(std::mem::take(&mut target.segments));
    let similar = match most {
        Some(most) => most_similar(&around, most, (&target, segments), network, progress)?,
        None => Vec::new(),
    };
    let similar: Vec<Neighbour> = similar.into_iter().cloned().collect();
    let mut seen = BTreeSet::new();
    for choice in choices {
        let chosen = match choice {
            BaseChoice::Index(_) => continue,
            BaseChoice::Newest(count) => &newest[..newest.len().min(*count)],
            BaseChoice::Similar(_) => &similar[..],
        };
        if chosen.is_empty() {
            let reason = "no image was found around the store that a patch could start from";
            progress.warn(&format!("{choice}: {reason}"));
        }
        let fresh = chosen.iter().filter(|base| seen.insert(base.index.image_id()));
        found.extend(fresh.map(|base| FoundBase { location: base.location.clone(), index: base.index.clone() }));
    }
    Ok(found)
}

/// The earlier releases of the image, the newest first: by the counters that they claim, then by time. An image that has
/// several indexes comes once.
fn newest<'n>(around: &'n [Neighbour], target: &Target<'_>) -> Vec<&'n Neighbour> {
    let name = name_of(target.location);
    let new = Release { name: &name, channel: target.channel };
    let is_release =
        |found: &&Neighbour| new.is_like(&Release { name: &found.name, channel: channel_of(&found.index) });
    let mut releases: Vec<&Neighbour> = around.iter().filter(is_release).collect();
    let counter = |index: &Index| index.units.as_ref().map_or(0, |units| units.claims.counter);
    releases.sort_by_key(|found| Reverse((counter(&found.index), found.modified)));
    let mut seen = BTreeSet::new();
    releases.retain(|found| seen.insert(found.index.image_id()));
    releases
}

/// The last part of a location.
fn name_of(location: &Location) -> String {
    let whole = match location {
        Location::Url(url) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        other => other.to_string(),
    };
    whole.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The images from which patches to the new one are likely to be the smallest, `most` by each of two estimates. Of equal
/// ones the newest comes first.
fn most_similar<'n>(
    around: &'n [Neighbour],
    most: usize,
    (target, mut segments): (&Target<'_>, KnownSegments),
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<Vec<&'n Neighbour>, SyncError> {
    let pool = Pool::new();
    let scratch = ScratchFolder::new(network.scratch()).map_err(SyncError::io(network.scratch()))?;
    let stores = [target.store.clone()];
    let mut reading = Reading { stores: &stores, network, pool: &pool, scratch: scratch.path(), progress };
    if !segments.read(target.location, target.index, &mut reading)? {
        return Ok(Vec::new());
    }
    let mut failures = Failures::default();
    let compared = least_missing(around, most, target, &mut segments, &mut reading, &mut failures);
    let bases: Vec<Described<'_>> = compared.iter().map(|base| (&base.location, &base.index)).collect();
    let described = (target.location, target.index);
    let costs = Comparison::costs(&segments, described, &bases, &mut reading, &mut |error| failures.add(error))?;
    failures.warn(progress);
    let costs = costs.into_iter().zip(compared).filter_map(|(costs, base)| Some((costs?, base)));
    let total = segments.missing_bytes(target.index, None);
    // Samples err by a few percent, and a patch that saves less serves nobody.
    let most_cost = |costs: &Costs| if costs.is_sampled { total - total / 10 } else { total };
    let worth: Vec<(Costs, &Neighbour)> = costs.filter(|(costs, _)| costs.plain < most_cost(costs)).collect();
    let best_by = |cost: fn(&Costs) -> u64| {
        let mut ranked = worth.clone();
        ranked.sort_by_key(|(costs, _)| cost(costs));
        ranked.into_iter().take(most).map(|(_, base)| base)
    };
    let mut chosen: Vec<&Neighbour> = best_by(|costs| costs.plain).collect();
    for base in best_by(|costs| costs.changed) {
        if chosen.iter().all(|other| other.location != base.location) {
            chosen.push(base);
        }
    }
    Ok(chosen)
}

/// The images with the most chunks of the new one by their bytes, the best first. Only those with the most of its
/// segments are looked at. Their own segments are known then.
fn least_missing<'n>(
    around: &'n [Neighbour],
    most: usize,
    target: &Target<'_>,
    segments: &mut KnownSegments,
    reading: &mut Reading<'_>,
    failures: &mut Failures,
) -> Vec<&'n Neighbour> {
    let by_segments = |base: &'n Neighbour| (segments.bytes_in_missing_segments(target.index, &base.index), base);
    let mut ranked: Vec<(u64, &Neighbour)> = around.iter().map(by_segments).collect();
    // The sort is stable, and the newest came first.
    ranked.sort_by_key(|(missing, _)| *missing);
    ranked.truncate(MOST_COMPARED.max(most * 2));
    let mut compared = Vec::new();
    for (_, base) in ranked {
        match segments.read(&base.location, &base.index, reading) {
            Ok(false) => {}
            Ok(true) => compared.push((segments.missing_bytes(target.index, Some(&base.index)), base)),
            Err(error) => failures.add(&error),
        }
    }
    compared.sort_by_key(|(missing, _)| *missing);
    compared.truncate(MOST_SAMPLED.max(most));
    compared.into_iter().map(|(_, base)| base).collect()
}
