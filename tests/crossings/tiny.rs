//! Layers that are too small to be seen through where they lie compressed.

use super::*;

/// A layer with one file, as a line of a build file makes it.
fn tiny(number: u64) -> Vec<u8> {
    let mut tar = Vec::new();
    add_file(&mut tar, "app/stamp", b"made here", 1_600_000_000 + number);
    end(tar)
}

#[test]
fn a_tiny_layer_is_a_part_wherever_it_lies() {
    let [old, new] = layers().map(|layers| [layers.to_vec(), vec![tiny(1), tiny(2)]].concat());
    let site = Site { env: TestEnvironment::new(), new: WRITERS[0].1(&new) };
    site.make("old", &WRITERS[0].1(&old), "");
    site.make("new", &site.new, "--patch-from old.rgx");
    assert_eq!(site.index().patches[0].parts.len(), 5);
    assert!(gzip(&tiny(1), GO).len() < 512);
    let server = site.server();
    let same = site.extract_patched(&server, "--seed old");
    for (other, writer) in WRITERS {
        site.env.write("seed", &writer(&old));
        assert_eq!(site.extract_patched(&server, "--seed seed"), same, "{other}");
    }
    // Another tiny layer is none.
    site.env.write("seed", &WRITERS[3].1(&[old[..4].to_vec(), vec![tiny(3)]].concat()));
    site.extract_chunked(&server, "--seed seed");
}
