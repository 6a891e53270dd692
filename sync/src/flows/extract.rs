//! Rebuilds an image from its index. A plan finds a source for each chunk. Then ranges are fetched and seeds are read,
//! each chunk is verified and written, and at last the output is synced and renamed.

mod already;
mod assemble;
mod attempt;
mod form;
mod headed;
mod known_base;
mod output;
pub(crate) mod partial;
mod patched;
mod poor_folders;
mod remember;
mod report;
mod resume;
pub(crate) mod room;
mod zeros;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use regrow_catalog::Catalog;
use regrow_image::WalkRules;
use regrow_index::Index;
use regrow_local::{GuessedFiles, Pool, Scan, Seeds};
use regrow_store::Failover;

use crate::place::network::Front;
use crate::{Left, Location, Network, Progress, SyncError, SyncWarning, Trust};

use crate::plan::image::ImagePlan;
use crate::plan::locate::{Counts, Plan};
use crate::plan::skeleton::Kept;
use crate::plan::target::Target;
use crate::transfer::cache::FrameCache;
use crate::transfer::fetch::{DEFAULT_CONNECTIONS, Fetcher, Remotes};
use crate::transfer::prefetch::Prefetch;
use crate::transfer::rest::Rest;
use assemble::{Assembly, Shared};
use attempt::{Attempt, Call};
use form::Form;
use output::{Destination, OutputFile, OutputSizes};
use patched::Extended;
pub use report::{ExtractReport, StorageReport};

/// The place that the image goes to.
pub enum Output {
    /// This file. If it exists, it serves as a seed, and only the complete, verified image replaces it.
    File(PathBuf),
    /// An existing file or block device, whose bytes are written over.
    InPlace(PathBuf),
    /// A pipe, which gets the image front to back. Fetched data waits in a temporary file.
    Pipe(Box<dyn Write + Send>),
}

impl Output {
    /// The same place once more, unless it is a pipe.
    fn again(&self) -> Option<Self> {
        match self {
            Self::File(path) => Some(Self::File(path.clone())),
            Self::InPlace(path) => Some(Self::InPlace(path.clone())),
            Self::Pipe(_) => None,
        }
    }
}

/// The options of an extraction.
pub struct ExtractOptions {
    /// The stores to fetch from, in this order. If there are none, the index names the store.
    pub stores: Vec<Location>,
    /// The seeds: tars, other files, devices, folders, stores, indexes with their store, and the storage of engines, which
    /// is also named by its kind, as in `oci:DIR`.
    pub seeds: Vec<PathBuf>,
    /// A folder that keeps everything that is fetched.
    pub cache: Option<PathBuf>,
    /// The catalog that remembers what seeds hold.
    pub catalog: Option<Catalog>,
    /// The folder in which this machine remembers the layers that it made, so that they are bases of patches wherever
    /// their files are.
    pub memory: Option<PathBuf>,
    /// The number of requests in flight.
    pub connections: usize,
    /// Whether to trust a catalog that says that the output is the image already, without reading the output again.
    pub trust_catalog: bool,
    /// Whether to use a patch if a seed has one that costs less than chunks.
    pub patches: bool,
    /// Whether to ask for the head of a remote index alone, even if the catalog knows no index of version 2 from there.
    pub head_first: bool,
    /// Whether to write what the image holds, if it is one compressed file.
    pub plain: bool,
    /// Whether only to find out the cost. The run fetches only what that needs, and writes no output.
    pub dry_run: bool,
    /// What makes the image one that this machine takes.
    pub trust: Trust,
    /// Whether to write over a device in place even if it is mounted or in use otherwise, and over any output even if
    /// the image is empty.
    pub force: bool,
}

impl Default for ExtractOptions {
    fn default() -> Self {
        Self {
            stores: Vec::new(),
            seeds: Vec::new(),
            cache: None,
            catalog: None,
            memory: None,
            connections: DEFAULT_CONNECTIONS,
            trust_catalog: false,
            patches: true,
            head_first: false,
            plain: false,
            dry_run: false,
            trust: Trust::default(),
            force: false,
        }
    }
}

