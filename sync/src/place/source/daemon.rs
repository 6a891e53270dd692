//! An image of a Docker daemon. The daemon gives it in its own form, which differs between versions and machines, so
//! that is kept in a file without a name, and only the image's configuration, manifest and layers are taken from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regrow_engine::{DockerImages, EngineOptions};
use regrow_store::BlobDigest;
use serde::Deserialize;

use super::documents::{Descriptor, Document, MAX_DOCUMENT_BYTES, malformed};
use super::names::ImageName;
use super::plain::{self, PlainLayer};
use super::{Blobs, Found, read_small};
use crate::SourceError;

/// The most entries of what a daemon gives.
const MAX_ENTRIES: usize = 1 << 16;
/// The list of images in what a daemon gives.
const LIST: &str = "manifest.json";
/// The folder of blobs in what a daemon gives since version 25.
const BLOBS: &str = "blobs/sha256/";

/// The image in what a daemon gives.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedImage {
    config: String,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// A document of which only its kind is known: a configuration has a root file system.
#[derive(Deserialize)]
struct AnyDocument {
    #[serde(default)]
    rootfs: Option<serde::de::IgnoredAny>,
}

/// The name by which a daemon is asked. Without a tag it would give all images of the name.
fn asked_name(name: &str) -> String {
    let is_id = name.starts_with("sha256:") || name.contains('@');
    match name.parse::<ImageName>() {
        // An id is a name, too.
        Ok(parsed) if !is_id && !is_hex(name) => parsed.familiar(),
        _ => name.to_owned(),
    }
}

fn is_hex(name: &str) -> bool {
    name.len() >= 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Finds an image of a daemon, and has the daemon give it into a file in `scratch`.
pub(super) fn open(
    name: &str,
    options: &EngineOptions,
    (scratch, check_room): (&Path, &dyn Fn(u64) -> Result<(), SourceError>),
) -> Result<Found, SourceError> {
    let mut daemon = DockerImages::new(options)?;
    let name = asked_name(name);
    let image = daemon.find(&name)?.ok_or_else(|| SourceError::NotFound { there: Vec::new() })?;
    check_room(image.bytes)?;
    let mut file = tempfile::tempfile_in(scratch).map_err(SourceError::io(scratch.display()))?;
    daemon.save(&name, &mut file, scratch)?;
    let saved = Saved::read(file)?;
    let id = BlobDigest::parse(&image.id.to_string()).ok_or_else(|| malformed(image.id, "no digest"))?;
    saved.image(id)
}

/// A stretch of a file.
#[derive(Clone)]
struct Stretch {
    file: Arc<File>,
    at: u64,
    bytes: u64,
}

impl PlainLayer for Stretch {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, SourceError> {
        Ok(Box::new(self.clone()))
    }
}

impl Read for Stretch {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(usize::try_from(self.bytes).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut out[..len], self.at)?;
        (self.at, self.bytes) = (self.at + read as u64, self.bytes - read as u64);
        Ok(read)
    }
}

/// The files in what a daemon gave, by their names. A link stands for the file that it leads to.
struct Saved {
    files: BTreeMap<String, Stretch>,
}

impl Saved {
    fn read(mut file: File) -> Result<Self, SourceError> {
        let damaged = |error: io::Error| malformed("what the daemon gave", error);
        file.rewind().map_err(damaged)?;
        let shared = Arc::new(file.try_clone().map_err(damaged)?);
        let (mut files, mut links) = (BTreeMap::new(), Vec::new());
        let mut archive = tar::Archive::new(file);
        for (number, entry) in archive.entries_with_seek().map_err(damaged)?.enumerate() {
            let entry = entry.map_err(damaged)?;
            if number >= MAX_ENTRIES {
                let (document, most) = ("what the daemon gave".to_owned(), MAX_ENTRIES as u64);
                return Err(SourceError::TooMuch { document, most, what: "files" });
            }
            let name = plain_name(&String::from_utf8_lossy(&entry.path_bytes()));
            let kind = entry.header().entry_type();
            if let Some(to) = entry.link_name_bytes().filter(|_| kind.is_symlink() || kind.is_hard_link()) {
                let to = String::from_utf8_lossy(&to).into_owned();
                links.push((name.clone(), if kind.is_symlink() { beside(&name, &to) } else { plain_name(&to) }));
            } else if kind.is_file() {
                let (at, bytes) = (entry.raw_file_position(), entry.size());
                files.insert(name, Stretch { file: Arc::clone(&shared), at, bytes });
            }
        }
        for (name, to) in links {
            let target = files.get(&to).cloned();
            files.extend(target.map(|target| (name, target)));
        }
        Ok(Self { files })
    }

    /// The image that has this id.
    fn image(self, id: BlobDigest) -> Result<Found, SourceError> {
        let name = blob_name(&id);
        if let Some(stretch) = self.files.get(&name) {
            let descriptor = Descriptor { kind: String::new(), digest: id, bytes: stretch.bytes };
            let bytes = self.document(&descriptor)?;
            let document: AnyDocument = serde_json::from_slice(&bytes).map_err(|error| malformed(id, error))?;
            if document.rootfs.is_none() {
                let root = Document::read(&self, &descriptor)?;
                return Ok(Found { blobs: Box::new(self), root });
            }
        }
        let list = self.small(LIST)?;
        let images: Vec<SavedImage> = serde_json::from_slice(&list).map_err(|error| malformed(LIST, error))?;
        for image in images {
            let config = self.small(&plain_name(&image.config))?;
            if BlobDigest::of(&config) != id {
                continue;
            }
            let layers = image.layers.unwrap_or_default();
            let layer = |name: &String| Ok(Box::new(self.file(&plain_name(name))?.clone()) as Box<dyn PlainLayer>);
            return plain::open(config, layers.iter().map(layer).collect::<Result<_, SourceError>>()?);
        }
        Err(malformed("what the daemon gave", format_args!("it does not hold {id}")))
    }

    fn file(&self, name: &str) -> Result<&Stretch, SourceError> {
        self.files.get(name).ok_or_else(|| SourceError::Absent { blob: name.to_owned() })
    }

    fn small(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let stretch = self.file(name)?;
        if stretch.bytes > MAX_DOCUMENT_BYTES {
            let (document, most) = (name.to_owned(), MAX_DOCUMENT_BYTES);
            return Err(SourceError::TooMuch { document, most, what: "bytes" });
        }
        let mut bytes = Vec::new();
        stretch.clone().read_to_end(&mut bytes).map_err(SourceError::io(name))?;
        Ok(bytes)
    }
}

impl Blobs for Saved {
    fn document(&self, document: &Descriptor) -> Result<Vec<u8>, SourceError> {
        read_small(self, document, MAX_DOCUMENT_BYTES)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        let stretch = self.files.get(&blob_name(&blob.digest));
        let stretch = stretch.ok_or_else(|| SourceError::Absent { blob: blob.digest.to_string() })?;
        Ok(Box::new(stretch.clone()))
    }
}

fn blob_name(digest: &BlobDigest) -> String {
    format!("{BLOBS}{}", super::digest::hex(digest))
}

fn plain_name(name: &str) -> String {
    name.trim_start_matches("./").trim_end_matches('/').to_owned()
}

/// The name of the file to which a link of this name leads.
fn beside(name: &str, to: &str) -> String {
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut path = PathBuf::new();
    for part in folder.join(to).components() {
        match part {
            std::path::Component::Normal(part) => path.push(part),
            std::path::Component::ParentDir => drop(path.pop()),
            _ => {}
        }
    }
    path.to_string_lossy().into_owned()
}
