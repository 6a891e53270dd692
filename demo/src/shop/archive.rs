//! A docker-archive: layers, config, and manifest in one tar, named by their SHA-256.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ring::digest::{SHA256, digest};
use tar::{Builder, EntryType};

use super::layer::header;

struct LayerRecord {
    digest: String,
    made_by: &'static str,
}

/// An archive that is being made.
pub(super) struct Archive {
    tar: Builder<BufWriter<File>>,
    layers: Vec<LayerRecord>,
}

impl Archive {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let tar = Builder::new(BufWriter::with_capacity(1 << 20, File::create(path)?));
        Ok(Self { tar, layers: Vec::new() })
    }

    /// Adds a layer's tar as `<digest>.tar`.
    pub(super) fn add_layer(&mut self, made_by: &'static str, tar: &[u8]) -> io::Result<()> {
        let digest = sha256(tar);
        self.append(&format!("{digest}.tar"), tar)?;
        self.layers.push(LayerRecord { digest, made_by });
        Ok(())
    }

    /// Adds config and manifest, and ends the archive. `created` is a time as in RFC 3339.
    pub(super) fn finish(mut self, tag: &str, created: &str) -> io::Result<()> {
        let config = config(&self.layers, created);
        let config_name = format!("{}.json", sha256(config.as_bytes()));
        self.append(&config_name, config.as_bytes())?;
        let layers = joined(&self.layers, |layer| format!("\"{}.tar\"", layer.digest));
        let manifest = format!(r#"[{{"Config":"{config_name}","RepoTags":["{tag}"],"Layers":[{layers}]}}]"#);
        self.append("manifest.json", manifest.as_bytes())?;
        self.tar.into_inner()?.flush()
    }

    fn append(&mut self, name: &str, contents: &[u8]) -> io::Result<()> {
        // `docker save` and skopeo write it like this, without a time.
        let mut header = header(EntryType::Regular, 0o644, 0, contents.len());
        self.tar.append_data(&mut header, name, contents)
    }
}

/// The image's config, in which nothing needs escaping.
fn config(layers: &[LayerRecord], created: &str) -> String {
    let diff_ids = joined(layers, |layer| format!("\"sha256:{}\"", layer.digest));
    let history = joined(layers, |layer| format!(r#"{{"created":"{created}","created_by":"{}"}}"#, layer.made_by));
    [
        format!(r#"{{"architecture":"amd64","os":"linux","created":"{created}","#),
        r#""config":{"Cmd":["/usr/bin/serve"],"Env":["PATH=/usr/bin"],"WorkingDir":"/srv/app"},"#.to_owned(),
        format!(r#""rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}},"history":[{history}]}}"#),
    ]
    .concat()
}

fn joined(layers: &[LayerRecord], show: impl Fn(&LayerRecord) -> String) -> String {
    layers.iter().map(show).collect::<Vec<_>>().join(",")
}

/// The SHA-256 of these bytes, in lower-case hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
