//! Parts that lie apart: in several seeds, alone, or in images of other kinds.

use super::*;

#[test]
fn the_parts_may_lie_in_several_seeds() {
    let site = Site::new(WRITERS[0].1);
    let [[base, one, two], _] = layers();
    let server = site.server();
    let same = site.extract_patched(&server, "--seed old");
    // A base image, and the layers of an application on it.
    site.env.write("base", &WRITERS[2].1(std::slice::from_ref(&base)));
    site.env.write("app", &WRITERS[3].1(&[one.clone(), two.clone()]));
    // Each layer alone, as engines and tools keep them; one is there twice.
    site.env.write("layer.tar.gz", &gzip(&base, GO));
    site.env.write("one.tar", &one);
    site.env.write("two.tar", &two);
    for seeds in [
        "--seed base --seed app",
        "--seed app --seed base",
        "--seed layer.tar.gz --seed one.tar --seed two.tar",
        "--seed two.tar --seed app --seed one.tar --seed base",
    ] {
        assert_eq!(site.extract_patched(&server, seeds), same, "{seeds}");
    }
}

#[test]
fn a_part_that_is_missing_costs_chunks_and_no_request_that_fails() {
    let site = Site::new(WRITERS[0].1);
    let [[base, one, two], _] = layers();
    let server = site.server();
    let with_other_times = regrow_demo::patchable::layers()[0].clone().map(|layer| layer.tar(1_650_000_001));
    for (what, layers) in [
        ("a layer too few", vec![base.clone(), one.clone()]),
        ("another layer", vec![base.clone(), one.clone(), two[..two.len() - 512].to_vec()]),
        ("other times", [vec![base], with_other_times.to_vec()].concat()),
        ("none", vec![noise("a layer", 5000)]),
    ] {
        site.env.write("seed", &WRITERS[2].1(&layers));
        assert_eq!(site.extract_chunked(&server, "--seed seed"), Vec::<String>::new(), "{what}");
        assert_eq!(asked(&server), 0, "{what}: {:?}", server.requests());
    }
}

/// A disk image is one part, wherever it lies.
#[test]
fn an_image_without_layers_is_a_part_as_well() {
    let old = regrow_demo::noise("disk", 1_500_000);
    let new = [&old[..400_000], b"some bytes that were not there", &old[400_000..]].concat();
    let site = Site { env: TestEnvironment::new(), new };
    site.make("old", &old, "");
    site.make("new", &site.new, "--patch-from old.rgx");
    assert_eq!(site.index().patches[0].parts.len(), 1);
    let server = site.server();
    let same = site.extract_patched(&server, "--seed old");
    let mut archive = Vec::new();
    add_file(&mut archive, "layer.tar", &regrow_demo::Tree::sample("layer", 9).tar(5), 5);
    add_file(&mut archive, "disk.img", &old, 5);
    site.env.write("archive", &end(archive));
    site.env.write("disk.gz", &gzip(&old, GO));
    assert_eq!(site.extract_patched(&server, "--seed archive"), same);
    // A file of a tar without layers is no part, so the chunks serve.
    let mut archive = Vec::new();
    add_file(&mut archive, "disk.img", &old, 5);
    site.env.write("archive", &end(archive));
    assert_eq!(site.extract_chunked(&server, "--seed archive"), Vec::<String>::new());
    assert_eq!(asked(&server), 0);
}

/// A part that an image has twice is a base part once.
#[test]
fn a_layer_may_be_there_twice() {
    let [[base, one, two], [_, new_one, new_two]] = layers();
    let site = Site {
        env: TestEnvironment::new(),
        new: WRITERS[0].1(&[base.clone(), new_one, base.clone(), new_two.clone(), new_two]),
    };
    site.make("old", &WRITERS[0].1(&[base.clone(), base.clone(), one.clone(), base.clone(), two.clone()]), "");
    site.make("new", &site.new, "--patch-from old.rgx");
    assert_eq!(site.index().patches[0].parts.len(), 3);
    let server = site.server();
    let same = site.extract_patched(&server, "--seed old");
    site.env.write("seed", &WRITERS[1].1(&[two, one, base]));
    assert_eq!(site.extract_patched(&server, "--seed seed"), same);
}

/// A folder as skopeo's `oci:` and umoci write it.
#[test]
fn an_oci_layout_is_a_list_of_layers() {
    let site = Site::new(WRITERS[0].1);
    let [old, _] = layers();
    let server = site.server();
    let same = site.extract_patched(&server, "--seed old");
    for (folder, written) in [("plain", old.clone()), ("coded", old.clone().map(|layer| gzip(&layer, PGZIP)))] {
        for (number, blob) in written.iter().enumerate() {
            site.env.write(&format!("{folder}/blobs/sha256/{}", blake3::hash(blob)), blob);
            std::os::unix::fs::symlink("nowhere", site.env.path(&format!("{folder}/blobs/sha256/{number}"))).unwrap();
        }
        site.env.write(&format!("{folder}/index.json"), b"{}");
        // Without the mark it is a folder of files like any other.
        assert_eq!(site.extract_chunked(&server, &format!("--seed {folder}")), Vec::<String>::new());
        site.env.write(&format!("{folder}/oci-layout"), b"{\"imageLayoutVersion\":\"1.0.0\"}");
        assert_eq!(site.extract_patched(&server, &format!("--seed {folder}")), same);
    }
    // A layout without layers is a folder.
    site.env.write("empty/oci-layout", b"{}");
    site.extract_chunked(&server, "--seed empty");
}
