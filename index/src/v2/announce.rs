//! Announces patches, as long as a head has room for them.

use super::base_parts::fitting;
use super::head::Head;
use crate::{AnnouncedPatch, BasePart, Index, KeptEntries, MAX_PATCHES};

impl Index {
    /// Announces a patch before all others. If there is no room, the last ones are forgotten.
    pub fn announce(&mut self, patch: AnnouncedPatch) {
        let room = self.room();
        room.announce_first(&mut self.patches, patch);
    }

    /// Announces a patch after all others. Returns whether there is room for it.
    pub fn announce_last(&mut self, patch: AnnouncedPatch) -> bool {
        let room = self.room();
        room.announce_last(&mut self.patches, patch)
    }

    fn room(&self) -> Room {
        let Some(units) = &self.units else { return Room { own: Vec::new(), most: MAX_PATCHES } };
        let own = units.parts.iter().map(|part| BasePart::new(&part.unit.id, &part.name));
        Room::new(own.collect(), &units.kept)
    }
}

impl Head {
    /// Announces a patch before all others. If there is no room, the last ones are forgotten.
    pub fn announce(&mut self, patch: AnnouncedPatch) {
        let room = Room::new(self.statement.own_parts(), self.kept());
        room.announce_first(&mut self.patches, patch);
    }
}

/// What the room for patches depends on.
struct Room {
    /// The parts of the image itself, which take less room than others.
    own: Vec<BasePart>,
    /// The largest number of patches.
    most: usize,
}

impl Room {
    /// The room in an image of these parts. Entries of unknown kinds keep theirs.
    fn new(own: Vec<BasePart>, kept: &KeptEntries) -> Self {
        Self { own, most: MAX_PATCHES.saturating_sub(kept.patches.len()) }
    }

    fn announce_first(&self, patches: &mut Vec<AnnouncedPatch>, patch: AnnouncedPatch) {
        patches.retain(|other| other.base != patch.base);
        patches.insert(0, patch);
        self.forget_last(patches);
    }

    fn announce_last(&self, patches: &mut Vec<AnnouncedPatch>, patch: AnnouncedPatch) -> bool {
        patches.retain(|other| other.base != patch.base);
        patches.push(patch);
        let announced = patches.len();
        self.forget_last(patches);
        patches.len() == announced
    }

    fn forget_last(&self, patches: &mut Vec<AnnouncedPatch>) {
        patches.truncate(self.most);
        patches.truncate(fitting(patches, &self.own));
    }
}
