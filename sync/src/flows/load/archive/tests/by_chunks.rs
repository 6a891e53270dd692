//! Parts that come as chunks.

use super::images::{Machine, gzip, image, layer, noise, put};
use super::{Gathered, opened};
use crate::flows::load::archive::{ArchiveFiles, EntryKind, Wanted};
use crate::{IndexFormat, SyncError};

fn paths(archive: &dyn ArchiveFiles) -> Vec<String> {
    archive.entries().iter().map(|entry| String::from_utf8(entry.path.clone()).unwrap()).collect()
}

/// Four layers, one of them compressed, a large file, small ones and a link.
fn mixed() -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut layers: Vec<Vec<u8>> = (1..5).map(layer).collect();
    let large = noise(7, 1_300_000);
    let packed = gzip(&layers[3]);
    let image = image(&layers[..3], |tar| {
        put(tar, "packed.tar.gz", &packed);
        put(tar, "large", &large);
        put(tar, "config.json", &noise(8, 3000));
        put(tar, "empty", b"");
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, "again", "layer-0.tar").unwrap();
    });
    layers.extend([packed, large]);
    (layers, image)
}

#[test]
fn parts_and_small_files_come_alone() {
    let (machine, (files, image)) = (Machine::new(), mixed());
    machine.make(&image, "image.rgx", IndexFormat::V2);
    let (location, options, mut network) = (machine.location("image.rgx"), machine.options(&[]), machine.network());
    let mut archive = opened(&location, &options, &mut network);
    assert!(!archive.parts().is_empty());
    let names = "manifest.json layer-0.tar layer-1.tar layer-2.tar packed.tar.gz large config.json empty again";
    assert_eq!(paths(&*archive), names.split(' ').collect::<Vec<_>>());
    let files_of = &mut archive;
    let parts: Vec<_> = files_of.entries().iter().map(|entry| entry.part).collect();
    assert_eq!(parts, [None, Some(0), Some(1), Some(2), Some(3), Some(4), None, None, None]);
    assert!(files_of.entries()[4].is_coded && !files_of.entries()[5].is_coded);
    assert_eq!(files_of.entries()[8].kind, EntryKind::Link(b"layer-0.tar".to_vec()));
    assert_eq!(files_of.entries()[4].stored_bytes, files[4].len() as u64);
    let mut sha256 = regrow_local::Sha256::default();
    sha256.update(&files[1]);
    assert_eq!(files_of.parts()[1].name, sha256.finish());
    assert_eq!(files_of.small(0).unwrap(), b"[{}]\n");
    assert_eq!(files_of.small(6).unwrap(), noise(8, 3000));
    let mut gathered = Gathered::default();
    let wanted = [(Wanted::Stored(4), &files[4]), (Wanted::Plain(3), &files[3]), (Wanted::Stored(2), &files[1])];
    let more = [(Wanted::Stored(5), &files[5]), (Wanted::Plain(1), &files[1])];
    let small = (noise(8, 3000), Vec::new());
    let small = [(Wanted::Stored(6), &small.0), (Wanted::Stored(7), &small.1)];
    let wanted = [&small[..1], &wanted, &small, &more].concat();
    let numbers: Vec<Wanted> = wanted.iter().map(|(wanted, _)| *wanted).collect();
    files_of.put_together(&numbers, &mut gathered).unwrap();
    for ((wanted, bytes), found) in wanted.into_iter().zip(&gathered.ended) {
        assert!(found.0 == wanted && found.1 == *bytes, "{wanted:?}");
    }
    assert_eq!(gathered.ended.len(), numbers.len());
    for wanted in [Wanted::Stored(8), Wanted::Plain(5), Wanted::Stored(99)] {
        let result = files_of.put_together(&[wanted], &mut Gathered::default());
        assert!(wanted == Wanted::Stored(8) || matches!(result, Err(SyncError::Recipe { .. })), "{wanted:?}");
    }
}

/// A compressed image is the archive that it holds.
#[test]
fn a_compressed_archive_has_the_entries_of_the_archive() {
    let (machine, layers) = (Machine::new(), [layer(1), layer(2)]);
    machine.make(&gzip(&image(&layers, |_| ())), "image.rgx", IndexFormat::V2);
    let (location, options, mut network) = (machine.location("image.rgx"), machine.options(&[]), machine.network());
    let mut archive = opened(&location, &options, &mut network);
    assert!(!archive.parts().is_empty());
    let mut gathered = Gathered::default();
    archive.put_together(&[Wanted::Stored(2), Wanted::Stored(0)], &mut gathered).unwrap();
    assert!(gathered.ended[0].1 == layers[1] && gathered.ended[1].1 == b"[{}]\n");
    assert!(!archive.entries()[2].is_coded);
}

/// An index of version 1 names no parts, and an archive whose layers are no tars is one part.
#[test]
fn an_image_without_parts_comes_whole() {
    let machine = Machine::new();
    let opaque = image(&[noise(1, 1_200_000), noise(2, 5000)], |_| ());
    let layers = [layer(1), layer(2)];
    machine.make(&image(&layers, |_| ()), "one.rgx", IndexFormat::V1);
    machine.make(&opaque, "opaque.rgx", IndexFormat::V2);
    for (index, layer) in [("one.rgx", &layers[0]), ("opaque.rgx", &noise(1, 1_200_000))] {
        let (location, options, mut network) = (machine.location(index), machine.options(&[]), machine.network());
        let mut archive = opened(&location, &options, &mut network);
        assert!(archive.parts().is_empty(), "{index}");
        let mut gathered = Gathered::default();
        archive.put_together(&[Wanted::Stored(1)], &mut gathered).unwrap();
        assert!(gathered.ended[0].1 == *layer && archive.report().chunks_store > 0, "{index}");
    }
}

/// What is not wanted is not fetched: nothing but the packs of the wanted layer is needed.
#[test]
fn nothing_else_is_fetched() {
    let machine = Machine::new();
    let mut layers: Vec<Vec<u8>> = (1..5).map(layer).collect();
    machine.make(&image(&layers, |_| ()), "old.rgx", IndexFormat::V2);
    let old: Vec<_> = packs(&machine);
    layers.push(layer(5));
    machine.make(&image(&layers, |_| ()), "new.rgx", IndexFormat::V2);
    // The old wrapper lies in the old pack too, so its frames are kept in a cache.
    let (location, mut network) = (machine.location("new.rgx"), machine.network());
    let options = machine.options(&[]);
    let mut archive = opened(&location, &options, &mut network);
    assert_eq!(archive.small(0).unwrap(), b"[{}]\n");
    for pack in &old {
        std::fs::remove_file(pack).unwrap();
    }
    let mut gathered = Gathered::default();
    archive.put_together(&[Wanted::Stored(5)], &mut gathered).unwrap();
    assert!(gathered.ended[0].1 == layers[4]);
    archive.put_together(&[Wanted::Stored(4)], &mut gathered).unwrap_err();
    let report = archive.report();
    assert!(report.bytes_store < 200_000 && report.chunks_seed == 0, "{report:?}");
}

fn packs(machine: &Machine) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(machine.path("store/packs")).unwrap();
    folders
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|pack| pack.unwrap().path())
        .collect()
}
