//! Makes patches to a new image from the images that machines may have, before its index is published.

use std::path::Path;

use regrow_index::{Index, Segment};
use regrow_patch::NOTHING;
use regrow_store::StoreError;

use super::MakeOptions;
use crate::flows::bases::{BaseChoice, FoundBase, Target, find_bases};
use crate::flows::patch::local::Given;
use crate::flows::patch::{
    PatchOptions, PatchReport, Publication, Whole, announcement, formats_differ, publish, publish_whole,
    whole_announcement,
};
use crate::{Location, Network, Progress, SyncError};

/// An image that machines may have.
pub(super) struct PatchBase {
    location: Location,
    index: Index,
    /// Whether the user named the index.
    is_named: bool,
}

impl PatchBase {
    pub(super) fn index(&self) -> &Index {
        &self.index
    }
}

/// Reads the indexes that patches will be made from. A missing index is skipped with a warning, because a first release
/// has no predecessor.
pub(super) fn bases(
    options: &MakeOptions,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<Vec<PatchBase>, SyncError> {
    if (options.whole || !options.patch_from.is_empty()) && options.image_file.is_none() {
        return Err(needs_file());
    }
    let mut bases = Vec::new();
    for choice in &options.patch_from {
        let BaseChoice::Index(location) = choice else { continue };
        match network.load_index(location) {
            Ok(index) => bases.push(PatchBase { location: location.clone(), index, is_named: true }),
            Err(SyncError::Store(error @ StoreError::NotFound { .. })) => {
                progress.warn(&format!("{error}; no patch is made from its image"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bases)
}

/// Makes a patch from each base, and announces the patches in the index. The image's name is used in errors. `segments`
/// are the image's, if bases will be found by comparing images.
pub(super) fn make(
    (options, image_name): (&MakeOptions, &Path),
    mut bases: Vec<PatchBase>,
    segments: Vec<Segment>,
    index: &mut Index,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<Vec<PatchReport>, SyncError> {
    let channel = options.channel();
    let target = Target { location: &options.index, index, channel, segments, store: &options.store };
    let found = find_bases(&options.patch_from, target, network, progress).unwrap_or_else(|error| {
        progress.warn(&format!("{error}; no patch is made from images around the store"));
        Vec::new()
    });
    bases.extend(found.into_iter().map(|FoundBase { location, index }| PatchBase { location, index, is_named: false }));
    let mut reports = Vec::new();
    for base in &bases {
        let id = base.index.image_id();
        if id == index.image_id() || index.announces(&id) {
            continue;
        }
        if formats_differ(&base.index, index) {
            progress.warn(&format!("{}: has another format; no patch is made from its image", base.location));
            continue;
        }
        let patch = PatchOptions {
            store: Some(options.store.clone()),
            old_files: options.old_files.clone(),
            old_or_stored: !base.is_named || options.old_or_stored,
            level: options.patch_level,
            least_saving: options.patch_least_saving,
            ..PatchOptions::new(base.location.clone(), options.index.clone())
        };
        let publication = Publication {
            options: &patch,
            catalog: options.catalog.as_ref(),
            new_file: options.image_file.as_ref().map(|file| Given::Open(file, image_name)),
            old: &base.index,
            new: index,
            store: &options.store,
        };
        let mut report = match publish(&publication, network, progress) {
            // Nobody asked for this very patch, and the image is worth more than it.
            Err(error) if !base.is_named => {
                progress.warn(&format!("{error}; no patch is made from the image of {}", base.location));
                continue;
            }
            report => report?,
        };
        if report.not_worth {
            reports.push(report);
            continue;
        }
        report.announced = index.announce_last(announcement(&base.index, &report));
        reports.push(report);
    }
    if options.whole {
        reports.push(make_whole(options, image_name, index, network, progress)?);
    }
    Ok(reports)
}

/// Makes a patch from nothing, and announces it.
fn make_whole(
    options: &MakeOptions,
    image_name: &Path,
    index: &mut Index,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<PatchReport, SyncError> {
    let file = options.image_file.as_ref().ok_or_else(needs_file)?;
    let whole = Whole {
        location: &options.index,
        index,
        file: Given::Open(file, image_name),
        store: &options.store,
        catalog: options.catalog.as_ref(),
        level: options.patch_level,
    };
    let mut report = publish_whole(&whole, network, progress)?;
    if !report.not_worth {
        report.announced = index.announces(&NOTHING) || index.announce_last(whole_announcement(&report));
    }
    Ok(report)
}

fn needs_file() -> SyncError {
    SyncError::Usage("a patch needs the image as a file".to_owned())
}
