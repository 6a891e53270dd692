//! The errors of this crate. Each is one line that names the engine, or what of it failed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{EngineKind, Sha256};

/// The most characters of an engine's own message that are repeated.
const MAX_MESSAGE_CHARS: usize = 400;

/// A failure of an engine, or of talking to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No engine was found.
    #[error(
        "no container engine is here: no docker daemon answers, and there is neither podman nor a containerd with ctr"
    )]
    NoneFound,
    /// Several engines were found, and none of them is the obvious one.
    #[error("several container engines are here: {}", names(found))]
    Several {
        /// The engines.
        found: Vec<EngineKind>,
    },
    /// The address of an engine is of a kind that this crate cannot use.
    #[error("{address}: is no address of a Unix socket")]
    Address {
        /// The address.
        address: String,
    },
    /// Nobody listens at an engine's socket.
    #[error("{}: {engine} cannot be reached there ({source}); is it running?", path.display())]
    Unreachable {
        /// The engine.
        engine: EngineKind,
        /// The socket.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// This user may not use an engine's socket.
    #[error("{}: this user may not use {engine}'s socket; run as root, or as a user who may", path.display())]
    Denied {
        /// The engine.
        engine: EngineKind,
        /// The socket.
        path: PathBuf,
    },
    /// The command of an engine cannot be run.
    #[error("{engine}: its command {command} cannot be run ({source})")]
    Command {
        /// The engine.
        engine: EngineKind,
        /// The command.
        command: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// An engine answered something else than engines answer.
    #[error("{engine}: its answer to {question} makes no sense")]
    Answer {
        /// The engine.
        engine: EngineKind,
        /// What was asked.
        question: String,
    },
    /// An engine refused something in its own words.
    #[error("{engine}: {message}")]
    Refused {
        /// The engine.
        engine: EngineKind,
        /// The engine's message, on one line.
        message: String,
    },
    /// An engine did nothing for a long time.
    #[error("{engine}: no sign of life for {} seconds while {doing}", allowed.as_secs())]
    Silent {
        /// The engine.
        engine: EngineKind,
        /// What it should have done.
        doing: &'static str,
        /// The time that it had.
        allowed: Duration,
    },
    /// The connection to an engine broke.
    #[error("{engine}: the connection broke while {doing} ({source})")]
    Broken {
        /// The engine.
        engine: EngineKind,
        /// What was being done.
        doing: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// A file for an engine cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A layer is not what its name says. The engine did not get its end.
    #[error("layer {expected}: what was put together has another digest, {found}; {engine} did not get its end")]
    OtherLayer {
        /// The engine.
        engine: EngineKind,
        /// The layer's name.
        expected: Sha256,
        /// The digest of the bytes.
        found: Sha256,
    },
    /// An engine has another image than it was given.
    #[error("{engine}: has {} as {name}, and was given {expected}", found.as_deref().unwrap_or("nothing"))]
    OtherImage {
        /// The engine.
        engine: EngineKind,
        /// The name.
        name: String,
        /// The id that was expected.
        expected: Sha256,
        /// The id that the engine tells, if it knows the name.
        found: Option<String>,
    },
    /// An engine that knows images only by names cannot take one without a name.
    #[error("{engine}: the image has no name, and this engine keeps images by their names")]
    Unnamed {
        /// The engine.
        engine: EngineKind,
    },
    /// A name is none that an image can have.
    #[error("{name:?}: is no name of an image")]
    Name {
        /// The name.
        name: String,
    },
}

impl EngineError {
    /// An [`EngineError::Io`] for `path`, for use in `map_err`.
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    /// An engine's refusal in its own words.
    pub(crate) fn refused(engine: EngineKind, message: &str) -> Self {
        let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = match words.char_indices().nth(MAX_MESSAGE_CHARS) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None if words.is_empty() => "it failed without saying why".to_owned(),
            None => words,
        };
        Self::Refused { engine, message }
    }

    /// An error of reading or writing, where a time limit shows as one of two kinds.
    pub(crate) fn of_io(engine: EngineKind, doing: &'static str, allowed: Duration, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent { engine, doing, allowed },
            _ => Self::Broken { engine, doing, source },
        }
    }

    /// Whether the command line is at fault.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NoneFound | Self::Several { .. } | Self::Address { .. } | Self::Name { .. } | Self::Unnamed { .. }
        )
    }

    /// Whether an engine has, or would have got, something else than it should.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::OtherLayer { .. } | Self::OtherImage { .. })
    }

    /// Whether an engine cannot be reached, or answers wrongly.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Command { .. }
                | Self::Answer { .. }
                | Self::Silent { .. }
                | Self::Broken { .. }
        )
    }
}

fn names(found: &[EngineKind]) -> String {
    found.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_message_is_one_short_line() {
        let shown = |message: &str| EngineError::refused(EngineKind::Docker, message).to_string();
        assert_eq!(shown("write: no space\n left \t on device\n"), "docker: write: no space left on device");
        assert_eq!(shown(" \n"), "docker: it failed without saying why");
        let long = shown(&"ä ".repeat(10_000));
        assert!(long.chars().count() < MAX_MESSAGE_CHARS + 20 && long.ends_with('…'), "{long}");
    }
}
