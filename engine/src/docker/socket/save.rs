//! Images that a daemon gives away.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{BySocket, ENGINE, MAX_ANSWER_BYTES, refusal};
use crate::image::check_name;
use crate::{EngineError, EngineOptions, Sha256};

const SOCKET: &str = "/var/run/docker.sock";
const SAVING: &str = "it was asked for the image";

/// An image that a Docker daemon has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerImage {
    /// The image's id: the digest of its configuration or, where the daemon keeps images as containerd does, of its
    /// manifest or index.
    pub id: Sha256,
    /// About the number of bytes of its layers.
    pub bytes: u64,
}

/// A Docker daemon at a Unix socket that gives images away, or what takes its place.
pub struct DockerImages {
    daemon: BySocket,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    id: String,
    #[serde(default)]
    size: i64,
}

impl DockerImages {
    /// The daemon at the address in `options`, a path or `unix://PATH`, or at the usual socket.
    ///
    /// # Errors
    /// [`EngineError::Address`] for other addresses.
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        let path = match options.address.as_deref() {
            Some(address) => crate::kind::socket(address)?,
            None => PathBuf::from(SOCKET),
        };
        Ok(Self { daemon: BySocket::new(&path, options) })
    }

    /// Looks for an image by its name or id.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub fn find(&mut self, name: &str) -> Result<Option<DockerImage>, EngineError> {
        check_name(name)?;
        let target = format!("/images/{name}/json");
        let Some(found) = self.daemon.object::<Described>(&target)? else { return Ok(None) };
        let id = Sha256::parse(&found.id).ok_or(EngineError::Answer { engine: ENGINE, question: target })?;
        Ok(Some(DockerImage { id, bytes: u64::try_from(found.size).unwrap_or(0) }))
    }

    /// Writes an image to `out`, in the daemon's own form. `out_name` is for errors.
    ///
    /// # Errors
    /// The daemon refuses, or `out` cannot be written.
    pub fn save(&mut self, name: &str, out: &mut dyn Write, out_name: &Path) -> Result<(), EngineError> {
        check_name(name)?;
        let patience = self.daemon.loading.quiet;
        let mut connection = self.daemon.open(self.daemon.loading)?;
        let target = format!("/images/{name}/get");
        let failed = |error: io::Error| match error.kind() {
            ErrorKind::InvalidData => EngineError::Answer { engine: ENGINE, question: target.clone() },
            _ => EngineError::of_io(ENGINE, SAVING, patience, error),
        };
        let head = connection.ask(&target).map_err(failed)?;
        let (mut refused, mut unwritten) = (Vec::new(), None);
        let taken = connection.body(&head, &mut |bytes| {
            if head.status != 200 {
                refused.extend_from_slice(bytes);
                let is_long = refused.len() as u64 > MAX_ANSWER_BYTES;
                return if is_long { Err(super::nonsense()) } else { Ok(()) };
            }
            out.write_all(bytes).map_err(|error| {
                unwritten = Some(error);
                ErrorKind::WriteZero.into()
            })
        });
        if let Some(error) = unwritten {
            return Err(EngineError::io(out_name)(error));
        }
        taken.map_err(failed)?;
        if head.status == 200 { Ok(()) } else { Err(refusal(&refused)) }
    }
}
