//! Container engines: what images they hold, and giving them others. Their storage is read elsewhere (`regrow_local`);
//! here they are asked and told, by their sockets or their own commands.
//!
//! An [`Engine`] says which layers of an [`Image`] it [holds](Engine::held). Only the others are sent. A [`Loading`]
//! takes them one after the other, in the [form](Engine::form) that the engine wants, and [finishes](Loading::finish)
//! when all of them are known to be right. Until then the engine has nothing under the image's name.
//!
//! | engine | asked | told |
//! |---|---|---|
//! | Docker | over its socket, or by `docker` | an archive as `docker save` makes it, without the files of layers that it holds |
//! | Podman | by `podman` | a folder as `dir:` takes it, without the blobs that it holds |
//! | containerd | by `ctr` | an OCI archive without the blobs that it holds |

mod archive;
mod containerd;
mod digest;
mod docker;
mod engine;
mod error;
mod find;
mod image;
mod kind;
mod piped;
mod podman;
mod process;

pub use digest::Sha256;
pub use docker::{DockerImage, DockerImages};
pub use engine::{Engine, Form, Loading, Room, Sent};
pub use error::EngineError;
pub use find::{Found, find};
pub use image::{Blob, Image, Layer};
pub use kind::{EngineKind, EngineOptions};
