//! Storages that are damaged, were changed, or want to harm the reader.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::super::names::to_hex;
use super::*;

/// The place of the only layer's description and of its files in a Docker storage.
fn places(laid_out: &LaidOut) -> [PathBuf; 2] {
    let only = |path: PathBuf| std::fs::read_dir(path).unwrap().next().unwrap().unwrap().path();
    [only(laid_out.path("image/overlay2/layerdb/sha256")), only(laid_out.path("overlay2")).join("diff")]
}

#[test]
fn files_that_changed_cost_their_chunks_only() {
    let wanted = layer("changed");
    for later in [false, true] {
        let laid_out = LaidOut::new("docker", &[&wanted]);
        let [_, files] = places(&laid_out);
        let change = || {
            std::fs::remove_file(files.join("usr/share/30")).unwrap();
            std::fs::write(files.join("usr/share/31"), "short").unwrap();
        };
        if !later {
            change();
        }
        let catalog = Catalog::in_memory();
        if !later {
            laid_out::settle();
        }
        let opened = open(&laid_out.storage, &wanted, Some(&catalog)).unwrap();
        assert_eq!(
            (opened.layers, opened.warnings.len()),
            if later { (1, 0) } else { (0, 1) },
            "{:?}",
            opened.warnings
        );
        let seed = opened.seeds.seeds[0].as_file().unwrap();
        if later {
            change();
        } else {
            assert_ne!(seed.scan().units(params()).unwrap().parts, [unit_id(&wanted)]);
            // A layer that is not whole is looked at again next time.
            assert_eq!(open(&laid_out.storage, &wanted, Some(&catalog)).unwrap().scans, 1);
        }
        let [right, wrong] = chunks(seed);
        assert!(right > 10 && (1..20).contains(&wrong), "{right} {wrong}");
    }
}

#[test]
fn no_link_leads_out_of_a_layer() {
    let wanted = layer("links");
    let outside = tempfile::tempdir().unwrap();
    let laid_out = LaidOut::new("docker", &[&wanted]);
    let [_, files] = places(&laid_out);
    // The same bytes lie outside, where a link leads.
    std::fs::rename(files.join("usr/large"), outside.path().join("large")).unwrap();
    symlink(outside.path().join("large"), files.join("usr/large")).unwrap();
    let opened = open(&laid_out.storage, &wanted, None).unwrap();
    assert_ne!(opened.seeds.seeds[0].as_file().unwrap().scan().units(params()).unwrap().parts, [unit_id(&wanted)]);
    // The same holds of a folder that leads out, and of the storage's own.
    let laid_out = LaidOut::new("docker", &[&wanted]);
    let [_, files] = places(&laid_out);
    std::fs::rename(files.join("usr"), outside.path().join("usr")).unwrap();
    symlink(outside.path().join("usr"), files.join("usr")).unwrap();
    let opened = open(&laid_out.storage, &wanted, None).unwrap();
    assert_ne!(opened.seeds.seeds[0].as_file().unwrap().scan().units(params()).unwrap().parts, [unit_id(&wanted)]);
    let laid_out = LaidOut::new("docker", &[&wanted]);
    let [_, files] = places(&laid_out);
    std::fs::rename(&files, outside.path().join("diff")).unwrap();
    symlink(outside.path().join("diff"), &files).unwrap();
    let opened = open(&laid_out.storage, &wanted, None).unwrap();
    assert_eq!((opened.layers, opened.warnings.len()), (0, 1), "{:?}", opened.warnings);
}

