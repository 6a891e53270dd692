//! Podman. It copies images blob by blob, and asks its storage for a blob by its digest before it reads it. So it takes
//! a folder with the manifest and only the blobs that it lacks. It wants to know each blob's size beforehand, which a
//! pipe cannot tell.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::digest::Hashing;
use crate::image::{MadeManifest, check_given, check_name};
use crate::process::Program;
use crate::{Engine, EngineError, EngineKind, EngineOptions, Form, Image, Loading, Room, Sent, Sha256};

const ENGINE: EngineKind = EngineKind::Podman;
/// The number of images that are asked about at once.
const IMAGES_AT_ONCE: usize = 50;

pub(crate) struct Podman {
    program: Program,
    load: Program,
}

#[derive(Deserialize)]
struct Info {
    store: Store,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    graph_root: PathBuf,
}

/// An image that Podman has.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default, rename = "RootFS")]
    root_fs: Option<RootFs>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl Podman {
    pub(crate) fn new(options: &EngineOptions) -> Self {
        let program = Program { engine: ENGINE, name: "podman", first: Vec::new(), patience: options.for_questions() };
        let load = Program { patience: options.for_loading(), ..program.clone() };
        Self { program, load }
    }

    fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T, EngineError> {
        read(&self.program.ask(arguments)?, arguments)
    }

    /// The image that has this name or id, if there is one.
    fn inspect(&self, name: &str) -> Result<Option<Inspected>, EngineError> {
        check_name(name)?;
        let arguments = ["image", "inspect", name.strip_prefix("sha256:").unwrap_or(name)];
        let output = self.program.run(&arguments)?;
        if !output.status.success() {
            let is_unknown = ["image not known", "no such image", "failed to find image"];
            let stderr = String::from_utf8_lossy(&output.stderr);
            return if is_unknown.iter().any(|text| stderr.contains(text)) {
                Ok(None)
            } else {
                Err(self.program.refusal(&output.stderr))
            };
        }
        let mut images: Vec<Inspected> = read(&output.stdout, &arguments)?;
        Ok(images.pop())
    }
}

fn read<T: DeserializeOwned>(answer: &[u8], question: &[&str]) -> Result<T, EngineError> {
    let question = || question.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    serde_json::from_slice(answer).map_err(|_| EngineError::Answer { engine: ENGINE, question: question() })
}

impl Engine for Podman {
    fn kind(&self) -> EngineKind {
        ENGINE
    }

    fn storage_root(&mut self) -> Result<Option<PathBuf>, EngineError> {
        let info: Info = self.ask(&["info", "--format", "json"])?;
        Ok(Some(info.store.graph_root).filter(|root| root.is_absolute()))
    }

    fn form(&mut self) -> Result<Form, EngineError> {
        Ok(Form::Blob)
    }

    fn held(&mut self, image: &Image) -> Result<Vec<bool>, EngineError> {
        let listed = self.program.ask(&["image", "ls", "--all", "--quiet", "--no-trunc"])?;
        let listed = String::from_utf8_lossy(&listed);
        let ids: HashSet<&str> = listed.split_whitespace().map(|id| id.trim_start_matches("sha256:")).collect();
        let ids: Vec<&str> = ids.into_iter().filter(|id| check_name(id).is_ok()).collect();
        let mut layers = HashSet::new();
        for ids in ids.chunks(IMAGES_AT_ONCE) {
            let output = self.program.run(&[&["image", "inspect"], ids].concat())?;
            // An image that is gone meanwhile holds nothing.
            let images: Vec<Inspected> = read(&output.stdout, &["image inspect"]).unwrap_or_default();
            let root_fs = images.into_iter().filter_map(|image| image.root_fs?.layers);
            layers.extend(root_fs.flatten().filter_map(|layer| Sha256::parse(&layer)));
        }
        // Blobs go by their digests as plain tars here. The storage knows those of compressed ones.
        Ok(image.held_among(&layers))
    }

    fn image_id(&mut self, name: &str) -> Result<Option<Sha256>, EngineError> {
        Ok(self.inspect(name)?.and_then(|image| Sha256::parse(&image.id)))
    }

    fn check_manifest(&mut self, image: &Image, name: &str) -> Result<(), EngineError> {
        let expected = Sha256::of(&image.manifest_or(MadeManifest::Podman));
        let found = self.inspect(name)?.and_then(|image| image.digest);
        if found.as_deref().and_then(Sha256::parse) == Some(expected) {
            return Ok(());
        }
        Err(EngineError::OtherImage { engine: ENGINE, name: name.to_owned(), expected, found })
    }

    fn room(&self) -> Room {
        Room::Layers
    }

    fn begin(&mut self, images: Vec<Image>, scratch: &Path) -> Result<Box<dyn Loading>, EngineError> {
        images.iter().flat_map(|image| &image.names).try_for_each(|name| check_given(name))?;
        Ok(Box::new(PodmanLoading { program: self.load.clone(), images, folder: scratch.to_owned(), layer: None }))
    }
}

/// A folder that is filled for Podman.
struct PodmanLoading {
    program: Program,
    images: Vec<Image>,
    folder: PathBuf,
    layer: Option<(PathBuf, File, Hashing)>,
}

impl PodmanLoading {
    fn end_layer(&mut self) -> Result<(), EngineError> {
        self.layer.take().map_or(Ok(()), |(_, _, hashing)| hashing.check(ENGINE))
    }

    fn add(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        let path = self.folder.join(name);
        std::fs::write(&path, bytes).map_err(EngineError::io(&path))
    }

    /// Gives Podman an image without a name, and names it when it is known to be the right one.
    fn load(&self, image: &Image) -> Result<(), EngineError> {
        let expected = image.id();
        self.add(&expected.hex(), &image.config)?;
        self.add("manifest.json", &image.manifest_or(MadeManifest::Podman))?;
        let mut source = std::ffi::OsString::from("dir:");
        source.push(&self.folder);
        let printed = self.program.ask(&["pull".as_ref(), "--quiet".as_ref(), source.as_os_str()])?;
        let printed = String::from_utf8_lossy(&printed);
        let found = printed.split_whitespace().next_back().map(str::to_owned);
        if found.as_deref().and_then(Sha256::parse) != Some(expected) {
            let name = "the image".to_owned();
            return Err(EngineError::OtherImage { engine: ENGINE, name, expected, found });
        }
        if image.names.is_empty() {
            return Ok(());
        }
        let id = expected.hex();
        let mut arguments = vec!["tag", id.as_str()];
        arguments.extend(image.names.iter().map(String::as_str));
        self.program.ask(&arguments).map(drop)
    }
}

impl Loading for PodmanLoading {
    fn begin(&mut self, sent: &Sent) -> Result<(), EngineError> {
        self.end_layer()?;
        let path = self.folder.join(sent.layer.blob.digest.hex());
        let file = File::create(&path).map_err(EngineError::io(&path))?;
        self.layer = Some((path, file, Hashing::new(sent.digest, sent.bytes)));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let Some((path, file, hashing)) = &mut self.layer else { return Ok(()) };
        hashing.add(bytes);
        file.write_all(bytes).map_err(EngineError::io(&*path))
    }

    fn finish(mut self: Box<Self>) -> Result<(), EngineError> {
        self.end_layer()?;
        self.add("version", b"Directory Transport Version: 1.1\n")?;
        self.images.iter().try_for_each(|image| self.load(image))
    }
}
