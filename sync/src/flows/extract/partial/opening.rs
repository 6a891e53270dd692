//! Opens an image of which parts will be put together: reads and checks its index, opens seeds, and takes a patch if
//! there is one that pays.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use regrow_chunker::PartKind;
use regrow_image::WalkRules;
use regrow_index::Index;
use regrow_local::{EngineStorage, Pool, SeedContext, Seeds};
use regrow_store::{Failover, ReadStore};

use super::SomeParts;
use crate::flows::extract::attempt::Call;
use crate::flows::extract::headed::Codings;
use crate::flows::extract::output::OutputFile;
use crate::flows::extract::patched::{self, Extended};
use crate::flows::extract::report::{ExtractReport, StorageReport};
use crate::flows::extract::{ExtractOptions, Form, Output, Run, extract, headed, remember};
use crate::place::network::{Front, HeadFirst, OpenHead};
use crate::plan::closed_parts::{ClosedLayer, Opener};
use crate::plan::given_seeds::GivenSeeds;
use crate::plan::locate::Counts;
use crate::plan::outline::outline;
use crate::plan::recipe::KnownSegments;
use crate::transfer::packs::Packs;
use crate::transfer::prefetch::Prefetch;
use crate::transfer::rest::Rest;
use crate::{Location, Network, Progress, SyncError};

/// An image that was opened.
pub(crate) enum Opened<'a> {
    /// Its parts can be put together alone.
    Parts(Box<SomeParts<'a>>),
    /// All of it lies in this file, since nothing less can be verified.
    Whole(Box<WholeImage>),
    /// Nothing of it is needed.
    Unneeded,
}

/// An image that was extracted to a file without a name.
pub(crate) struct WholeImage {
    pub(crate) file: File,
    /// The name that the file had, for messages.
    pub(crate) path: PathBuf,
    pub(crate) report: ExtractReport,
}

/// Opens an image.
///
/// # Errors
/// The image is not trusted, or its index or a seed cannot be read.
pub(crate) fn open<'a>(
    location: &'a Location,
    options: &'a ExtractOptions,
    network: &'a mut Network,
    progress: &'a dyn Progress,
    is_there: &mut dyn FnMut(&[u8; 32]) -> Result<bool, SyncError>,
) -> Result<Opened<'a>, SyncError> {
    let catalog = options.catalog.as_ref();
    let front = match options.patches && !options.seeds.is_empty() {
        true => {
            let head_first = if options.head_first { HeadFirst::Always } else { HeadFirst::Likely };
            network.open_front(location, catalog, head_first)?
        }
        false => Front::Index(network.load_index_unless_known(location, catalog)?.into()),
    };
    let (index, open) = match front {
        Front::Index(index) => (*index, None),
        Front::Head(open) => (outline(&open.head, Vec::new()), Some(open)),
    };
    let call = Call { location, options, progress };
    let signers = call.check_index(&index)?;
    if is_there(&index.image_digest)? {
        return Ok(Opened::Unneeded);
    }
    if !has_parts(&index) || (options.trust.digest.is_some() && options.trust.keys.is_empty()) {
        return whole(&call, network).map(|image| Opened::Whole(Box::new(image)));
    }
    let stores = network.stores_of(location, &index, &options.stores)?;
    let network = &*network;
    // Without a patch, the blocks are needed in any case.
    let (index, open) = match open {
        Some(open) if open.head.patches.is_empty() => (whole_index(location, (&index, &open), network, options)?, None),
        open => (index, open),
    };
    let opening = Opening { call, signers, network, stores, pool: Arc::new(Pool::new()) };
    opening.with_seeds(index, open).map(Opened::Parts)
}

/// Whether parts of the image are worth being put together alone. An image that is a single archive without parts of its
/// own, as one with layers in a form that is not seen through, has nothing but that.
fn has_parts(index: &Index) -> bool {
    let parts = index.units.iter().flat_map(|units| &units.parts);
    let has_tar = parts.clone().any(|part| part.kind == PartKind::Tar);
    has_tar && index.units.iter().any(|units| units.wrapper.contents.bytes > 0)
}

/// Extracts all of an image. It is verified by its digest.
fn whole(call: &Call<'_>, network: &mut Network) -> Result<WholeImage, SyncError> {
    if call.options.dry_run {
        let reason = "its parts cannot be told apart, so a dry run does not tell what loading it costs";
        return Err(SyncError::Usage(format!("{}: {reason}", call.location)));
    }
    let scratch = network.scratch().to_owned();
    let folder = tempfile::tempdir_in(&scratch).map_err(SyncError::io(&scratch))?;
    let path = folder.path().join("image");
    let report = extract(call.location, Output::File(path.clone()), call.options, network, call.progress)?;
    let file = File::open(&path).map_err(SyncError::io(&path))?;
    Ok(WholeImage { file, path, report })
}

/// Reads the blocks behind a head.
fn whole_index(
    location: &Location,
    (outline, open): (&Index, &OpenHead),
    network: &Network,
    options: &ExtractOptions,
) -> Result<Index, SyncError> {
    let index = network.complete(location, open, options.catalog.as_ref())?;
    if index.statement() == outline.statement() {
        return Ok(index);
    }
    Err(SyncError::Replaced { location: location.to_string() })
}

