//! Docker. Its classic store names layers by all that is below them, so what it holds of an image is always the lowest
//! layers. An archive without the files of these layers is loaded like a whole one: the daemon looks for a layer by its
//! name first, and checks the digests of all that it takes.

mod command;
mod http;
mod socket;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::image::{check_given, check_name, full_name};
use crate::piped::{Layout, Piped, Upload};
use crate::{Engine, EngineError, EngineKind, EngineOptions, Form, Image, Layer, Loading, Sha256};

use command::ByCommand;
use socket::BySocket;
pub use socket::{DockerImage, DockerImages};

/// The daemon's `info`, as far as it is of use.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    docker_root_dir: String,
    driver_status: Option<Vec<(String, String)>>,
}

/// An image that the daemon has.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default, rename = "RootFS")]
    root_fs: Option<RootFs>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RootFs {
    layers: Option<Vec<String>>,
}

/// The two ways to a daemon.
trait Api {
    fn info(&mut self) -> Result<Info, EngineError>;
    /// The ids of all images.
    fn images(&mut self) -> Result<Vec<String>, EngineError>;
    /// The images with these names or ids, without those that are not there. `more` says whether to go on.
    fn inspect(&mut self, names: &[String], more: &mut dyn FnMut(Inspected) -> bool) -> Result<(), EngineError>;
    fn load(&mut self) -> Result<Box<dyn Upload>, EngineError>;
}

/// A Docker daemon.
pub(crate) struct Docker {
    api: Box<dyn Api>,
    info: Option<Info>,
}

/// Whether what listens at Docker's socket is Podman, which can take its place.
pub(crate) fn is_podman(path: &Path, options: &EngineOptions) -> bool {
    BySocket::new(path, options).is_podman()
}

/// The driver type of a daemon that keeps images as containerd does.
const CONTAINERD_STORE: &str = "io.containerd.snapshotter.v1";

impl Docker {
    /// Opens the way to the daemon at a socket, or by its command if there is no socket.
    pub(crate) fn open(path: Option<&Path>, options: &EngineOptions, has_command: bool) -> Result<Self, EngineError> {
        let by_command = || Box::new(ByCommand::new(options));
        let api: Box<dyn Api> = match path {
            None => by_command(),
            Some(path) => match crate::kind::connect(EngineKind::Docker, path) {
                Ok(_) => Box::new(BySocket::new(path, options)),
                // The command may know of a daemon elsewhere.
                Err(EngineError::Unreachable { .. }) if has_command && options.address.is_none() => by_command(),
                Err(error) => return Err(error),
            },
        };
        Ok(Self { api, info: None })
    }

    fn info(&mut self) -> Result<&Info, EngineError> {
        if self.info.is_none() {
            self.info = Some(self.api.info()?);
        }
        self.info
            .as_ref()
            .ok_or_else(|| EngineError::Answer { engine: EngineKind::Docker, question: "info".to_owned() })
    }
}

impl Engine for Docker {
    fn kind(&self) -> EngineKind {
        EngineKind::Docker
    }

    fn storage_root(&mut self) -> Result<Option<PathBuf>, EngineError> {
        let root = PathBuf::from(&self.info()?.docker_root_dir);
        Ok(Some(root).filter(|root| root.is_absolute()))
    }

    fn form(&mut self) -> Result<Form, EngineError> {
        let mut status = self.info()?.driver_status.iter().flatten();
        let is_containerd = status.any(|(key, value)| key == "driver-type" && value == CONTAINERD_STORE);
        Ok(if is_containerd { Form::Blob } else { Form::Plain })
    }

    fn held(&mut self, image: &Image) -> Result<Vec<bool>, EngineError> {
        let diff_ids: Vec<String> = image.layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        let mut held = vec![false; diff_ids.len()];
        // Which blobs a store of containerd has is not told.
        if self.form()? == Form::Blob || diff_ids.is_empty() {
            return Ok(held);
        }
        // Older images of the same names are the most likely to be alike.
        let mut asked = image.names.clone();
        asked.extend(self.api.images()?);
        let mut most = 0;
        self.api.inspect(&asked, &mut |found| {
            let layers = found.root_fs.unwrap_or_default().layers.unwrap_or_default();
            most = most.max(layers.iter().zip(&diff_ids).take_while(|(theirs, ours)| theirs == ours).count());
            most < diff_ids.len()
        })?;
        held[..most].fill(true);
        Ok(held)
    }

    fn image_id(&mut self, name: &str) -> Result<Option<Sha256>, EngineError> {
        check_name(name)?;
        let mut id = None;
        // The full form cannot be taken for the beginning of an id.
        let asked = if Sha256::parse(name).is_some() { name.to_owned() } else { full_name(name) };
        self.api.inspect(&[asked], &mut |found| {
            id = Sha256::parse(&found.id);
            false
        })?;
        Ok(id)
    }

    fn begin(&mut self, images: Vec<Image>, _scratch: &Path) -> Result<Box<dyn Loading>, EngineError> {
        images.iter().flat_map(|image| &image.names).try_for_each(|name| check_given(name))?;
        let layout = match self.form()? {
            Form::Plain => Layout { path_of: layer_path, files: saved(&images) },
            Form::Blob => Layout::oci(&images, |_, name| full_name(name)),
        };
        Ok(Box::new(Piped::new(EngineKind::Docker, self.api.load()?, layout)))
    }
}

/// The small files of an archive as `docker save` makes it. They come last, so that a daemon that gets no end has
/// nothing that it could make an image of.
fn saved(images: &[Image]) -> Vec<(String, Vec<u8>)> {
    let config_path = |image: &Image| format!("{}.json", image.id().hex());
    let entry = |image: &Image| {
        let layers: Vec<String> = image.layers.iter().map(layer_path).collect();
        json!({ "Config": config_path(image), "RepoTags": image.names, "Layers": layers })
    };
    let manifest: Vec<Value> = images.iter().map(entry).collect();
    let mut files: Vec<_> = images.iter().map(|image| (config_path(image), image.config.clone())).collect();
    files.push(("manifest.json".to_owned(), Value::from(manifest).to_string().into_bytes()));
    files
}

fn layer_path(layer: &Layer) -> String {
    format!("{}.tar", layer.diff_id.hex())
}

#[cfg(test)]
mod tests;
