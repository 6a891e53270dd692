//! The engines that there are, and which of them is meant.

use std::path::{Path, PathBuf};

use crate::containerd::Containerd;
use crate::docker::{self, Docker};
use crate::kind::{connect, socket};
use crate::podman::Podman;
use crate::{Engine, EngineError, EngineKind, EngineOptions};

/// An engine that was found.
pub type Found = Box<dyn Engine>;

const DOCKER_SOCKET: &str = "/var/run/docker.sock";
const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// Finds the engine that is meant. Where none is named, it is the only one that there is. A containerd beside a Docker
/// daemon does not count, because Docker brings one with it.
///
/// # Errors
/// The engine cannot be reached, or there is none, or there are several.
pub fn find(options: &EngineOptions, search_path: &[PathBuf]) -> Result<Found, EngineError> {
    let kind = match options.kind {
        Some(kind) => kind,
        None => the_only(options, search_path)?,
    };
    let address = options.address.as_deref();
    Ok(match kind {
        EngineKind::Docker => {
            let path = address.map_or(Ok(Some(PathBuf::from(DOCKER_SOCKET))), socket_or_other)?;
            Box::new(Docker::open(path.as_deref(), options, has_command(search_path, "docker"))?)
        }
        EngineKind::Podman => Box::new(Podman::new(options)),
        EngineKind::Containerd => {
            let path = address.map(socket).transpose()?;
            let path = path.as_deref().unwrap_or(Path::new(CONTAINERD_SOCKET));
            reach(EngineKind::Containerd, path)?;
            Box::new(Containerd::new(path, options))
        }
    })
}

/// The engine on this machine, if it is a single one.
fn the_only(options: &EngineOptions, search_path: &[PathBuf]) -> Result<EngineKind, EngineError> {
    // An address without a kind has always been one of Docker.
    if options.address.is_some() {
        return Ok(EngineKind::Docker);
    }
    let docker = reach(EngineKind::Docker, Path::new(DOCKER_SOCKET));
    let is_docker = match docker {
        Ok(()) => !docker::is_podman(Path::new(DOCKER_SOCKET), options),
        // It is there, and whoever runs this should know why it is not taken.
        Err(error @ EngineError::Denied { .. }) if !has_command(search_path, "podman") => return Err(error),
        Err(_) => false,
    };
    let is_podman = has_command(search_path, "podman");
    let is_containerd = !is_docker
        && has_command(search_path, "ctr")
        && reach(EngineKind::Containerd, Path::new(CONTAINERD_SOCKET)).is_ok();
    let all =
        [(EngineKind::Docker, is_docker), (EngineKind::Podman, is_podman), (EngineKind::Containerd, is_containerd)];
    let found: Vec<EngineKind> = all.into_iter().filter_map(|(kind, is_there)| is_there.then_some(kind)).collect();
    match found[..] {
        [kind] => Ok(kind),
        [] => Err(EngineError::NoneFound),
        _ => Err(EngineError::Several { found }),
    }
}

fn has_command(search_path: &[PathBuf], name: &str) -> bool {
    search_path.iter().any(|folder| folder.join(name).is_file())
}

/// Looks whether an engine listens at a socket.
fn reach(engine: EngineKind, path: &Path) -> Result<(), EngineError> {
    connect(engine, path).map(drop)
}

/// The path of a socket, or nothing for the other addresses that Docker's own command takes.
fn socket_or_other(address: &str) -> Result<Option<PathBuf>, EngineError> {
    let is_other = ["tcp://", "ssh://", "http://", "https://"].iter().any(|scheme| address.starts_with(scheme));
    if is_other { Ok(None) } else { socket(address).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths_or_what_dockers_command_takes() {
        assert_eq!(socket("unix:///run/x.sock").unwrap(), Path::new("/run/x.sock"));
        assert_eq!(socket("x.sock").unwrap(), Path::new("x.sock"));
        assert!(socket("npipe://x").is_err() && socket("").is_err());
        assert_eq!(socket_or_other("ssh://host").unwrap(), None);
        assert!(socket_or_other("npipe://x").is_err());
    }

    #[test]
    fn an_engine_that_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let options = |kind| EngineOptions {
            kind: Some(kind),
            address: Some(folder.path().join("none.sock").display().to_string()),
            ..EngineOptions::default()
        };
        for kind in [EngineKind::Docker, EngineKind::Containerd] {
            let error = find(&options(kind), &[]).err().unwrap();
            assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
            assert!(error.to_string().contains("none.sock"), "{error}");
        }
    }
}
