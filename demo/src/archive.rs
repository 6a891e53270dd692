//! Images of several layers, as tools write them.

use crate::tree::Tree;
use crate::ustar::{add_file, end};

/// An image as `docker save` writes it: a tar with a tar for each layer.
pub fn docker_save(layers: &[Tree], time: u64) -> Vec<u8> {
    let mut tar = Vec::new();
    for layer in layers {
        let layer = layer.tar(time);
        let name = blake3::hash(&layer).to_string();
        add_file(&mut tar, &format!("{}/layer.tar", &name[..40]), &layer, time);
        add_file(&mut tar, &format!("{}/json", &name[..40]), format!("{{\"id\":\"{name}\"}}").as_bytes(), time);
    }
    add_file(&mut tar, "manifest.json", b"[{\"Config\":\"config.json\"}]", time);
    end(tar)
}

/// An OCI archive: a tar with compressed layers.
pub fn oci(layers: &[Tree], time: u64, compressed: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut tar = Vec::new();
    add_file(&mut tar, "oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}", time);
    for layer in layers {
        let layer = compressed(&layer.tar(time));
        add_file(&mut tar, &format!("blobs/sha256/{}", blake3::hash(&layer)), &layer, time);
    }
    add_file(&mut tar, "index.json", b"{\"manifests\":[]}", time);
    end(tar)
}
