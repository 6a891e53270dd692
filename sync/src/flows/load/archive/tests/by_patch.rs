//! Parts that come by a patch, on a machine whose engine holds the others.

use std::path::PathBuf;

use regrow_local::Sha256;

use super::images::{Machine, gzip, image, layer, noise, put};
use super::server::Host;
use super::{Gathered, opened};
use crate::flows::load::archive::{ArchiveFiles, Wanted};
use crate::{ExtractOptions, ExtractReport, IndexFormat, NoProgress, PatchLevel, PatchOptions, patch};

fn hex(bytes: &[u8]) -> String {
    let mut sha256 = Sha256::default();
    sha256.update(bytes);
    sha256.finish().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A layer that is an update of another: one of its files differs in a few bytes.
fn updated(seed: u64) -> Vec<u8> {
    let mut layer = layer(seed);
    let at = layer.len() - 60_000;
    layer[at..at + 10].fill(7);
    layer
}

/// A machine that has a store of two images, the patch between them, and the storage of an engine.
struct Device {
    machine: Machine,
    host: Host,
}

impl Device {
    fn new(old: &[u8], new: &[u8]) -> Self {
        let machine = Machine::new();
        machine.make(old, "old.rgx", IndexFormat::V2);
        machine.make(new, "new.rgx", IndexFormat::V2);
        let (old_file, new_file) = (machine.path("old.tar"), machine.path("new.tar"));
        std::fs::write(&old_file, old).unwrap();
        std::fs::write(&new_file, new).unwrap();
        let options = PatchOptions {
            old_files: vec![old_file],
            new_file: Some(new_file),
            level: PatchLevel::default(),
            least_saving: 0,
            announce: true,
            ..PatchOptions::new(machine.path("old.rgx"), machine.path("new.rgx"))
        };
        patch(&options, &mut machine.network(), &NoProgress).unwrap();
        std::fs::create_dir_all(machine.path("engine/blobs/sha256")).unwrap();
        std::fs::write(machine.path("engine/oci-layout"), "{}").unwrap();
        let host = Host::of(&machine.path(""));
        Self { machine, host }
    }

    fn blob(&self, layer: &[u8]) -> PathBuf {
        self.machine.path(&format!("engine/blobs/sha256/{}", hex(layer)))
    }

    /// Puts a layer into the engine's storage.
    fn hold(&self, layer: &[u8]) {
        std::fs::write(self.blob(layer), layer).unwrap();
    }

    /// Puts something into the engine's storage that is no layer, under the name of this one. Whoever reads it finds
    /// nothing of use.
    fn hold_unreadable(&self, layer: &[u8]) {
        std::fs::write(self.blob(layer), b"nobody reads this").unwrap();
    }

    /// Opens the new image, and lets `check` look at it.
    fn load(&self, check: impl FnOnce(&mut dyn ArchiveFiles)) -> ExtractReport {
        self.load_with(ExtractOptions::default(), check)
    }

    fn load_with(&self, options: ExtractOptions, check: impl FnOnce(&mut dyn ArchiveFiles)) -> ExtractReport {
        let seeds = vec![self.machine.path("engine")];
        let options = ExtractOptions { seeds, head_first: true, ..options };
        let (location, mut network) = (self.host.location("new.rgx"), self.machine.network());
        let mut archive = opened(&location, &options, &mut network);
        check(&mut *archive);
        archive.report()
    }
}

fn check(archive: &mut dyn ArchiveFiles, wanted: &[(Wanted, &[u8])]) {
    let mut gathered = Gathered::default();
    let numbers: Vec<Wanted> = wanted.iter().map(|(wanted, _)| *wanted).collect();
    archive.put_together(&numbers, &mut gathered).unwrap();
    for ((wanted, bytes), found) in wanted.iter().zip(&gathered.ended) {
        assert!(found.0 == *wanted && found.1 == *bytes, "{wanted:?}");
    }
    assert_eq!(gathered.ended.len(), numbers.len());
}

/// The engine holds 37 layers of 40, and what lies under their names is of no use to anybody who reads it.
#[test]
fn of_forty_layers_only_three_are_put_together() {
    let held: Vec<Vec<u8>> = (0..37).map(|n| layer(100 + n)).collect();
    let (before, after): (Vec<_>, Vec<_>) = ([1, 2, 3].map(layer).to_vec(), [1, 2, 3].map(updated).to_vec());
    let config = |n: u64| noise(n, 2000);
    let of = |new: &[Vec<u8>], n| {
        let layers = [&held[..20], &new[..2], &held[20..], &new[2..]].concat();
        image(&layers, |tar| put(tar, "config.json", &config(n)))
    };
    let device = Device::new(&of(&before, 7), &of(&after, 8));
    held.iter().for_each(|layer| device.hold_unreadable(layer));
    before.iter().for_each(|layer| device.hold(layer));
    let report = device.load(|archive| {
        let config_at = archive.entries().len() - 1;
        assert_eq!(archive.small(config_at).unwrap(), config(8));
        let wanted =
            [(Wanted::Stored(21), &after[0][..]), (Wanted::Plain(21), &after[1]), (Wanted::Stored(40), &after[2])];
        check(archive, &wanted);
    });
    assert_eq!((report.requests, report.chunks_store), (3, 0), "the head of 40 parts takes two: {report:?}");
    assert!(report.bytes_fetched < 15_000 && report.chunks_patch > 0, "{report:?}");
    assert_eq!(report.storages[0].layers, 40);
}

/// Layers that are compressed in the archive are the same parts, and come in the form that is asked for.
#[test]
fn compressed_layers_come_in_both_forms() {
    let of = |layers: &[Vec<u8>]| image(&layers.iter().map(|layer| gzip(layer)).collect::<Vec<_>>(), |_| ());
    let (a, b) = (layer(1), layer(2));
    let device = Device::new(&of(&[a.clone(), b.clone()]), &of(&[a.clone(), updated(2)]));
    device.hold_unreadable(&a);
    device.hold(&b);
    let (plain, packed) = (updated(2), gzip(&updated(2)));
    let report = device.load(|archive| {
        check(archive, &[(Wanted::Stored(2), &packed), (Wanted::Plain(1), &plain), (Wanted::Stored(0), b"[{}]\n")]);
    });
    assert_eq!(report.chunks_store, 0, "{report:?}");
}

/// A held part is wanted after all, for an engine that has lost it: it is read, and nothing else.
#[test]
fn a_held_part_comes_from_the_storage() {
    let layers: Vec<Vec<u8>> = (1..5).map(layer).collect();
    let new = [&layers[..3], &[updated(4)]].concat();
    let device = Device::new(&image(&layers, |_| ()), &image(&new, |_| ()));
    device.hold_unreadable(&layers[0]);
    layers[1..].iter().for_each(|layer| device.hold(layer));
    let report = device.load(|archive| {
        check(archive, &[(Wanted::Stored(2), &layers[1]), (Wanted::Stored(4), &new[3])]);
    });
    assert!(report.chunks_seed > 0 && report.chunks_store == 0, "{report:?}");
}

/// Where the storage does not hold what it should, everything comes as chunks.
#[test]
fn a_base_that_is_none_costs_chunks() {
    let layers: Vec<Vec<u8>> = (1..4).map(layer).collect();
    let new = [&layers[..2], &[updated(3)]].concat();
    let device = Device::new(&image(&layers, |_| ()), &image(&new, |_| ()));
    layers.iter().for_each(|layer| device.hold_unreadable(layer));
    let report = device.load(|archive| check(archive, &[(Wanted::Stored(3), &new[2]), (Wanted::Plain(0), &layers[0])]));
    assert!(report.chunks_store > 0 && report.chunks_patch == 0, "{report:?}");
}

/// A dry run tells what the patch costs, or the chunks, and gives nothing but small files.
#[test]
fn a_dry_run_only_counts() {
    let layers: Vec<Vec<u8>> = (1..4).map(layer).collect();
    let new = [&layers[..2], &[updated(3)]].concat();
    let device = Device::new(&image(&layers, |_| ()), &image(&new, |_| ()));
    layers[..2].iter().for_each(|layer| device.hold_unreadable(layer));
    device.hold(&layers[2]);
    let costs = [true, false].map(|patches| {
        let [real, dry] = [false, true].map(|dry_run| {
            let report =
                device.load_with(ExtractOptions { dry_run, patches, ..ExtractOptions::default() }, |archive| {
                    assert_eq!(archive.small(0).unwrap(), b"[{}]\n");
                    let mut gathered = Gathered::default();
                    archive.put_together(&[Wanted::Stored(3)], &mut gathered).unwrap();
                    assert_eq!(gathered.ended.is_empty(), dry_run);
                });
            report.bytes_fetched
        });
        // What is read ahead while seeds are scanned depends on which is done first.
        assert!(dry.abs_diff(real) < 3000, "{dry} {real}");
        real
    });
    assert!(costs[0] < costs[1], "{costs:?}");
}
