//! The report of a load. Its fields are the keys of the JSON that `regrow load` prints.

use regrow_engine::{EngineKind, Image};
use serde::{Deserialize, Serialize};

use super::documents::ArchivedImage;
use crate::flows::extract::ExtractReport;

/// The result of loading an image into an engine, or of a dry run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoadReport {
    /// The engine.
    pub engine: &'static str,
    /// The images.
    pub images: Vec<LoadedImage>,
    /// Whether the engine had the images already, under these names.
    pub already_there: bool,
    /// The number of layers that the engine has. Layers that stand in the images twice count once.
    pub layers_held: u64,
    /// The number of layers that are sent.
    pub layers_sent: u64,
    /// The number of bytes of the layers that the engine has.
    pub bytes_held: u64,
    /// The number of bytes of the layers that are sent.
    pub bytes_sent: u64,
    /// The layers.
    pub layers: Vec<LoadedLayer>,
    /// Where the layers that are sent came from.
    #[serde(flatten)]
    pub extract: ExtractReport,
}

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedImage {
    /// The image's id.
    pub id: String,
    /// The digest of the manifest, if the image came with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// The names.
    pub names: Vec<String>,
}

/// A layer of the images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadedLayer {
    /// The digest by which the engine knows the layer.
    pub digest: String,
    /// The number of bytes.
    pub bytes: u64,
    /// Whether the layer is sent, because the engine lacks it.
    pub sent: bool,
}

impl LoadedImage {
    fn of(image: &Image) -> Self {
        let manifest = image.manifest_digest().map(|digest| digest.to_string());
        Self { id: image.id().to_string(), manifest, names: image.names.clone() }
    }
}

impl LoadReport {
    /// The report of a run that has not begun.
    pub(super) fn of(engine: EngineKind, images: &[ArchivedImage]) -> Self {
        let images = images.iter().map(|archived| LoadedImage::of(&archived.image)).collect();
        Self { engine: engine.name(), images, ..Self::default() }
    }

    /// The report of a run that found these images there.
    pub(super) fn already(engine: EngineKind, images: Vec<LoadedImage>) -> Self {
        Self { engine: engine.name(), images, already_there: true, ..Self::default() }
    }
}
