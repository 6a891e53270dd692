//! The kinds of engines, and the ways to them.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::EngineError;

/// A kind of engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineKind {
    /// Docker, whatever its storage.
    Docker,
    /// Podman.
    Podman,
    /// containerd without an engine above it, as Kubernetes uses it.
    Containerd,
}

impl EngineKind {
    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The way to an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The kind, or whichever is there.
    pub kind: Option<EngineKind>,
    /// The engine's address, a path or `unix://PATH`, instead of the usual one.
    pub address: Option<String>,
    /// The namespace of containerd.
    pub namespace: Option<String>,
    /// The time that an engine may do nothing while it is asked.
    pub question_patience: Duration,
    /// The time that an engine may do nothing while it takes an image.
    pub load_patience: Duration,
    /// The moment at which every wait for an engine ends, if there is one.
    pub until: Option<Instant>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            kind: None,
            address: None,
            namespace: None,
            question_patience: Duration::from_secs(60),
            load_patience: Duration::from_secs(1800),
            until: None,
        }
    }
}

impl EngineOptions {
    /// The patience with questions.
    pub(crate) fn for_questions(&self) -> Patience {
        Patience { quiet: self.question_patience, until: self.until }
    }

    /// The patience with taking an image.
    pub(crate) fn for_loading(&self) -> Patience {
        Patience { quiet: self.load_patience, until: self.until }
    }
}

/// The time for which an engine is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The time that it may do nothing.
    pub(crate) quiet: Duration,
    /// The moment at which the wait ends in any case.
    pub(crate) until: Option<Instant>,
}

impl Patience {
    /// The time that is left of a silence that has lasted this long. There is none if the wait is over.
    pub(crate) fn left_after(&self, silence: Duration) -> Option<Duration> {
        let left = self.quiet.saturating_sub(silence);
        let left = self.until.map_or(left, |until| left.min(until.saturating_duration_since(Instant::now())));
        (!left.is_zero()).then_some(left)
    }
}

/// The path of a socket.
pub(crate) fn socket(address: &str) -> Result<PathBuf, EngineError> {
    let path = address.strip_prefix("unix://").unwrap_or(address);
    if path.is_empty() || path.contains("://") {
        // What follows the scheme may hold a password.
        let shown = path.split_once("://").map_or(path.to_owned(), |(scheme, _)| format!("{scheme}://…"));
        return Err(EngineError::Address { address: shown });
    }
    Ok(path.into())
}

/// Connects to the socket of an engine.
pub(crate) fn connect(engine: EngineKind, path: &Path) -> Result<UnixStream, EngineError> {
    UnixStream::connect(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::PermissionDenied => EngineError::Denied { engine, path: path.to_owned() },
        _ => EngineError::Unreachable { engine, path: path.to_owned(), source },
    })
}
