//! The reasons why an archive cannot be read as the layers of one image.

use regrow_rootfs::RootfsError;

/// The reason why an archive cannot be read as the layers of one image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayersFault {
    /// There is no image in it.
    #[error("no image archive: there is neither an index.json nor a manifest.json with an image in it")]
    NoImage,
    /// There are several images in it.
    #[error("holds {} images ({}); save one of them alone", .0.len(), .0.join(", "))]
    Several(Vec<String>),
    /// A document or layer is not there.
    #[error("{0} is missing in it")]
    Missing(String),
    /// A document is not what it should be.
    #[error("{0} is damaged")]
    Malformed(String),
    /// The image is for another system, whose layers have metadata that is not read.
    #[error("is an image for {0}; only those for linux can be layered")]
    System(String),
    /// The configuration and the list of layers do not agree.
    #[error("the configuration names {named} layers, and there are {present}")]
    Count {
        /// The number of layers in the configuration.
        named: usize,
        /// The number of layers in the archive.
        present: usize,
    },
    /// A layer is compressed in another form than engines read.
    #[error("layer {layer}: is compressed by {form}, which engines do not read")]
    Compression {
        /// The layer.
        layer: String,
        /// The compression.
        form: &'static str,
    },
    /// The bytes of a layer are not those that the configuration names.
    #[error("layer {layer}: is damaged: its bytes are not those that the configuration names")]
    Digest {
        /// The layer.
        layer: String,
    },
    /// A compressed layer holds more bytes than are read.
    #[error("layer {layer}: holds more than {most} bytes, which is more than regrow reads of a compressed layer")]
    TooLarge {
        /// The layer.
        layer: String,
        /// The limit in bytes.
        most: u64,
    },
    /// A layer cannot be read or applied.
    #[error("layer {layer}: {source}")]
    Layer {
        /// The layer.
        layer: String,
        /// The cause.
        source: RootfsError,
    },
    /// Nothing lies at the path that was asked for.
    #[error("there is no {0} in it, nor in the other image")]
    NoPath(String),
    /// The layer that was made does not make the new image's root file system.
    #[error("the layer that was made does not give this image's files; this is a fault of regrow")]
    NotMade,
}
