//! Images that go into an engine as an archive through a pipe.

use std::io::{self, Write};

use crate::archive::Archive;
use crate::image::{MadeManifest, layout_index};
use crate::process::{Fed, Program};
use crate::{EngineError, EngineKind, Image, Layer, Loading, Sent, Sha256};

/// An archive on its way to an engine.
pub(crate) trait Upload: Write {
    /// Ends the archive, and waits until the engine has taken it.
    fn finish(self: Box<Self>) -> Result<(), EngineError>;
    /// The reason why the engine took no more.
    fn failure(self: Box<Self>, source: io::Error) -> EngineError;
}

/// The files of an archive, apart from the layers.
pub(crate) struct Layout {
    /// The path of a layer.
    pub(crate) path_of: fn(&Layer) -> String,
    /// The small files. They come last, so that an engine that gets no end has nothing to make an image of.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

impl Layout {
    /// An OCI layout. `shown` says which name an image gets for one of its names.
    pub(crate) fn oci(images: &[Image], shown: impl Fn(&Image, &str) -> String) -> Self {
        let manifests: Vec<Vec<u8>> = images.iter().map(|image| image.manifest_or(MadeManifest::Containerd)).collect();
        let mut named = Vec::new();
        for (image, manifest) in images.iter().zip(&manifests) {
            named.extend(image.names.iter().map(|name| (manifest.as_slice(), shown(image, name))));
        }
        named.dedup();
        let named: Vec<(&[u8], &str)> = named.iter().map(|(manifest, name)| (*manifest, name.as_str())).collect();
        let blob = |bytes: &[u8]| (blob_path(&Sha256::of(bytes)), bytes.to_vec());
        let mut files: Vec<_> = images.iter().map(|image| blob(&image.config)).collect();
        files.extend(manifests.iter().map(|manifest| blob(manifest)));
        files.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
        files.push(("index.json".to_owned(), layout_index(&named)));
        Self { path_of: |layer| blob_path(&layer.blob.digest), files }
    }
}

fn blob_path(digest: &Sha256) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Images on their way through a pipe.
pub(crate) struct Piped {
    engine: EngineKind,
    layout: Layout,
    /// The archive, until the engine takes no more.
    archive: Option<Archive<Box<dyn Upload>>>,
}

impl Piped {
    pub(crate) fn new(engine: EngineKind, upload: Box<dyn Upload>, layout: Layout) -> Self {
        Self { engine, layout, archive: Some(Archive::new(engine, upload)) }
    }

    /// Writes to the archive. If the engine takes no more, it is asked why.
    fn put(&mut self, put: impl FnOnce(&mut Archive<Box<dyn Upload>>) -> io::Result<()>) -> Result<(), EngineError> {
        let broken = |source| EngineError::Broken { engine: self.engine, doing: "it was given the image", source };
        let archive = self.archive.as_mut().ok_or_else(|| broken(io::ErrorKind::BrokenPipe.into()))?;
        let Err(source) = put(archive) else { return Ok(()) };
        Err(match self.archive.take() {
            // What this side got wrong is no failure of the engine.
            Some(archive) if source.kind() != io::ErrorKind::Other => archive.into_inner().failure(source),
            _ => broken(source),
        })
    }
}

impl Loading for Piped {
    fn begin(&mut self, sent: &Sent) -> Result<(), EngineError> {
        let path = (self.layout.path_of)(&sent.layer);
        self.put(|archive| archive.begin(&path, sent.bytes, sent.digest))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        self.put(|archive| archive.write_all(bytes))
    }

    fn finish(mut self: Box<Self>) -> Result<(), EngineError> {
        if let Some(archive) = &mut self.archive {
            archive.check()?;
        }
        for (path, bytes) in std::mem::take(&mut self.layout.files) {
            self.put(|archive| archive.add(&path, &bytes))?;
        }
        self.put(Archive::end)?;
        self.archive.take().map_or(Ok(()), |archive| archive.into_inner().finish())
    }
}

/// An archive on its way into a command.
pub(crate) struct CommandUpload {
    fed: Fed,
    program: Program,
}

impl CommandUpload {
    pub(crate) fn new(program: Program, arguments: &[&str]) -> Result<Self, EngineError> {
        Ok(Self { fed: program.feed(arguments)?, program })
    }
}

impl Write for CommandUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fed.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for CommandUpload {
    fn finish(self: Box<Self>) -> Result<(), EngineError> {
        self.fed.finish(&self.program).map(drop)
    }

    fn failure(self: Box<Self>, source: io::Error) -> EngineError {
        self.fed.failure(&self.program, source)
    }
}
