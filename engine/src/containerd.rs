//! containerd, by its command. An import reads manifests and configurations of its archive, and takes blobs as they
//! come; layers are looked for only when the image is unpacked. A layer of which there is a snapshot is not looked for
//! at all. What other namespaces hold does not count.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::image::{MadeManifest, check_given, check_name, full_name};
use crate::piped::{CommandUpload, Layout, Piped};
use crate::process::Program;
use crate::{Engine, EngineError, EngineKind, EngineOptions, Form, Image, Loading, Sent, Sha256};

const ENGINE: EngineKind = EngineKind::Containerd;
/// The plugin that keeps blobs, in the root folder.
const CONTENT: &str = "io.containerd.content.v1.content";
/// The name of an image while it is being imported, without the digest that ends it.
const LOADING: &str = "regrow.invalid/loading:";

pub(crate) struct Containerd {
    program: Program,
    load: Program,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

impl Containerd {
    pub(crate) fn new(socket: &Path, options: &EngineOptions) -> Self {
        let mut first = vec!["--address".to_owned(), socket.display().to_string()];
        first.extend(options.namespace.iter().flat_map(|name| ["--namespace".to_owned(), name.clone()]));
        let program = Program { engine: ENGINE, name: "ctr", first, patience: options.for_questions() };
        let load = Program { patience: options.for_loading(), ..program.clone() };
        Self { program, load }
    }

    fn lines(&self, arguments: &[&str]) -> Result<Vec<String>, EngineError> {
        let answer = self.program.ask(arguments)?;
        Ok(String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect())
    }

    /// The chains of layers of which there are snapshots.
    fn snapshots(&self) -> HashSet<Sha256> {
        let lines = self.lines(&["snapshots", "ls"]).unwrap_or_default();
        let committed = lines.iter().filter(|line| line.trim_end().ends_with("Committed"));
        committed.filter_map(|line| Sha256::parse(line.split_whitespace().next()?)).collect()
    }
}

/// The digest of the image that has this name.
fn digest_of(program: &Program, name: &str) -> Result<Option<Sha256>, EngineError> {
    let answer = program.ask(&["images", "ls", &format!("name==\"{name}\"")])?;
    let answer = String::from_utf8_lossy(&answer);
    let mut rows = answer.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first().is_some_and(|first| *first == name));
    Ok(row.and_then(|row| row.iter().find_map(|word| Sha256::parse(word))))
}

impl Engine for Containerd {
    fn kind(&self) -> EngineKind {
        ENGINE
    }

    fn storage_root(&mut self) -> Result<Option<PathBuf>, EngineError> {
        let lines = self.lines(&["plugins", "ls", "--detailed", "id==content"])?;
        let mut exported = lines.iter().filter_map(|line| line.trim().strip_prefix("root"));
        let root = exported.find_map(|rest| rest.trim().strip_suffix(CONTENT).map(PathBuf::from));
        Ok(root.filter(|root| root.is_absolute()))
    }

    fn form(&mut self) -> Result<Form, EngineError> {
        Ok(Form::Blob)
    }

    fn held(&mut self, image: &Image) -> Result<Vec<bool>, EngineError> {
        let blobs = self.lines(&["content", "ls", "--quiet"])?;
        let mut held = image.held_among(&blobs.iter().filter_map(|line| Sha256::parse(line.trim())).collect());
        if held.iter().any(|held| !held) {
            let snapshots = self.snapshots();
            for (held, chain) in held.iter_mut().zip(image.chain_ids()) {
                *held |= snapshots.contains(&chain);
            }
        }
        Ok(held)
    }

    fn image_id(&mut self, name: &str) -> Result<Option<Sha256>, EngineError> {
        check_name(name)?;
        let digest = match Sha256::parse(name) {
            Some(digest) => Some(digest),
            None => digest_of(&self.program, &full_name(name))?,
        };
        let Some(digest) = digest else { return Ok(None) };
        let manifest = self.program.ask(&["content", "get", &digest.to_string()])?;
        let manifest: Option<Manifest> = serde_json::from_slice(&manifest).ok();
        Ok(manifest.and_then(|manifest| Sha256::parse(&manifest.config.digest)))
    }

    fn check_manifest(&mut self, image: &Image, name: &str) -> Result<(), EngineError> {
        let expected = Sha256::of(&image.manifest_or(MadeManifest::Containerd));
        let found = digest_of(&self.program, &full_name(name))?;
        if found == Some(expected) {
            return Ok(());
        }
        let found = found.map(|found| found.to_string());
        Err(EngineError::OtherImage { engine: ENGINE, name: name.to_owned(), expected, found })
    }

    fn begin(&mut self, images: Vec<Image>, _scratch: &Path) -> Result<Box<dyn Loading>, EngineError> {
        images.iter().flat_map(|image| &image.names).try_for_each(|name| check_given(name))?;
        if images.iter().any(|image| image.names.is_empty()) {
            return Err(EngineError::Unnamed { engine: ENGINE });
        }
        let layout = Layout::oci(&images, |image, _| loading_name(image));
        let upload = CommandUpload::new(self.load.clone(), &["images", "import", "-"])?;
        let piped = Some(Box::new(Piped::new(ENGINE, Box::new(upload), layout)));
        Ok(Box::new(ContainerdLoading { program: self.load.clone(), piped, images }))
    }
}

/// The name that an image has until it is complete. An import that fails leaves its name behind, and an earlier image
/// must not lose its own to it.
fn loading_name(image: &Image) -> String {
    format!("{LOADING}{}", Sha256::of(&image.manifest_or(MadeManifest::Containerd)).hex())
}

/// Images on their way into containerd.
struct ContainerdLoading {
    program: Program,
    piped: Option<Box<Piped>>,
    images: Vec<Image>,
}

impl ContainerdLoading {
    fn piped(&mut self) -> Result<&mut Piped, EngineError> {
        let taken = || EngineError::refused(ENGINE, "it has the archive already");
        self.piped.as_deref_mut().ok_or_else(taken)
    }

    fn name(&self, image: &Image) -> Result<(), EngineError> {
        let loading = loading_name(image);
        let expected = Sha256::of(&image.manifest_or(MadeManifest::Containerd));
        let found = digest_of(&self.program, &loading)?;
        if found != Some(expected) {
            let found = found.map(|found| found.to_string());
            return Err(EngineError::OtherImage { engine: ENGINE, name: loading, expected, found });
        }
        for name in &image.names {
            self.program.ask(&["images", "tag", "--force", &loading, &full_name(name)])?;
        }
        Ok(())
    }
}

impl Loading for ContainerdLoading {
    fn begin(&mut self, sent: &Sent) -> Result<(), EngineError> {
        self.piped()?.begin(sent)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        self.piped()?.write(bytes)
    }

    fn finish(mut self: Box<Self>) -> Result<(), EngineError> {
        self.piped.take().map_or(Ok(()), |piped| piped.finish())?;
        self.images.iter().try_for_each(|image| self.name(image))
    }
}

impl Drop for ContainerdLoading {
    fn drop(&mut self) {
        // An import that is still under way must not make the name after it was removed.
        self.piped = None;
        for image in &self.images {
            let _ = self.program.run(&["images", "rm", &loading_name(image)]);
        }
    }
}
