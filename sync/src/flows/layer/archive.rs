//! The archive that is written. It is an OCI image layout in a tar, and one of `docker save` at once, as Docker writes
//! archives since version 25: both name the same blobs. The same images always make the same bytes.

use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use regrow_local::{LayerForm, LayeredImage, LayersFault, LocalError, MadeLayer};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::config::config;
use crate::{ImageName, Progress, Stage, SyncError};

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const COPY_BYTES: usize = 1 << 20;
const BLOCK: u64 = 512;

/// Where the bytes of an entry come from.
enum Data<'a> {
    Bytes(Vec<u8>),
    /// A range of a file: the file, the offset, and the number of bytes.
    File(&'a std::fs::File, u64, u64),
}

impl Data<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, _, bytes) => *bytes,
        }
    }
}

/// The archive of the image that is made.
pub(super) struct NewImage<'a> {
    images: [&'a LayeredImage; 2],
    config_digest: String,
    manifest_digest: String,
    entries: Vec<(String, Data<'a>)>,
}

/// A descriptor of a blob.
fn described(kind: &str, digest: &str, bytes: u64) -> Value {
    json!({ "mediaType": kind, "digest": digest, "size": bytes })
}

fn sha256(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn blob_name(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// A layer of the archive.
struct Layer<'a> {
    digest: String,
    kind: String,
    data: Data<'a>,
}

impl<'a> NewImage<'a> {
    /// Plans the archive.
    pub(super) fn new(
        old: &'a LayeredImage,
        new: &'a LayeredImage,
        made: &'a MadeLayer,
        names: &[String],
    ) -> Result<Self, SyncError> {
        let mut diff_ids: Vec<&str> = old.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        diff_ids.extend(made.layer.is_some().then_some(made.diff_id.as_str()));
        let config = config(&old.config, &new.config, &diff_ids, made.layer.is_some()).ok_or_else(|| {
            let fault = LayersFault::Malformed("its configuration".to_owned());
            LocalError::Layers { path: new.path.clone(), fault }
        })?;
        let config_digest = sha256(&config);
        let layers = layers(old, made);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": described(CONFIG_TYPE, &config_digest, config.len() as u64),
            "layers": layers.iter().map(|layer| described(&layer.kind, &layer.digest, layer.data.bytes()))
                .collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        let manifest_digest = sha256(&manifest);
        let docker = json!([{
            "Config": blob_name(&config_digest),
            "RepoTags": if names.is_empty() { Value::Null } else { json!(names) },
            "Layers": layers.iter().map(|layer| blob_name(&layer.digest)).collect::<Vec<_>>(),
        }]);
        let index = index(described(MANIFEST_TYPE, &manifest_digest, manifest.len() as u64), names);
        let mut entries = vec![
            ("oci-layout".to_owned(), Data::Bytes(LAYOUT.to_vec())),
            ("index.json".to_owned(), Data::Bytes(index.to_string().into_bytes())),
            ("manifest.json".to_owned(), Data::Bytes(docker.to_string().into_bytes())),
            (blob_name(&manifest_digest), Data::Bytes(manifest)),
            (blob_name(&config_digest), Data::Bytes(config)),
        ];
        for layer in layers {
            let name = blob_name(&layer.digest);
            // An image may have the same layer twice.
            if entries.iter().all(|(known, _)| *known != name) {
                entries.push((name, layer.data));
            }
        }
        Ok(Self { images: [old, new], config_digest, manifest_digest, entries })
    }

    pub(super) fn config_digest(&self) -> &str {
        &self.config_digest
    }

    pub(super) fn manifest_digest(&self) -> &str {
        &self.manifest_digest
    }

    /// The size of the archive.
    pub(super) fn bytes(&self) -> u64 {
        let entries = self.entries.iter().map(|(_, data)| BLOCK + data.bytes().next_multiple_of(BLOCK));
        entries.sum::<u64>() + 2 * BLOCK
    }

    /// Fails if somebody wrote to one of the images since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), SyncError> {
        Ok(self.images.iter().try_for_each(|image| image.check_unchanged())?)
    }

    /// Writes the archive.
    pub(super) fn write(&self, out: &mut dyn Write, progress: &dyn Progress) -> io::Result<()> {
        let mut builder = tar::Builder::new(out);
        for (name, data) in &self.entries {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(data.bytes());
            match data {
                Data::Bytes(bytes) => builder.append_data(&mut header, name, bytes.as_slice())?,
                Data::File(file, at, left) => {
                    let range = Range { file, at: *at, left: *left, progress };
                    builder.append_data(&mut header, name, io::BufReader::with_capacity(COPY_BYTES, range))?;
                }
            }
        }
        builder.finish()
    }
}

/// The layers of the archive, the lowest first.
fn layers<'a>(old: &'a LayeredImage, made: &'a MadeLayer) -> Vec<Layer<'a>> {
    let olds = old.layers.iter().zip(&made.old_digests).map(|(layer, digest)| {
        let compression = match layer.form {
            LayerForm::Plain => "",
            LayerForm::Gzip => "+gzip",
            LayerForm::Zstd => "+zstd",
        };
        let (digest, kind) = (digest.clone(), format!("{LAYER_TYPE}{compression}"));
        Layer { digest, kind, data: Data::File(&old.file, layer.at, layer.bytes) }
    });
    let own = made.layer.iter().map(|file| Layer {
        digest: made.diff_id.clone(),
        kind: LAYER_TYPE.to_owned(),
        data: Data::File(file, 0, made.bytes),
    });
    olds.chain(own).collect()
}

/// The index, with the manifest under each name of the image.
fn index(manifest: Value, names: &[String]) -> Value {
    let named = names.iter().filter_map(|name| name.parse::<ImageName>().ok()).map(|name| {
        let mut named = manifest.clone();
        named["annotations"] = json!({
            "io.containerd.image.name": name.full(),
            "org.opencontainers.image.ref.name": name.tag(),
        });
        named
    });
    let mut manifests: Vec<Value> = named.collect();
    if manifests.is_empty() {
        manifests.push(manifest);
    }
    json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests })
}

/// A range of a file, read front to back.
struct Range<'a> {
    file: &'a std::fs::File,
    at: u64,
    left: u64,
    progress: &'a dyn Progress,
}

impl Read for Range<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut out[..most], self.at)?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        self.progress.add(Stage::Write, read as u64);
        Ok(read)
    }
}
