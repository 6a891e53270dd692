//! Indexes with changed sections, numbers and lists, sealed again.

use regrow_chunker::{Params, varint};
use regrow_index::{Index, Run, StreamHead};

use super::chance::Chance;
use super::judge::Judge;
use crate::environment::TestEnvironment;
use regrow_demo::{PGZIP, Tree, gzip, oci};

/// Two versions of an image in a store.
pub(crate) struct Site {
    pub(crate) env: TestEnvironment,
    pub(crate) old: Vec<u8>,
    pub(crate) image: Vec<u8>,
}

impl Site {
    /// Makes the site, with plain tars, or with archives that have a layer that is seen through.
    pub(crate) fn new(is_coded: bool) -> Self {
        Self::of_format(1, is_coded)
    }

    /// Makes the site with indexes of this version.
    pub(crate) fn of_format(format: u32, is_coded: bool) -> Self {
        let env = TestEnvironment::new();
        let tree = Tree::sample("mutated", 40);
        let pack = |tree: &Tree, time| {
            if is_coded { oci(std::slice::from_ref(tree), time, |layer| gzip(layer, PGZIP)) } else { tree.tar(time) }
        };
        let (old, image) = (pack(&tree, 4), pack(&tree.changed(9), 5));
        for (name, bytes) in [("old", &old), ("app", &image)] {
            env.write(name, bytes);
            let make = format!("make -q --format {format} --avg-size 4KiB --pack-size 128KiB");
            env.run(&format!("{make} {name}.rgx {name}")).success();
        }
        Self { env, old, image }
    }

    /// Runs everything that a reader does with `app.rgx`.
    pub(crate) fn read_all(&self, judge: &mut Judge<'_>, chance: &mut Chance) {
        let seed = if chance.one_in(2) { "--seed old" } else { "" };
        let before: &[u8] = if chance.one_in(2) { b"old" } else { &self.old };
        judge.extract(&format!("{seed} app.rgx"), before, &self.image);
        let other =
            ["info app.rgx", "diff old.rgx app.rgx", "verify -q app.rgx app", "verify -q --store store app.rgx"];
        judge.run(other[chance.below(4)]);
        let third = ["extract -q --dry-run --seed old app.rgx never", "push -q app.rgx pushed/store"];
        judge.run(third[usize::from(chance.one_in(4))]);
        let _ = std::fs::remove_dir_all(self.env.path("pushed"));
    }
}

/// An index whose sections have changed bytes but correct lengths, with its checksum.
fn sections_changed(index: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut rest = &index[16..index.len() - 32];
    let mut sections = Vec::new();
    while let Some((&tag, after)) = rest.split_first() {
        rest = after;
        let len = varint::take(&mut rest).unwrap() as usize;
        let (payload, after) = rest.split_at(len);
        sections.push((tag, payload.to_vec()));
        rest = after;
    }
    if chance.one_in(4) {
        chance.mutate_list(&mut sections);
    }
    let at = chance.below(sections.len());
    if let Some((tag, payload)) = sections.get_mut(at) {
        if chance.one_in(10) {
            *tag = chance.next() as u8;
        }
        chance.mutate(payload);
    }
    let mut body = Vec::new();
    for (tag, payload) in sections {
        body.push(tag);
        varint::put(&mut body, payload.len() as u64);
        body.extend(payload);
    }
    let mut file = index[..12].to_vec();
    file.extend((body.len() as u32).to_le_bytes());
    file.extend(body);
    let checksum = blake3::hash(&file);
    file.extend(checksum.as_bytes());
    file
}

fn change_stream(stream: &mut StreamHead, chance: &mut Chance) {
    match chance.below(4) {
        0 => chance.change(&mut stream.bytes),
        1 => chance.change(&mut stream.chunks),
        2 => chance.mutate_list(&mut stream.segments),
        _ => {
            let at = chance.below(stream.segments.len());
            if let Some(segment) = stream.segments.get_mut(at) {
                segment.records = chance.number() as u32;
            }
        }
    }
}

fn change_runs(runs: &mut Vec<Run>, chance: &mut Chance) {
    let at = chance.below(runs.len());
    match (chance.below(3), runs.get_mut(at)) {
        (0, Some(run)) => chance.change(&mut run.count),
        (1, Some(run)) => run.pack = chance.number() as u32,
        _ => chance.mutate_list(runs),
    }
}

/// Sets an index's counts to those of its lists, so that the counts do not give the change away.
fn count_again(index: &mut Index) {
    for stream in [&mut index.skeleton, &mut index.contents] {
        stream.chunks = stream.segments.iter().map(|segment| u64::from(segment.records)).sum();
    }
    let segments = index.segments().count() as u64;
    index.chunk_runs = vec![Run { count: index.chunks(), pack: 0 }];
    index.segment_runs = vec![Run { count: segments, pack: 0 }];
}

/// Makes one change to the model of an index. Its image id follows from the model, so it does not give the change
/// away.
pub(crate) fn change_model(index: &mut Index, chance: &mut Chance) {
    match chance.below(12) {
        0 => chance.change(&mut index.image_bytes),
        1 => change_stream(&mut index.skeleton, chance),
        2 => change_stream(&mut index.contents, chance),
        3 => change_runs(&mut index.chunk_runs, chance),
        4 => change_runs(&mut index.segment_runs, chance),
        5 => chance.mutate_list(&mut index.packs),
        6 => index.walk_version = chance.number() as u32,
        7 => {
            let average = [64, 4096, 16_384, 1 << 20][chance.below(4)];
            index.params = Params::new(64.max(average >> chance.below(3)), average, 4 << 20).unwrap();
        }
        8 => chance.mutate_list(&mut index.codings),
        9 => index.fresh_packs = (0..chance.below(70)).map(|_| chance.number() as u32).collect(),
        10 => std::mem::swap(&mut index.skeleton, &mut index.contents),
        _ => {
            let at = chance.below(index.packs.len());
            let Some(pack) = index.packs.get_mut(at) else { return };
            let n = chance.below(3);
            chance.change([&mut pack.bytes, &mut pack.skeleton_at, &mut pack.tail_at][n]);
        }
    }
    let at = chance.below(index.codings.len());
    if let Some(member) = index.codings.get_mut(at).and_then(|coding| coding.file_mut()?.members.first_mut())
        && chance.one_in(3)
    {
        match chance.below(3) {
            0 => chance.change(&mut member.plain_bytes),
            1 => chance.change(&mut member.stream_bytes),
            _ => {
                let mut encoder = member.encoder.to_vec();
                chance.mutate(&mut encoder);
                member.encoder = encoder.into();
            }
        }
    }
}

#[track_caller]
fn try_indexes(kind: &'static str, is_coded: bool) {
    let site = Site::new(is_coded);
    let right = site.env.read("app.rgx");
    Judge::all(kind, &site.env, |judge, chance| {
        let bytes = if chance.one_in(2) {
            sections_changed(&right, chance)
        } else {
            let mut index = Index::decode(&right).unwrap();
            for _ in 0..1 + chance.below(3) {
                change_model(&mut index, chance);
            }
            if chance.one_in(3) {
                count_again(&mut index);
            }
            index.encode()
        };
        site.env.write("app.rgx", &bytes);
        site.read_all(judge, chance);
    });
}

#[test]
fn indexes_of_tars() {
    try_indexes("index", false);
}

#[test]
fn indexes_of_archives_with_gzip_layers() {
    try_indexes("coded index", true);
}
