//! Archives whose layers nobody can make again are written again with plain layers.

use super::*;

fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hex: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// A whole OCI archive and its config. Each layer is given as it is stored, and as its plain bytes.
fn oci_archive(layers: &[(Vec<u8>, Vec<u8>)]) -> (Vec<u8>, Vec<u8>) {
    let diff_ids: Vec<String> = layers.iter().map(|(_, plain)| digest(plain)).collect();
    let config =
        serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = serde_json::to_vec(&config).unwrap();
    let named = |kind: &str, bytes: &[u8]| {
        let kind = format!("application/vnd.oci.image.{kind}");
        serde_json::json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()})
    };
    let listed: Vec<_> = layers.iter().map(|(stored, _)| named("layer.v1.tar+gzip", stored)).collect();
    let manifest =
        serde_json::json!({"schemaVersion": 2, "config": named("config.v1+json", &config), "layers": listed});
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [named("manifest.v1+json", &manifest)]});
    let docker = serde_json::json!([{"Config": blob(&digest(&config)), "Layers": layers.iter().map(|(stored, _)| blob(&digest(stored))).collect::<Vec<_>>()}]);
    let mut tar = Vec::new();
    add_file(&mut tar, "index.json", &serde_json::to_vec(&index).unwrap(), 1);
    add_file(&mut tar, "manifest.json", &serde_json::to_vec(&docker).unwrap(), 1);
    for bytes in [&manifest, &config].into_iter().chain(layers.iter().map(|(stored, _)| stored)) {
        add_file(&mut tar, &blob(&digest(bytes)), bytes, 1);
    }
    (end(tar), config)
}

/// The entries of a tar by name.
fn entries(archive: &[u8]) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let (mut entry, mut bytes) = (entry.unwrap(), Vec::new());
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

#[test]
fn normalized_archives_have_plain_layers_where_nobody_makes_them_again() {
    let (known, unknown) = (Tree::sample("known", 40).tar(1), Tree::sample("unknown", 40).tar(1));
    let mut foreign = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    std::io::Write::write_all(&mut foreign, &unknown).unwrap();
    std::io::Write::flush(&mut foreign).unwrap();
    let foreign = foreign.finish().unwrap();
    let (image, config) = oci_archive(&[(gzip(&known, PGZIP), known.clone()), (foreign.clone(), unknown.clone())]);
    let env = TestEnvironment::new();
    env.write("image", &image);
    let made = env.json("make --normalize image.rgx image");
    assert_eq!(number(&made, "coded"), 1, "{made}");
    env.run("extract image.rgx out").success();
    let found = entries(&env.read("out"));
    assert_eq!(found[&blob(&digest(&config))], config);
    assert!(found[&blob(&digest(&unknown))] == unknown);
    assert!(found.contains_key(&blob(&digest(&gzip(&known, PGZIP)))));
    assert!(!found.contains_key(&blob(&digest(&foreign))));
    let index: serde_json::Value = serde_json::from_slice(&found["index.json"]).unwrap();
    let manifest = &found[&blob(index["manifests"][0]["digest"].as_str().unwrap())];
    assert_eq!(index["manifests"][0]["size"], manifest.len());
    assert_eq!(digest(manifest), index["manifests"][0]["digest"].as_str().unwrap());
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    assert_eq!(manifest["layers"][1]["digest"], digest(&unknown));
    assert_eq!(manifest["layers"][1]["size"], unknown.len());
    assert_eq!(manifest["layers"][1]["mediaType"], "application/vnd.oci.image.layer.v1.tar");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let docker: serde_json::Value = serde_json::from_slice(&found["manifest.json"]).unwrap();
    assert_eq!(docker[0]["Layers"][1], blob(&digest(&unknown)));
    // Without the option the image stays as it is. An archive that needs no change stays as it is too. A file that
    // is no archive is an error.
    assert!(round_trip(&image).1.contains("encoder is not known"));
    let (image, _) = oci_archive(&[(gzip(&known, PGZIP), known)]);
    env.write("image", &image);
    check_make(&env.json("make --normalize image.rgx image"), &image);
    env.write("text", b"no archive");
    assert_eq!(env.run("make --normalize text.rgx text").code, Some(1));
}
