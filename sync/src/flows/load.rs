//! Gives an image to the container engine of this machine. The engine is asked which layers it has, and only the others
//! are put together and sent, with what the engine's storage holds as a seed. No archive is written.

pub(crate) mod archive;
mod choice;
mod documents;
mod platform;
mod remembered;
mod report;
mod sending;

use std::path::{Path, PathBuf};
use std::time::Instant;

use regrow_chunker::Digest;
use regrow_engine::{Engine, EngineError, EngineKind, EngineOptions, Image, Room};
use regrow_local::{EngineStorage, ScratchFolder, StorageKind, check_time};

use crate::flows::extract::ExtractOptions;
use crate::{Location, Network, Progress, SyncError, SyncWarning};

use archive::ArchiveFiles;
use choice::Choice;
use documents::ArchivedImage;
pub use report::{LoadReport, LoadedImage, LoadedLayer};
use sending::Sending;

/// The options of loading an image.
pub struct LoadOptions {
    /// The options that loading shares with extracting. The storage of the engine is a seed without being named here.
    pub extract: ExtractOptions,
    /// The way to the engine.
    pub engine: EngineOptions,
    /// The folders in which commands are looked for.
    pub search_path: Vec<PathBuf>,
    /// The name that the image gets, instead of its own.
    pub tag: Option<String>,
}

