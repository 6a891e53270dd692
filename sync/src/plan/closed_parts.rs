//! Parts of the wanted image that a storage holds by name, and that are not read unless something is made from them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use regrow_catalog::Catalog;
use regrow_chunker::Params;
use regrow_image::WalkRules;
use regrow_index::{Index, Part};
use regrow_local::{EngineStorage, Pool, SeedContext, Seeds, WantedLayers};
use regrow_patch::{ClosedPart, LocalPart, OpenPart};

use crate::Progress;

/// What is needed to open a part.
#[derive(Clone)]
pub(crate) struct Opener<'a> {
    pub(crate) rules: WalkRules,
    pub(crate) params: Params,
    pub(crate) pool: Arc<Pool>,
    pub(crate) catalog: Option<&'a Catalog>,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) scratch: PathBuf,
}

/// A part that has not been read.
pub(crate) struct ClosedLayer<'a> {
    /// The number of the part in the image, from 0.
    pub(crate) number: usize,
    part: Part,
    /// The number of its files, if the index tells it.
    files: Option<u64>,
    storage: EngineStorage,
    wanted: WantedLayers,
    opener: Opener<'a>,
    opened: OnceLock<OpenLayer>,
}

/// A part that was opened.
#[derive(Default)]
struct OpenLayer {
    seeds: Seeds,
    /// The number of the seed that holds the part, and the part's number in it.
    place: Option<(usize, usize)>,
}

impl<'a> ClosedLayer<'a> {
    /// The part of this number of the index's image, which the storage holds.
    pub(crate) fn new(index: &Index, number: usize, storage: EngineStorage, opener: Opener<'a>) -> Option<Self> {
        let units = index.units.as_ref()?;
        let (part, files) = (*units.parts.get(number)?, units.files.get(number).copied());
        let wanted = WantedLayers::of_part(index, number);
        Some(Self { number, part, files, storage, wanted, opener, opened: OnceLock::new() })
    }

    /// The part as the base of a patch.
    pub(crate) fn base_part(&self) -> ClosedPart<'_> {
        let Part { kind, unit, .. } = self.part;
        ClosedPart {
            id: unit.id,
            kind,
            skeleton_bytes: unit.skeleton.bytes,
            contents_bytes: unit.contents.bytes,
            files: self.files,
            place: self,
        }
    }

    /// The part as a seed. It is read through, unless that was done before or the catalog knows it.
    pub(crate) fn into_seeds(self) -> Seeds {
        self.opened();
        self.opened.into_inner().unwrap_or_default().seeds
    }

    fn opened(&self) -> &OpenLayer {
        self.opened.get_or_init(|| {
            let Opener { rules, params, pool, catalog, progress, scratch } = &self.opener;
            let context = SeedContext {
                rules: *rules,
                params: *params,
                pool,
                catalog: *catalog,
                progress: *progress,
                scratch,
                unfolds: true,
                on_scan: &|| (),
            };
            let (mut seeds, mut wanted) = (Seeds::default(), self.wanted.clone());
            if let Err(error) = self.storage.open_layers(&mut wanted, &mut seeds, &context) {
                progress.warn(&format!("seed: {error}"));
            }
            let files = seeds.seeds.iter().enumerate().filter_map(|(number, seed)| Some((number, seed.as_file()?)));
            let place = files.flat_map(|(number, seed)| {
                let parts = LocalPart::all_of(seed, *params).into_iter();
                parts.filter(|part| part.id == self.part.unit.id).map(move |part| (number, part.number))
            });
            let place = place.collect::<Vec<_>>().first().copied();
            OpenLayer { seeds, place }
        })
    }
}

impl OpenPart for ClosedLayer<'_> {
    fn open(&self) -> Option<LocalPart<'_>> {
        let OpenLayer { seeds, place } = self.opened();
        let (seed, number) = (*place)?;
        let seed = seeds.seeds.get(seed)?.as_file()?;
        Some(LocalPart { seed, number, id: self.part.unit.id })
    }

    fn is_open(&self) -> bool {
        self.opened.get().is_some()
    }
}
