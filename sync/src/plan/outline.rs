//! An image of which only the head of its index is known: its sizes, its digest and the ids of its units, but not its
//! recipe.

use regrow_image::StreamKind;
use regrow_index::{
    CodedStretch, Head, Index, KeptEntries, Part, SegmentRef, StatedUnit, StreamHead, Unit, UnitStream, Units,
};
use regrow_local::UnitRecipes;

/// The head as an index without segments and packs.
pub(crate) fn outline(head: &Head, codings: Vec<CodedStretch>) -> Index {
    let statement = &head.statement;
    let wrapper = unit(&statement.wrapper);
    let part = |part: &regrow_index::StatedPart| Part {
        kind: part.kind,
        name: part.name,
        plain_bytes: part.plain_bytes,
        unit: unit(&part.unit),
        place: regrow_chunker::PartPlace::default(),
    };
    let units = Units {
        image_sha256: statement.image_sha256,
        plain_bytes: statement.plain_bytes,
        claims: statement.claims.clone(),
        wrapper,
        parts: statement.parts.iter().map(part).collect(),
        files: head.files().to_vec(),
        disk: head.disk().cloned(),
        signatures: head.signatures.clone(),
        kept: KeptEntries::default(),
    };
    let stream = |share: fn(&Unit) -> UnitStream| {
        // The bytes of a decoded head add up.
        let bytes = units.iter().fold(0u64, |sum, unit| sum.saturating_add(share(unit).bytes));
        StreamHead { bytes, ..StreamHead::default() }
    };
    Index {
        walk_version: statement.walk_version,
        params: statement.params,
        image_bytes: statement.image_bytes,
        image_digest: statement.image_digest,
        skeleton: stream(|unit| unit.skeleton),
        contents: stream(|unit| unit.contents),
        packs: Vec::new(),
        chunk_runs: Vec::new(),
        segment_runs: Vec::new(),
        store: head.store.clone(),
        codings,
        fresh_packs: Vec::new(),
        patches: head.patches.clone(),
        units: Some(units),
    }
}

fn unit(stated: &StatedUnit) -> Unit {
    let stream = |bytes| UnitStream { bytes, ..UnitStream::default() };
    Unit { id: stated.id, skeleton: stream(stated.skeleton_bytes), contents: stream(stated.contents_bytes) }
}

/// Whether an index is only the outline of one.
pub(crate) fn is_outline(index: &Index) -> bool {
    index.chunks() == 0 && index.skeleton.bytes + index.contents.bytes > 0
}

/// The index with the recipe of an image that was found, if that is the image that the outline describes. It still
/// lacks the packs. Units are named by their recipes, so equal names prove equal recipes. Parts of which nothing was
/// found stay as they are stated, without recipes.
pub(crate) fn completed(outline: &Index, found: UnitRecipes<'_>) -> Option<Index> {
    let units = outline.units.as_ref()?;
    if found.count() != 1 + units.parts.len() {
        return None;
    }
    let names: Vec<_> = units.parts.iter().map(|part| part.name).collect();
    let (wrapper, mut parts) = found.to_index(outline.walk_version, &outline.params, &names);
    for (part, stated) in parts.iter_mut().zip(&units.parts) {
        let is_absent = part.unit.skeleton.chunks + part.unit.contents.chunks == 0;
        if is_absent && part.kind == stated.kind {
            let bytes = |stream: UnitStream| UnitStream { bytes: stream.bytes, ..UnitStream::default() };
            let Unit { id, skeleton, contents } = stated.unit;
            part.unit = Unit { id, skeleton: bytes(skeleton), contents: bytes(contents) };
        }
    }
    let found_units = || std::iter::once(&wrapper).chain(parts.iter().map(|part| &part.unit));
    let is_same = |(found, stated): (&Unit, &Unit)| {
        let bytes = |unit: &Unit| (unit.skeleton.bytes, unit.contents.bytes);
        found.id == stated.id && bytes(found) == bytes(stated)
    };
    let plain = |parts: &[Part]| parts.iter().map(|part| part.plain_bytes).collect::<Vec<_>>();
    if !found_units().zip(units.iter()).all(is_same) || plain(&parts) != plain(&units.parts) {
        return None;
    }
    let stream = |kind: StreamKind, bytes: u64, share: fn(&Unit) -> UnitStream| StreamHead {
        bytes,
        chunks: found_units().map(|unit| share(unit).chunks).sum(),
        segments: (0..found.count())
            .flat_map(|unit| found.segments(unit, kind))
            .map(|segment| SegmentRef { id: segment.id(), records: segment.records().len() as u32 })
            .collect(),
    };
    Some(Index {
        skeleton: stream(StreamKind::Skeleton, outline.skeleton.bytes, |unit| unit.skeleton),
        contents: stream(StreamKind::Contents, outline.contents.bytes, |unit| unit.contents),
        units: Some(Units { wrapper, parts, ..units.clone() }),
        ..outline.clone()
    })
}