/// Gives the image that the index at `location` describes to an engine. The engine's storage is added to the seeds.
///
/// # Errors
/// Returns a [`SyncError`] if there is no engine, if the image cannot be put together, or if the engine does not take
/// it. Whatever happens, the image's names lead to the earlier image or to the complete new one.
pub fn load(
    location: &Location,
    options: &mut LoadOptions,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<LoadReport, SyncError> {
    let loaded = load_in_time(location, options, network, progress);
    // An engine that is cut off when the time is up says that it was silent, or something of its own.
    if matches!(loaded, Err(SyncError::Engine(_))) {
        check_time(progress)?;
    }
    loaded
}

fn load_in_time(
    location: &Location,
    options: &mut LoadOptions,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<LoadReport, SyncError> {
    let start = Instant::now();
    let LoadOptions { extract, engine, search_path, tag } = options;
    let mut engine = regrow_engine::find(engine, search_path)?;
    let storage = storage_of(&mut *engine, progress)?;
    if let Some(storage) = &storage {
        extract.seeds.insert(0, storage.as_seed());
    }
    let extract = &*extract;
    let (scratch, meter) = (network.scratch().to_owned(), network.meter().clone());
    let mut known = None;
    let mut is_there = |digest: &[u8; 32]| {
        known =
            remembered::images_of(extract.catalog.as_ref(), &Digest::from_bytes(*digest).to_string(), tag.as_deref());
        match &known {
            Some(known) => has_all(&mut *engine, known),
            None => Ok(false),
        }
    };
    let files = archive::open(location, extract, network, progress, &mut is_there)?;
    let Some(mut files) = files else {
        let mut report = LoadReport::already(engine.kind(), known.unwrap_or_default());
        (report.extract.bytes_fetched, report.extract.requests) = (meter.body_bytes(), meter.requests());
        report.extract.elapsed = start.elapsed();
        return Ok(report);
    };
    let place = location.to_string();
    let images = named(documents::images(&mut *files, &place)?, tag.clone(), engine.kind(), progress)?;
    let loading = Load { engine: &mut *engine, images, storage, scratch: &scratch, location: &place, progress };
    let mut report = loading.run(&mut *files, extract.dry_run)?;
    report.extract = files.report();
    report.extract.verified = !extract.dry_run;
    if !extract.dry_run {
        remembered::remember(extract.catalog.as_ref(), &report.extract.image_digest, &report.images);
    }
    report.extract.elapsed = start.elapsed();
    Ok(report)
}

/// The storage of an engine, if this user can read it here.
fn storage_of(engine: &mut dyn Engine, progress: &dyn Progress) -> Result<Option<EngineStorage>, SyncError> {
    let kind = match engine.kind() {
        EngineKind::Docker => StorageKind::Docker,
        EngineKind::Podman => StorageKind::Containers,
        _ => StorageKind::Containerd,
    };
    let Some(root) = engine.storage_root()? else { return Ok(None) };
    let storage = EngineStorage { kind, root };
    if storage.is_readable() {
        return Ok(Some(storage));
    }
    progress.warn_of(&SyncWarning::StorageUnreadable { root: storage.root });
    Ok(None)
}

/// The images with the names that they are to get.
fn named(
    mut images: Vec<ArchivedImage>,
    tag: Option<String>,
    engine: EngineKind,
    progress: &dyn Progress,
) -> Result<Vec<ArchivedImage>, SyncError> {
    if let Some(tag) = tag {
        let [one] = &mut images[..] else {
            return Err(SyncError::SeveralImages { count: images.len() });
        };
        one.image.names = vec![tag];
    }
    if images.iter().any(|archived| archived.image.names.is_empty()) {
        if engine == EngineKind::Containerd {
            return Err(EngineError::Unnamed { engine }.into());
        }
        progress.warn_of(&SyncWarning::UnnamedImage);
    }
    Ok(images)
}

/// Whether an engine has all of these images, under all of their names.
fn has_all(engine: &mut dyn Engine, images: &[LoadedImage]) -> Result<bool, SyncError> {
    for image in images {
        let by_id = std::slice::from_ref(&image.id);
        for name in if image.names.is_empty() { by_id } else { &image.names } {
            if engine.image_id(name)?.is_none_or(|id| id.to_string() != image.id) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Images on their way into an engine.
struct Load<'a> {
    engine: &'a mut dyn Engine,
    images: Vec<ArchivedImage>,
    storage: Option<EngineStorage>,
    scratch: &'a Path,
    location: &'a str,
    progress: &'a dyn Progress,
}

impl Load<'_> {
    fn run(mut self, files: &mut dyn ArchiveFiles, is_dry_run: bool) -> Result<LoadReport, SyncError> {
        let mut report = LoadReport::of(self.engine.kind(), &self.images);
        if has_all(self.engine, &report.images)? {
            report.already_there = true;
            return Ok(report);
        }
        let choice = self.choose(files)?;
        choice.count(&mut report);
        if is_dry_run {
            files.put_together(&choice.wanted(), &mut Sending::nowhere())?;
            return Ok(report);
        }
        if let Err(error) = self.send(files, &choice) {
            // It may have deleted layers that it had when it was asked.
            let Some(again) = self.choose(files).ok().filter(|again| again.asks_more_than(&choice)) else {
                return Err(error);
            };
            self.progress.warn_of(&SyncWarning::LayersLost);
            self.send(files, &again)?;
            again.count(&mut report);
        }
        for archived in &self.images {
            self.engine.check(&archived.image)?;
        }
        Ok(report)
    }

    /// Asks the engine which layers it has.
    fn choose(&mut self, files: &dyn ArchiveFiles) -> Result<Choice, SyncError> {
        let form = self.engine.form()?;
        let blobs = match self.engine.kind() {
            // Podman itself tells nothing of the compressed forms of its layers.
            EngineKind::Podman => self.storage.as_ref().map(EngineStorage::compressed_blobs).unwrap_or_default(),
            _ => Default::default(),
        };
        let mut choice = Choice::new(form, self.location);
        for archived in &self.images {
            let mut held = self.engine.held(&archived.image)?;
            for (held, layer) in held.iter_mut().zip(&archived.image.layers) {
                *held |= blobs.contains(layer.blob.digest.as_bytes());
            }
            choice.add(archived, &held, files)?;
        }
        Ok(choice)
    }

    fn send(&mut self, files: &mut dyn ArchiveFiles, choice: &Choice) -> Result<(), SyncError> {
        let images: Vec<Image> = self.images.iter().map(|archived| archived.image.clone()).collect();
        let folder = match self.engine.room() {
            Room::Layers => Some(ScratchFolder::new(self.scratch).map_err(SyncError::io(self.scratch))?),
            Room::None => None,
        };
        let scratch = folder.as_ref().map_or(self.scratch, ScratchFolder::path);
        let mut sending = Sending::new(self.engine.begin(images, scratch)?, &choice.sent, self.progress);
        files.put_together(&choice.wanted(), &mut sending)?;
        sending.finish()
    }
}