/// An image whose index was checked.
struct Opening<'a> {
    call: Call<'a>,
    signers: u64,
    network: &'a Network,
    stores: Vec<Arc<dyn ReadStore>>,
    pool: Arc<Pool>,
}

impl<'a> Opening<'a> {
    /// Opens the seeds, and takes a patch.
    fn with_seeds(self, index: Index, open: Option<Box<OpenHead>>) -> Result<Box<SomeParts<'a>>, SyncError> {
        let Self { call: Call { location, options, progress }, network, .. } = self;
        let catalog = options.catalog.as_ref();
        let mut seeds = Seeds::default();
        let (storages, closed) = {
            let ahead = self.call.read_ahead(&index, &self.stores, network);
            let context = SeedContext {
                rules: WalkRules::of_version(index.walk_version).unwrap_or_default(),
                params: index.params,
                pool: &self.pool,
                catalog,
                progress,
                scratch: network.scratch(),
                unfolds: true,
                on_scan: &|| ahead.on_scan(),
            };
            let memory = remember::open(options.memory.as_deref(), progress);
            let mut given = GivenSeeds::new(&index, memory, &context).leaving_parts_closed();
            options.seeds.iter().try_for_each(|seed| given.open(&mut seeds, seed))?;
            given.finish(&mut seeds);
            let storages = given.storages.iter().map(StorageReport::of).collect();
            (storages, self.closed(&index, given.closed.unwrap_or_default()))
        };
        let index = match &open {
            Some(open) => {
                let (network, seeds) = ((network, catalog), (&seeds, &closed[..]));
                headed::settle(location, (&index, open), seeds, network, Codings::First)?
            }
            None => index,
        };
        let (index, open, counts) = self.patched(index, open, &mut seeds, &closed)?;
        let Self { call, signers, stores, pool, .. } = self;
        let health = Arc::new(Failover::new(stores.len()));
        Ok(Box::new(SomeParts {
            location,
            options,
            progress,
            network,
            pool,
            closed,
            segments: KnownSegments::new(&index, &seeds),
            packs: Packs::new(&index),
            report: opened_report(&call, &index, signers, storages),
            index,
            open,
            stores,
            health,
            seeds: Arc::new(seeds),
            counts,
        }))
    }

    /// The parts of the image that storages hold, each once.
    fn closed(&self, index: &Index, found: Vec<(EngineStorage, usize)>) -> Vec<ClosedLayer<'a>> {
        let Call { options, progress, .. } = self.call;
        let opener = Opener {
            rules: WalkRules::of_version(index.walk_version).unwrap_or_default(),
            params: index.params,
            pool: Arc::clone(&self.pool),
            catalog: options.catalog.as_ref(),
            progress,
            scratch: self.network.scratch().to_owned(),
        };
        let layer = |(storage, number)| ClosedLayer::new(index, number, storage, opener.clone());
        found.into_iter().filter_map(layer).collect()
    }

    /// Adds what a patch yields to the seeds, if one pays. Returns the index with the recipe of the parts that are known.
    fn patched(
        &self,
        index: Index,
        open: Option<Box<OpenHead>>,
        seeds: &mut Seeds,
        closed: &[ClosedLayer<'_>],
    ) -> Result<(Index, Option<Box<OpenHead>>, Counts), SyncError> {
        let Call { location, options, progress } = self.call;
        let (network, scratch) = (self.network, self.network.scratch());
        let found = {
            let rest = open.as_ref().map(|open| Rest::new(open, options.catalog.as_ref()));
            let prefetch = Prefetch::new(network, &self.stores, &index, options.patches, options.connections);
            let run = Run {
                location,
                index: &index,
                rest: rest.as_ref(),
                stores: self.stores.clone(),
                health: Arc::new(Failover::new(self.stores.len())),
                prefetch: &prefetch,
                options,
                pool: &self.pool,
                progress,
                network,
                form: Form::Plain,
            };
            let output = OutputFile::handed(0, scratch)?;
            patched::extend_seeds(&run, &run.fetcher(&output), seeds, Some(closed), (&output, scratch))?
        };
        match (found, open) {
            (Extended::Recipe(index), open) => Ok((*index, open, Counts::default())),
            (Extended::Planned(counts), None) => Ok((index, None, counts)),
            (Extended::Nothing, None) => Ok((index, None, Counts::default())),
            // In a dry run, the patch does not give the recipe either.
            (found, Some(open)) => {
                let whole = whole_index(location, (&index, &open), network, options)?;
                let counts = if let Extended::Planned(counts) = found { counts } else { Counts::default() };
                Ok((whole, None, counts))
            }
        }
    }
}

fn opened_report(call: &Call<'_>, index: &Index, signers: u64, storages: Vec<StorageReport>) -> ExtractReport {
    ExtractReport { signers, storages, dry_run: call.options.dry_run, ..ExtractReport::of(index) }
}
