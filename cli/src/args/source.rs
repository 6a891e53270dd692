//! The arguments for images that are no file.

use clap::Args;
use regrow_sync::{ImageName, Platform, SourceOptions};

/// The part of a place that is wanted, and the names that the archive gives the image.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// The platform, where the image is there for several [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<Platform>,
    /// Take the images for all platforms, and the index that names them
    #[arg(long, conflicts_with = "platform")]
    pub(crate) all: bool,
    /// The name that the archive gives an image that is no file, by which engines tag it; may be repeated [default:
    /// none, so that the archive depends on the image alone]
    #[arg(long = "tag", value_name = "NAME")]
    pub(crate) names: Vec<ImageName>,
}

impl SourceArgs {
    pub(crate) fn options(&self) -> SourceOptions {
        let docker_address = std::env::var("DOCKER_HOST").ok().filter(|address| !address.is_empty());
        let (platform, names) = (self.platform.clone(), self.names.clone());
        SourceOptions { platform, all: self.all, names, docker_address }
    }
}
