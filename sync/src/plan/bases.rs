//! Finds the bases of patches among the seeds: the base image itself, or its parts, wherever they lie.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use regrow_chunker::{ImageId, Params};
use regrow_image::StreamKind;
use regrow_index::{AnnouncedPatch, BasePart, Segment};
use regrow_local::{FileSeed, Seed, Seeds, UnitIds};
use regrow_patch::{BasePart as PatchPart, LocalPart, NOTHING, PatchBase, PatchVersion};

use super::closed_parts::ClosedLayer;

/// The images that the seeds are, and the parts that they hold.
pub(crate) struct SeedParts<'a> {
    params: Params,
    images: Vec<(ImageId, &'a FileSeed)>,
    /// The parts by the beginnings of their unit ids.
    parts: HashMap<[u8; 8], PatchPart<'a>>,
}

/// The base of a patch, as the seeds hold it: the base image, its parts, or both.
pub(crate) struct HeldBase<'a> {
    image: Option<&'a FileSeed>,
    /// The base parts in order. An image of version 1 has none.
    parts: Vec<PatchPart<'a>>,
    /// Whether the patch starts from nothing, which every machine has.
    is_nothing: bool,
}

impl<'a> SeedParts<'a> {
    /// Looks through seeds that are cut with these parameters. An image that several seeds are counts once, and so does a
    /// part that several of them hold: the first copy that is still what it was.
    pub(crate) fn new(seeds: &'a Seeds, params: Params) -> Self {
        let (mut images, mut local) = (Vec::<(ImageId, &FileSeed)>::new(), HashMap::<_, LocalPart<'_>>::new());
        for seed in seeds.seeds.iter().filter_map(|seed| seed.as_file()) {
            let units = seed.scan().units(params);
            let id = units.as_ref().map_or_else(|| seed.scan().image_id(params), UnitIds::image_id);
            match images.iter_mut().find(|(known, _)| *known == id) {
                Some((_, held)) if held.is_unchanged() => {}
                Some((_, held)) => *held = seed,
                None => images.push((id, seed)),
            }
            for (number, id) in units.into_iter().flat_map(|units| units.parts).enumerate() {
                let part = LocalPart { seed, number, id };
                match local.entry(BasePart::id_of(&id)) {
                    Entry::Occupied(held) if held.get().seed.is_unchanged() => {}
                    Entry::Occupied(mut held) => drop(held.insert(part)),
                    Entry::Vacant(place) => drop(place.insert(part)),
                }
            }
        }
        let parts = local.into_iter().map(|(id, part)| (id, PatchPart::Open(part))).collect();
        Self { params, images, parts }
    }

    /// Adds parts that have not been read.
    pub(crate) fn with_closed(mut self, closed: &'a [ClosedLayer<'a>]) -> Self {
        for part in closed.iter().map(ClosedLayer::base_part) {
            self.parts.entry(BasePart::id_of(&part.id)).or_insert(PatchPart::Closed(part));
        }
        self
    }

    /// The ids of the images, each once.
    pub(crate) fn images(&self) -> impl Iterator<Item = ImageId> + '_ {
        self.images.iter().map(|(id, _)| *id)
    }

    fn seed_of(&self, id: &ImageId) -> Option<&'a FileSeed> {
        self.images.iter().find(|(known, _)| known == id).map(|(_, seed)| *seed)
    }

    /// The base of a patch from this image, if a seed is the image.
    pub(crate) fn image(&self, id: &ImageId) -> Option<HeldBase<'a>> {
        let seed = self.seed_of(id)?;
        let parts = LocalPart::base_of(seed, self.params).into_iter().map(PatchPart::Open).collect();
        Some(HeldBase { image: Some(seed), parts, is_nothing: false })
    }

    /// The base of an announced patch, if the seeds hold it.
    pub(crate) fn base_of(&self, patch: &AnnouncedPatch) -> Option<HeldBase<'a>> {
        if patch.base == NOTHING {
            return Some(HeldBase { image: None, parts: Vec::new(), is_nothing: true });
        }
        if patch.parts.is_empty() {
            return self.image(&patch.base);
        }
        let parts: Option<_> = patch.parts.iter().map(|part| self.parts.get(&part.id).copied()).collect();
        Some(HeldBase { image: self.seed_of(&patch.base), parts: parts?, is_nothing: false })
    }
}

impl<'a> HeldBase<'a> {
    /// The base for a patch of this version, if it can start from what the seeds hold.
    pub(crate) fn for_version(&self, version: PatchVersion) -> Option<PatchBase<'a>> {
        match version {
            PatchVersion::V1 => self.image.map(PatchBase::of_image),
            PatchVersion::V2 if self.is_nothing => Some(PatchBase::of_nothing()),
            PatchVersion::V2 if self.parts.is_empty() => None,
            PatchVersion::V2 => Some(PatchBase::of_held(self.parts.iter().copied())),
        }
    }

    /// Whether nothing was written to the seeds since they were opened, as far as the file system tells.
    pub(crate) fn is_unchanged(&self) -> bool {
        let of_parts = self.open_parts().map(|part| part.seed);
        self.image.into_iter().chain(of_parts).all(FileSeed::is_unchanged)
    }

    fn open_parts(&self) -> impl Iterator<Item = &LocalPart<'a>> {
        self.parts.iter().filter_map(|part| match part {
            PatchPart::Open(part) => Some(part),
            PatchPart::Closed(_) => None,
        })
    }

    /// Passes on the recipe segments of the base, as far as it was read.
    pub(crate) fn segments(&self, wanted: &mut dyn FnMut(Segment)) {
        if let Some(image) = self.image {
            return Seed::segments(image, wanted);
        }
        for part in self.open_parts() {
            let recipes = part.seed.scan().unit_recipes();
            for stream in [StreamKind::Skeleton, StreamKind::Contents] {
                recipes.segments(1 + part.number, stream).for_each(&mut *wanted);
            }
        }
    }
}
