//! One attempt at an extraction, with an index as far as it was read.

use std::path::Path;
use std::sync::Arc;

use regrow_chunker::PartKind;
use regrow_image::WalkRules;
use regrow_index::Index;
use regrow_local::{Pool, SeedContext, Seeds};
use regrow_store::{Failover, ReadStore};

use super::already::{self, Already};
use super::assemble::check_encoders;
use super::form::Form;
use super::headed::Codings;
use super::output::Destination;
use super::report::{ExtractReport, StorageReport};
use super::{ExtractOptions, Run, headed, remember};
use crate::place::network::Front;
use crate::place::trust::Stated;
use crate::plan::given_seeds::GivenSeeds;
use crate::plan::locate::Counts;
use crate::plan::outline::{is_outline, outline};
use crate::transfer::prefetch::Prefetch;
use crate::transfer::rest::Rest;
use crate::{Location, Network, Progress, SyncError, SyncWarning};

/// The arguments of an extraction.
pub(super) struct Call<'a> {
    pub(super) location: &'a Location,
    pub(super) options: &'a ExtractOptions,
    pub(super) progress: &'a dyn Progress,
}

/// What came of an attempt.
pub(super) enum Attempt {
    Done(ExtractReport),
    /// This index of another image took the place of the one whose head was read. Nothing was written.
    Replaced(Box<Index>, Destination),
}

