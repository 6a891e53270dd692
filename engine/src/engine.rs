//! What every engine can be asked and told.

use std::path::{Path, PathBuf};

use crate::{EngineError, EngineKind, Image, Layer, Sha256};

/// The form in which an engine takes layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Tars. Compressed ones are taken too, but not asked for.
    Plain,
    /// The blobs that the manifest names.
    Blob,
}

/// What an engine needs room for on this side, before it takes an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Nothing, as all of it goes through a pipe.
    None,
    /// The layers that are sent.
    Layers,
}

/// A layer that is sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The layer.
    pub layer: Layer,
    /// The digest that the bytes must have. Without one, only the engine checks them.
    pub digest: Option<Sha256>,
    /// The number of bytes.
    pub bytes: u64,
}

/// An engine.
pub trait Engine {
    /// The kind.
    fn kind(&self) -> EngineKind;

    /// The place of the engine's storage, if the engine tells it. It may be a place that this user cannot read, or one
    /// on another machine.
    ///
    /// # Errors
    /// The engine cannot be asked.
    fn storage_root(&mut self) -> Result<Option<PathBuf>, EngineError>;

    /// The form in which layers are sent.
    ///
    /// # Errors
    /// The engine cannot be asked.
    fn form(&mut self) -> Result<Form, EngineError>;

    /// Which layers of an image the engine has, so that it takes the image without them.
    ///
    /// # Errors
    /// The engine cannot be asked.
    fn held(&mut self, image: &Image) -> Result<Vec<bool>, EngineError>;

    /// The id of the image that has this name or id, if there is one.
    ///
    /// # Errors
    /// The engine cannot be asked.
    fn image_id(&mut self, name: &str) -> Result<Option<Sha256>, EngineError>;

    /// Checks that the image with this name has the manifest that it was given with, where the engine keeps one.
    ///
    /// # Errors
    /// The engine cannot be asked, or has another.
    fn check_manifest(&mut self, _image: &Image, _name: &str) -> Result<(), EngineError> {
        Ok(())
    }

    /// Checks that the engine has an image as it was given, under its names.
    ///
    /// # Errors
    /// The engine cannot be asked, or has another.
    fn check(&mut self, image: &Image) -> Result<(), EngineError> {
        let expected = image.id();
        for name in &image.names {
            let found = self.image_id(name)?;
            if found != Some(expected) {
                let (name, found) = (name.clone(), found.map(|id| id.to_string()));
                return Err(EngineError::OtherImage { engine: self.kind(), name, expected, found });
            }
            self.check_manifest(image, name)?;
        }
        Ok(())
    }

    /// The need for room on this side.
    fn room(&self) -> Room {
        Room::None
    }

    /// Begins to give the engine images. `scratch` is a folder of this user alone.
    ///
    /// # Errors
    /// The engine cannot be told.
    fn begin(&mut self, images: Vec<Image>, scratch: &Path) -> Result<Box<dyn Loading>, EngineError>;
}

/// Images on their way into an engine. Dropping it ends the way, and the engine keeps nothing under the images' names.
pub trait Loading {
    /// Begins a layer. The layers come one after the other.
    ///
    /// # Errors
    /// The engine takes no more.
    fn begin(&mut self, sent: &Sent) -> Result<(), EngineError>;

    /// Takes the next bytes of the layer.
    ///
    /// # Errors
    /// The engine takes no more.
    fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError>;

    /// Checks the digests of all layers, and gives the engine what makes images of them.
    ///
    /// # Errors
    /// A layer is not what it should be, or the engine does not take the images.
    fn finish(self: Box<Self>) -> Result<(), EngineError>;
}
