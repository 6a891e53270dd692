//! Indexes of version 2 with changed units. The ids follow from the change, so they do not give it away.

use regrow_chunker::{PartKind, UnitId};
use regrow_index::{Index, SegmentRef, UnitStream};

use super::chance::Chance;
use super::index::{Site, change_model};
use super::judge::Judge;

fn change_stream(stream: &mut UnitStream, chance: &mut Chance) {
    match chance.below(3) {
        0 => chance.change(&mut stream.bytes),
        1 => chance.change(&mut stream.chunks),
        _ => stream.segments = chance.number() as u32,
    }
}

fn change_units(index: &mut Index, chance: &mut Chance) {
    let Some(units) = &mut index.units else { return };
    let at = chance.below(units.parts.len());
    match (chance.below(8), units.parts.get_mut(at)) {
        (0, Some(part)) => chance.change(&mut part.plain_bytes),
        (1, Some(part)) => part.place.skeleton_records = chance.number() as u32,
        (2, Some(part)) => part.place.contents_records = chance.number() as u32,
        (3, Some(part)) => part.kind = if part.kind == PartKind::Tar { PartKind::File } else { PartKind::Tar },
        (4, Some(part)) => change_stream(&mut part.unit.skeleton, chance),
        (5, Some(part)) => change_stream(&mut part.unit.contents, chance),
        (6, _) => change_stream(&mut units.wrapper.contents, chance),
        _ => chance.mutate_list(&mut units.parts),
    }
}

/// Sets the units' ids to those that follow from the rest.
fn identify_again(index: &mut Index) {
    let segments = |index: &Index, unit| {
        index.unit_segments(unit).map(|refs: &[SegmentRef]| refs.iter().map(|segment| segment.id).collect::<Vec<_>>())
    };
    let count = index.units.iter().map(|units| units.parts.len()).sum::<usize>();
    let ids: Vec<_> = (0..=count).map(|unit| segments(index, unit)).collect();
    let (version, params) = (index.walk_version, index.params);
    let Some(units) = &mut index.units else { return };
    let places: Vec<_> = units.parts.iter().map(|part| part.place).collect();
    units.wrapper.id = UnitId::of_wrapper(version, &params, &ids[0][0], &ids[0][1], &places);
    for (part, [skeleton, contents]) in units.parts.iter_mut().zip(&ids[1..]) {
        part.unit.id = UnitId::of_part(part.kind, &params, skeleton, contents);
    }
}

#[test]
fn indexes_of_version_2() {
    let site = Site::of_format(2, true);
    let right = site.env.read("app.rgx");
    Judge::all("index of version 2", &site.env, |judge, chance| {
        let mut index = Index::decode(&right).unwrap();
        for _ in 0..1 + chance.below(2) {
            if chance.one_in(3) { change_model(&mut index, chance) } else { change_units(&mut index, chance) }
        }
        identify_again(&mut index);
        let mut bytes = index.encode();
        if chance.one_in(8) {
            chance.mutate(&mut bytes);
        }
        site.env.write("app.rgx", &bytes);
        site.read_all(judge, chance);
    });
}
