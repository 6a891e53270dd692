//! The names of layers, and which of them an index asks for.

use std::collections::HashMap;

use regrow_chunker::UnitId;
use regrow_index::{BasePart, Index};

/// The SHA-256 of a layer's plain bytes, or of a blob.
pub(crate) type LayerName = [u8; 32];

/// The beginning of a name. For parts of other images, an index has no more.
type Beginning = [u8; 8];

const SHA256_PREFIX: &str = "sha256:";

/// Reads a name of the form `sha256:HEX`.
pub(super) fn parse_digest(text: &str) -> Option<LayerName> {
    parse_hex(text.strip_prefix(SHA256_PREFIX)?)
}

/// Reads a name in hexadecimal digits, two for each byte.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut name = [0; N];
    for (byte, pair) in name.iter_mut().zip(pairs) {
        let digit = |at: usize| (pair[at] as char).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(name)
}

/// Writes a name in hexadecimal digits.
pub(crate) fn to_hex(name: &[u8]) -> String {
    name.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A layer that is wanted.
#[derive(Debug, Clone, Copy)]
struct WantedLayer {
    /// The rest of the name, if the index has it.
    rest: Option<[u8; 24]>,
    /// The number of plain bytes, if the index has it.
    bytes: Option<u64>,
    /// The beginning of the unit id that the layer has as a part.
    id: Beginning,
    is_found: bool,
}

/// The layers that an index names, and which of them were found.
#[derive(Debug, Clone, Default)]
pub struct WantedLayers {
    layers: HashMap<Beginning, WantedLayer>,
    /// The bases of the announced patches, each by the beginnings of its parts' names.
    bases: Vec<Vec<Beginning>>,
    /// The image's own parts.
    own: Vec<Beginning>,
}

impl WantedLayers {
    /// The parts of the index's image, and those that its patches start from. An index of version 1 names none.
    pub fn of_index(index: &Index) -> Self {
        let mut wanted = Self::default();
        for part in index.units.iter().flat_map(|units| &units.parts) {
            let (beginning, rest) = split(part.name.as_bytes());
            let layer = WantedLayer {
                rest: Some(rest),
                bytes: Some(part.plain_bytes),
                id: BasePart::id_of(&part.unit.id),
                is_found: false,
            };
            wanted.layers.insert(beginning, layer);
            wanted.own.push(beginning);
        }
        for patch in &index.patches {
            for part in &patch.parts {
                let foreign = WantedLayer { rest: None, bytes: None, id: part.id, is_found: false };
                wanted.layers.entry(part.name).or_insert(foreign);
            }
            if !patch.parts.is_empty() {
                wanted.bases.push(patch.parts.iter().map(|part| part.name).collect());
            }
        }
        wanted
    }

    /// One part of the index's image alone.
    pub fn of_part(index: &Index, part: usize) -> Self {
        let mut wanted = Self::of_index(index);
        let own = wanted.own.get(part).copied();
        wanted.layers.retain(|beginning, _| Some(*beginning) == own);
        Self { layers: wanted.layers, bases: Vec::new(), own: own.into_iter().collect() }
    }

    /// Notes that layers of these names are there. Returns the numbers of the image's own parts that had not been found
    /// before and are among them.
    pub(super) fn take_own(&mut self, names: impl Iterator<Item = LayerName>) -> Vec<usize> {
        let mut taken = Vec::new();
        for name in names.filter(|name| self.wants(name)).collect::<Vec<_>>() {
            let beginning = split(&name).0;
            let parts = self.own.iter().enumerate().filter(|(_, own)| **own == beginning).map(|(part, _)| part);
            let before = taken.len();
            taken.extend(parts);
            if let Some(layer) = self.layers.get_mut(&beginning).filter(|_| taken.len() > before) {
                layer.is_found = true;
            }
        }
        taken.sort_unstable();
        taken.dedup();
        taken
    }

    /// Whether the index names no layer.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Whether all of the image's layers were found, or all that some patch starts from.
    pub fn is_enough(&self) -> bool {
        let all =
            |names: &[Beginning]| names.iter().all(|name| self.layers.get(name).is_some_and(|layer| layer.is_found));
        (!self.own.is_empty() && all(&self.own)) || self.bases.iter().any(|base| all(base))
    }

    /// Whether a patch starts from a layer that has this name.
    pub(crate) fn is_of_base(&self, name: &LayerName) -> bool {
        let (beginning, _) = split(name);
        self.bases.iter().any(|base| base.contains(&beginning))
    }

    /// The layer with this name that is still to be found.
    fn missing(&self, name: &LayerName) -> Option<&WantedLayer> {
        let (beginning, rest) = split(name);
        self.layers.get(&beginning).filter(|layer| !layer.is_found && layer.rest.is_none_or(|known| known == rest))
    }

    /// Whether the layer with this name is wanted and was not found yet.
    pub(crate) fn wants(&self, name: &LayerName) -> bool {
        self.missing(name).is_some()
    }

    /// The number of layers that were not found yet.
    pub(super) fn count(&self) -> usize {
        self.layers.values().filter(|layer| !layer.is_found).count()
    }

    /// The number of plain bytes of a layer that was not found yet, if the index has it.
    pub(crate) fn size_of(&self, name: &LayerName) -> Option<u64> {
        self.missing(name).and_then(|layer| layer.bytes)
    }

    /// Notes what was found under the name of a layer: parts with these ids. Returns whether it is that layer.
    pub(crate) fn take(&mut self, name: &LayerName, ids: &[UnitId]) -> bool {
        let Some(layer) = self.layers.get_mut(&split(name).0) else { return false };
        layer.is_found |= matches!(ids, [id] if BasePart::id_of(id) == layer.id);
        layer.is_found
    }
}

#[cfg(test)]
impl WantedLayers {
    /// Own parts with these names, unit ids and numbers of plain bytes.
    pub(super) fn of_parts(parts: &[(LayerName, UnitId, Option<u64>)]) -> Self {
        let mut wanted = Self::default();
        for (name, id, bytes) in parts {
            let ((beginning, rest), id) = (split(name), BasePart::id_of(id));
            wanted.layers.insert(beginning, WantedLayer { rest: Some(rest), bytes: *bytes, id, is_found: false });
            wanted.own.push(beginning);
        }
        wanted
    }

    /// The same parts as those of a patch's base.
    pub(super) fn into_base(mut self) -> Self {
        self.layers.values_mut().for_each(|layer| (layer.rest, layer.bytes) = (None, None));
        self.bases.push(std::mem::take(&mut self.own));
        self
    }
}

fn split(name: &LayerName) -> (Beginning, [u8; 24]) {
    let (mut beginning, mut rest) = ([0; 8], [0; 24]);
    beginning.copy_from_slice(&name[..8]);
    rest.copy_from_slice(&name[8..]);
    (beginning, rest)
}