#[test]
fn damaged_descriptions_are_passed_over() {
    let wanted = layer("damaged");
    let line = |text: &str| gzip(format!("{text}\n").as_bytes());
    let endless = gzip(&vec![b' '; 70 << 20]);
    let descriptions = [
        (b"no gzip".to_vec(), "is damaged"),
        (line("{"), "is damaged"),
        (line(r#"{"type": 3}"#), "is damaged"),
        (line(r#"{"type": 2, "payload": "*"}"#), "is damaged"),
        (line(r#"{"type": 1, "name": "usr/large", "size": -1}"#), "is damaged"),
        (line(r#"{"type": 1, "name": "usr/large", "size": 18446744073709551615}"#), "is larger"),
        (line(r#"{"type": 1, "name": "usr/large", "size": 80000000}"#), "is larger"),
        (line(r#"{"type": 1, "name": "usr/large", "size": 1500000}"#), "another layer"),
        (endless, "is larger"),
    ];
    for (description, reason) in descriptions {
        let laid_out = LaidOut::new("docker", &[&wanted]);
        let [layer, _] = places(&laid_out);
        std::fs::write(layer.join("tar-split.json.gz"), description).unwrap();
        let mut names = wanting(&wanted, Some(wanted.len() as u64));
        let opened = open_wanted(&laid_out.storage, &mut names, None).unwrap();
        assert_eq!((opened.layers, opened.warnings.len()), (0, 1), "{:?}", opened.warnings);
        assert!(opened.warnings[0].contains(reason), "{reason}: {:?}", opened.warnings);
    }
}

#[test]
fn damaged_lists_are_passed_over() {
    let wanted = layer("lists");
    for (kind, file, bytes) in [
        ("docker", "diff", &b"sha256:no"[..]),
        ("docker", "diff", &[b'a'; 300]),
        ("docker", "cache-id", b"../../etc"),
        ("docker", "cache-id", b"\xff"),
        ("containers", "overlay-layers/layers.json", b"[{]"),
        ("containers", "overlay-layers/layers.json", b"[{\"id\": 7}]"),
    ] {
        let laid_out = LaidOut::new(kind, &[&wanted]);
        let path = if kind == "docker" { places(&laid_out)[0].join(file) } else { laid_out.path(file) };
        std::fs::write(path, bytes).unwrap();
        let opened = open(&laid_out.storage, &wanted, None).unwrap();
        assert_eq!((opened.layers, opened.warnings.len()), (0, 1), "{file}: {:?}", opened.warnings);
    }
}

#[test]
fn compressed_blobs_are_bounded() {
    let wanted = layer("blob");
    let laid_out = LaidOut::new("oci-gzip", &[&wanted]);
    let blob = laid_out.path("blobs/sha256").join(to_hex(&name_of(&gzip(&wanted))));
    for (bytes, reason) in [
        (gzip(&vec![0; wanted.len() + (2 << 20)]), "more than it may"),
        (b"\x1f\x8b\x08 no gzip".to_vec(), "is damaged"),
        (b"\x28\xb5\x2f\xfd zstd".to_vec(), "is damaged"),
        (b"nothing".to_vec(), "another layer"),
    ] {
        std::fs::write(&blob, bytes).unwrap();
        let mut names = wanting(&wanted, Some(wanted.len() as u64));
        let opened = open_wanted(&laid_out.storage, &mut names, None).unwrap();
        assert_eq!((opened.layers, opened.warnings.len()), (0, 1), "{reason}: {:?}", opened.warnings);
        assert!(opened.warnings[0].contains(reason), "{reason}: {:?}", opened.warnings);
    }
}

/// An index may state any size.
#[test]
fn a_size_that_no_layer_has_bounds_nothing() {
    let wanted = layer("size");
    for kind in ["oci-plain", "oci-gzip", "docker"] {
        let laid_out = LaidOut::new(kind, &[&wanted]);
        let mut names = wanting(&wanted, Some(u64::MAX));
        check(&open_wanted(&laid_out.storage, &mut names, None).unwrap(), &wanted);
    }
}

#[test]
fn changed_descriptions_are_read_or_refused() {
    let wanted = layer("mutations");
    let laid_out = LaidOut::new("docker", &[&wanted]);
    let [at, files] = places(&laid_out);
    let mut description = Vec::new();
    let stored = std::fs::read(at.join("tar-split.json.gz")).unwrap();
    flate2::read::GzDecoder::new(&stored[..]).read_to_end(&mut description).unwrap();
    let mut read = [0, 0];
    let lines: Vec<usize> = (0..description.len()).filter(|&at| at == 0 || description[at - 1] == b'\n').collect();
    for number in 0..120 {
        let hash = blake3::hash(&[number]);
        let [line, column, byte, ..] = hash.as_bytes();
        let mut changed = description.clone();
        // Near the beginning of a line, where the fields are.
        if let Some(changed) = changed.get_mut(lines[usize::from(*line) % lines.len()] + usize::from(column % 70)) {
            *changed = b' ' + byte % 95;
        }
        let path = at.join("tar-split.json.gz");
        std::fs::write(&path, gzip(&changed)).unwrap();
        let (file, folder) = (std::fs::File::open(&path).unwrap(), Rooted::open(&files).unwrap());
        let split = SplitLayer::read(file, folder, PathBuf::new(), Arc::default());
        read[usize::from(split.is_ok())] += 1;
        let Ok(split) = split else { continue };
        let mut buffer = vec![0; 5000];
        for at in (0..split.bytes().min(wanted.len() as u64)).step_by(100_000) {
            let _ = split.read_exact_at(&mut buffer, at);
        }
    }
    assert!(read.iter().all(|&count| count > 5), "{read:?}");
}

#[test]
fn other_folders_are_no_storage() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(EngineStorage::recognised(folder.path()), None);
    let storage = EngineStorage { kind: StorageKind::Docker, root: folder.path().to_owned() };
    let error = open(&storage, &layer("none"), None).err().unwrap();
    assert!(matches!(error, LocalError::Storage { fault: StorageFault::OtherKind("docker"), .. }), "{error}");
}