/// Puts the plain image of the index at `location` together in a new file, and returns its scan.
pub(crate) fn extract_plain(
    location: &Location,
    index: &Index,
    path: PathBuf,
    options: &ExtractOptions,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<Scan, SyncError> {
    let stores = network.stores_of(location, index, &options.stores)?;
    let pool = Pool::new();
    let network = &*network;
    let prefetch = Prefetch::new(network, &stores, index, options.patches, options.connections);
    let health = Arc::new(Failover::new(stores.len()));
    let (pool, prefetch, form) = (&pool, &prefetch, Form::Plain);
    let rest = None;
    let run = Run { location, index, rest, stores, health, prefetch, options, pool, progress, network, form };
    let output = Destination::find(Output::File(path), options.dry_run)?;
    let written = run.write(output, Seeds::default())?;
    written.target.map(|target| target.scan(index)).ok_or(SyncError::Worker)
}

/// Rebuilds the image that the index at `location` describes.
///
/// # Errors
/// Returns a [`SyncError`] if the image cannot be rebuilt. Whatever happens, an output file is the old one or the
/// complete new one. The next run uses what was written so far.
pub fn extract(
    location: &Location,
    output: Output,
    options: &ExtractOptions,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<ExtractReport, SyncError> {
    let start = Instant::now();
    let again = output.again();
    let output = Destination::find(output, options.dry_run)?;
    if let (Location::Path(index), Some(path)) = (location, output.path())
        && crate::place::location::is_same_file(index, path)
    {
        return Err(SyncError::Usage(format!("{}: the image would take the index's place", path.display())));
    }
    if let Some(path) = output.mounted().filter(|_| !options.dry_run) {
        progress.warn_of(&SyncWarning::MountPoint { path: path.to_owned() });
    }
    let catalog = options.catalog.as_ref();
    // Without anything that could be the base of a patch, the whole index is needed.
    let may_patch = options.patches && (!options.seeds.is_empty() || output.replaced().is_some());
    let front = match may_patch {
        true => network.open_front(location, catalog, known_base::head_first(options, &output))?,
        false => Front::Index(network.load_index_unless_known(location, catalog)?.into()),
    };
    let call = Call { location, options, progress };
    let attempt = match (call.attempt(front, output, network), again) {
        (Ok(Attempt::Replaced(index, output)), _) => call.attempt(Front::Index(index), output, network)?,
        // The patch that the head of the earlier index announced did not help, and the blocks behind it are gone.
        (Err(SyncError::Replaced { .. }), Some(output)) => {
            let index = network.load_index_unless_known(location, catalog)?;
            let output = Destination::find(output, options.dry_run)?;
            call.attempt(Front::Index(index.into()), output, network)?
        }
        (attempt, _) => attempt?,
    };
    match attempt {
        Attempt::Done(report) => Ok(ExtractReport { elapsed: start.elapsed(), ..report }),
        // An index that was read whole is not replaced.
        Attempt::Replaced(..) => Err(SyncError::Replaced { location: location.to_string() }),
    }
}

/// The result of a run.
#[derive(Default)]
struct Written {
    counts: Counts,
    /// The image that was put together, if it was.
    target: Option<Arc<Target>>,
    /// The digest of what was written.
    digest: Option<[u8; 32]>,
}

impl Written {
    /// The result of a dry run.
    fn planned(counts: Counts) -> Self {
        Self { counts, ..Self::default() }
    }
}

/// The things that the steps of one run share.
struct Run<'a> {
    location: &'a Location,
    index: &'a Index,
    /// What is left of the index, if it does not say yet where the image's chunks lie.
    rest: Option<&'a Rest<'a>>,
    stores: Vec<Arc<dyn regrow_store::ReadStore>>,
    health: Arc<Failover>,
    prefetch: &'a Prefetch<'a>,
    options: &'a ExtractOptions,
    pool: &'a Pool,
    progress: &'a dyn Progress,
    network: &'a Network,
    form: Form,
}

impl Run<'_> {
    fn remotes(&self) -> Remotes<'_> {
        Remotes { stores: &self.stores, health: &self.health, rounds: self.network.rounds(self.stores.len()) }
    }

    fn sizes(&self) -> OutputSizes {
        let (image, plain) = (self.index.image_bytes, self.index.plain_bytes());
        let is_coded = !self.index.codings.is_empty() || self.codings_left() > 0;
        match self.form {
            Form::Image => OutputSizes { image, plain, is_coded },
            Form::Plain => OutputSizes { image: plain, plain, is_coded: false },
        }
    }

    /// Carries out the run.
    fn write(&self, output: Destination, seeds: Seeds) -> Result<Written, SyncError> {
        let output = OutputFile::open(output, self.sizes(), self.options, self.network.scratch())?;
        let scratch = output.folder().unwrap_or(self.network.scratch()).to_owned();
        self.network.keep_whole_objects_in(&scratch, output.missing_bytes());
        match self.rest {
            Some(rest) => headed::write(self, rest, output, &scratch, seeds),
            None => self.write_to(output, &scratch, seeds, true),
        }
    }

    fn fetcher(&self, output: &OutputFile) -> Fetcher<'_> {
        Fetcher {
            network: self.network,
            stores: self.remotes(),
            location: self.location,
            index: self.index,
            rest: self.rest,
            connections: self.options.connections.max(1),
            takes_whole_packs: false,
            prefetch: Some(self.prefetch),
            cache: self.options.cache.as_deref().and_then(|root| {
                let cache = FrameCache::given(root, self.progress)?;
                Some(if self.options.dry_run { cache.read_only() } else { cache })
            }),
            side_cache: output.side_cache(self.progress),
            pool: self.pool,
            progress: self.progress,
        }
    }

    /// Puts the image together in an output. `asks_for_patch` says whether a patch was not looked for yet.
    fn write_to(
        &self,
        output: OutputFile,
        scratch: &Path,
        mut seeds: Seeds,
        asks_for_patch: bool,
    ) -> Result<Written, SyncError> {
        // Only a first install is worth that its tables come twice: what it asks for, all machines ask for.
        let is_first = seeds.seeds.is_empty() && seeds.folders.is_empty() && !output.is_resumable();
        let fetcher = Fetcher { takes_whole_packs: is_first, ..self.fetcher(&output) };
        zeros::check_room(self, &fetcher, &seeds, &output, scratch).inspect_err(|_| output.abandon())?;
        if asks_for_patch
            && let Extended::Planned(planned) =
                patched::extend_seeds(self, &fetcher, &mut seeds, None, (&output, scratch))?
        {
            return Ok(Written::planned(planned));
        }
        let mut image = ImagePlan::of(&fetcher, &seeds)?;
        let kept = if self.options.dry_run { Kept::ReadOnce(scratch) } else { Kept::ReadAnywhere(scratch) };
        image.read_skeleton(&fetcher, &seeds, kept)?;
        let ImagePlan { mut packs, target, mut counts } = image;
        let is_divided = WalkRules::of_version(self.index.walk_version).is_some_and(WalkRules::state_division);
        if seeds.guess_by_path() && !is_divided {
            let mut files = GuessedFiles::default();
            target.for_each_entry(&self.location.to_string(), &mut |entry| files.add(&entry))?;
            let shares = seeds.add_guesses(files);
            poor_folders::warn(&seeds, &shares, &target, self.progress);
        }
        let target = Arc::new(target);
        let seeds = Arc::new(seeds);
        let output = Arc::new(output);
        let resumed = resume::check(self, &target, &output)?;
        let mut plan = Plan::of_contents(self.pool, &target, &seeds, &resumed)?;
        plan.locate(&fetcher, &mut packs, &target)?;
        if self.options.dry_run {
            plan.count(&target, &packs, &fetcher, &mut counts);
            return Ok(Written::planned(counts));
        }
        if output.keeps_fetched_apart() {
            output.check_room(0, scratch, plan.bytes_in_frames(&target)).inspect_err(|_| output.abandon())?;
        }
        let written = Arc::clone(&target);
        let shared = Shared::new(target, seeds, Arc::clone(&output), plan);
        let assembly = Assembly::new(self, fetcher, packs, Arc::clone(&shared));
        let committed = assembly.run(&mut counts).and_then(|digest| output.commit().map(|()| digest));
        let digest = committed.inspect_err(|error| self.warn_of(&output, error))?;
        self.remember(&written, &|range, out| shared.read_plain(range, out));
        Ok(Written { counts, target: Some(written), digest: Some(digest) })
    }

    /// Warns about the state of a target in place, if the error does not tell it.
    fn warn_of(&self, output: &OutputFile, error: &SyncError) {
        if output.left() == Left::Overwritten && !matches!(error, SyncError::Digest { .. }) {
            let path = output.path().display();
            self.progress
                .warn(&format!("{path}: is partly overwritten, and begins with zeros until a run completes it"));
        }
    }
}