impl Call<'_> {
    /// Rebuilds the image of an index, as far as that was read.
    pub(super) fn attempt(
        &self,
        front: Front,
        output: Destination,
        network: &mut Network,
    ) -> Result<Attempt, SyncError> {
        let Call { location, options, progress } = *self;
        let (index, mut open) = match front {
            Front::Index(index) => (*index, None),
            Front::Head(open) => (outline(&open.head, Vec::new()), Some(open)),
        };
        let signers = self.check(&index, &output)?;
        Form::of(&index, options, location)?;
        let stores = network.stores_of(location, &index, &options.stores)?;
        let (network, pool, catalog) = (&*network, Pool::new(), options.catalog.as_ref());
        let rules = seed_rules(&index);
        let (params, scratch, unfolds) = (index.params, network.scratch(), true);
        let look = SeedContext { rules, params, pool: &pool, catalog, progress, scratch, unfolds, on_scan: &|| () };
        let mut seeds = Seeds::default();
        // The output may be the image already. Then no other seed is read.
        let (replaced, trusts) = (output.replaced(), options.trust_catalog);
        let wanted = Form::known(&index, options);
        let already = already::look(replaced.as_deref(), wanted, &mut seeds, &look, trusts)?;
        if already != Already::Different && output.may_stay() {
            let report = self.finished(already, &index, &seeds, output, network);
            return Ok(Attempt::Done(ExtractReport { signers, ..report }));
        }
        // Without a patch, the blocks are needed in any case, and their packs can be read ahead.
        let index = match open.take_if(|open| open.head.patches.is_empty()) {
            Some(open) => match network.complete(location, &open, catalog)? {
                whole if whole.statement() != index.statement() => return Ok(Attempt::Replaced(whole.into(), output)),
                whole => whole,
            },
            None => index,
        };
        let scanning = self.read_ahead(&index, &stores, network);
        let context = SeedContext { on_scan: &|| scanning.on_scan(), ..look };
        let storages = self.open_seeds(&mut seeds, &index, &context)?;
        let codings = if options.plain { Codings::First } else { Codings::MayWait };
        let settle = |open| headed::settle(location, (&index, open), (&seeds, &[]), (network, catalog), codings);
        let settled = open.as_deref().map(settle);
        let settled = settled.transpose()?;
        let settled = match settled {
            Some(other) if other.statement() != index.statement() => {
                return Ok(Attempt::Replaced(other.into(), output));
            }
            settled => settled,
        };
        let rest = open.as_ref().map(|open| Rest::new(open, catalog));
        let settling = settled.as_ref().map(|index| self.read_ahead(index, &stores, network));
        let (index, prefetch) = settled.as_ref().zip(settling.as_ref()).unwrap_or((&index, &scanning));
        let rest = rest.as_ref().filter(|_| is_outline(index));
        let (stores, health) = (stores.clone(), Arc::new(Failover::new(stores.len())));
        let (pool, form) = (&pool, Form::of(index, options, location)?);
        if form.is_opaque(index, options) {
            progress.warn_of(&SyncWarning::NotSeenThrough);
        }
        let run = Run { location, index, rest, stores, health, prefetch, options, pool, progress, network, form };
        let written = run.write(output, seeds);
        network.warn_of_hosts(progress);
        let written = written?;
        if let Some(digest) = written.digest {
            form.remember(index, digest, catalog);
        }
        let report = self.report(index, &written.counts, network);
        let verified = already == Already::Read || !options.dry_run;
        let plain_bytes = (form == Form::Plain).then(|| index.plain_bytes());
        Ok(Attempt::Done(ExtractReport { verified, signers, plain_bytes, storages, ..report }))
    }

    pub(super) fn read_ahead<'a>(
        &self,
        index: &'a Index,
        stores: &[Arc<dyn ReadStore>],
        network: &'a Network,
    ) -> Prefetch<'a> {
        Prefetch::new(network, stores, index, self.options.patches, self.options.connections)
    }

    /// Refuses an index, or an output, before anything is done. Returns the number of trusted keys that signed it.
    fn check(&self, index: &Index, output: &Destination) -> Result<u64, SyncError> {
        let signers = self.check_index(index)?;
        match output.present_bytes().filter(|_| index.image_bytes == 0 && !self.options.force) {
            Some(bytes) => Err(SyncError::Empty { path: output.path().unwrap_or(Path::new("-")).to_owned(), bytes }),
            None => Ok(signers),
        }
    }

    /// Refuses an index before anything is done. Returns the number of trusted keys that signed it.
    pub(super) fn check_index(&self, index: &Index) -> Result<u64, SyncError> {
        let Self { location, options, progress } = *self;
        let accepted = options.trust.check(location, &Stated::by_index(index), progress)?;
        options.trust.warn_of_plain(location, progress);
        let signers = accepted.signers as u64;
        if !options.dry_run {
            accepted.remember(progress);
        }
        check_encoders(location, index).map(|()| signers)
    }

    /// Opens the given seeds. They come before the file that is replaced. Returns the storages among them.
    fn open_seeds(
        &self,
        seeds: &mut Seeds,
        index: &Index,
        context: &SeedContext<'_>,
    ) -> Result<Vec<StorageReport>, SyncError> {
        let looked_at = seeds.seeds.len();
        let memory = remember::open(self.options.memory.as_deref(), self.progress);
        let mut given = GivenSeeds::new(index, memory, context);
        self.options.seeds.iter().try_for_each(|seed| given.open(seeds, seed))?;
        given.finish(seeds);
        seeds.seeds.rotate_left(looked_at);
        Ok(given.storages.iter().map(StorageReport::of).collect())
    }

    /// The report of a run whose output is the image already.
    fn finished(
        &self,
        already: Already,
        index: &Index,
        seeds: &Seeds,
        output: Destination,
        network: &Network,
    ) -> ExtractReport {
        if !self.options.dry_run {
            output.sweep();
        }
        let counts = if is_outline(index) { headed::all_resumed(index, seeds) } else { Counts::all_resumed(index) };
        let plain_bytes = Some(index.plain_bytes()).filter(|&bytes| self.options.plain && bytes != index.image_bytes);
        ExtractReport { verified: already == Already::Read, plain_bytes, ..self.report(index, &counts, network) }
    }

    pub(super) fn report(&self, index: &Index, counts: &Counts, network: &Network) -> ExtractReport {
        let mut report = ExtractReport::of(index);
        report.dry_run = self.options.dry_run;
        report.count(counts);
        if is_outline(index) {
            // Only now it is known how many chunks there are.
            report.chunks = counts.chunks();
        }
        report.bytes_fetched = network.meter().body_bytes() + counts.planned_bytes;
        report.requests = network.meter().requests() + counts.planned_requests;
        report
    }
}

/// The rules by which the seeds of an image are split. An image that is one opaque file may be a disk image that make
/// could not see through. Its base is another such image, and must be read in the same way to be recognised.
fn seed_rules(index: &Index) -> WalkRules {
    let rules = WalkRules::of_version(index.walk_version).unwrap_or_default().for_seeds();
    let parts = index.units.as_ref().map(|units| &units.parts[..]);
    match (rules, parts) {
        (WalkRules::V6, Some([only])) if only.kind == PartKind::File && index.codings.is_empty() => WalkRules::V4,
        (rules, _) => rules.with_pieces(index.units.as_ref().and_then(|units| units.disk.as_ref()?.pieces)),
    }
}
