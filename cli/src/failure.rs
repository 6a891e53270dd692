//! The one place that turns errors into messages and exit codes.

use std::process::ExitCode;

#[cfg(feature = "publish")]
use regrow_sync::SourceError;
use regrow_sync::{LocalError, StoreError, SyncError, TrustError};

use crate::hints;
use crate::terminal::clean_line;

/// A failure of the command.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: Code,
}

/// The exit codes, which docs/checking.md lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Any failure without a code of its own.
    General = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Data is damaged, incomplete, not what it should be, or not trusted.
    Damaged = 3,
    /// An index, a pack or a store is not there or cannot be reached.
    Unreachable = 4,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { message: message.into(), code }
    }

    /// Prints the message on one line, and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        ExitCode::from(self.print())
    }

    /// Prints the message on one line, and returns the exit code as a number, for callers that end the process
    /// themselves.
    #[expect(clippy::print_stderr, reason = "this is where errors are printed")]
    pub(crate) fn print(self) -> u8 {
        eprintln!("regrow: {}", clean_line(&self.message.replace('\n', " ")));
        self.code as u8
    }
}

/// The code for an image archive that cannot be read as the layers of one image.
#[cfg(feature = "publish")]
fn layers_code(fault: &regrow_sync::LayersFault) -> Code {
    use regrow_sync::LayersFault::{Layer, NoPath, Several, System};
    match fault {
        Several(_) | NoPath(_) | System(_) => Code::Usage,
        Layer { source, .. } if !source.is_damage() => Code::General,
        _ => Code::Damaged,
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        let code = match &error {
            #[cfg(feature = "publish")]
            SyncError::Local(LocalError::Layers { fault, .. }) => layers_code(fault),
            SyncError::Usage(_)
            | SyncError::NoStore { .. }
            | SyncError::StoreNeeded
            | SyncError::NoFile { .. }
            | SyncError::SmallChunks { .. }
            | SyncError::SeveralForms { .. }
            | SyncError::PlainUnchecked { .. }
            | SyncError::Key { .. }
            | SyncError::Untrusted { reason: TrustError::NothingToCheckBy, .. }
            | SyncError::NothingKept { .. }
            | SyncError::NoIndexes { .. }
            | SyncError::OtherIndexes { .. }
            | SyncError::SeveralImages { .. }
            | SyncError::Local(LocalError::Storage { .. }) => Code::Usage,
            SyncError::Index { .. }
            | SyncError::Recipe { .. }
            | SyncError::Damaged { .. }
            | SyncError::ChunkLength { .. }
            | SyncError::Digest { .. }
            | SyncError::Local(LocalError::Partial { .. } | LocalError::Changed { .. })
            | SyncError::Untrusted { .. }
            | SyncError::OpenKeys { .. }
            | SyncError::Signature { .. }
            | SyncError::Unsignable { .. }
            | SyncError::NoImage { .. }
            | SyncError::Empty { .. } => Code::Damaged,
            SyncError::Condemned { .. } => Code::General,
            SyncError::Engine(error) if error.is_usage() => Code::Usage,
            SyncError::Engine(error) if error.is_damage() => Code::Damaged,
            SyncError::Engine(error) if error.is_unreachable() => Code::Unreachable,
            SyncError::Store(error) => store_code(error),
            #[cfg(feature = "publish")]
            SyncError::Source { reason, .. } => source_code(reason),
            SyncError::Local(LocalError::Unread { source, .. }) => unread_code(source),
            _ => Code::General,
        };
        Self::new(code, format!("{error}{}", hints::of_error(&error)))
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        SyncError::from(error).into()
    }
}

#[cfg(feature = "publish")]
fn source_code(error: &SourceError) -> Code {
    match error {
        SourceError::Name { .. }
        | SourceError::Published
        | SourceError::Several { .. }
        | SourceError::Platform { .. } => Code::Usage,
        SourceError::NotFound { .. } => Code::Unreachable,
        SourceError::Store(error) => store_code(error),
        SourceError::Engine(error) if error.is_usage() => Code::Usage,
        SourceError::Engine(error) if error.is_unreachable() => Code::Unreachable,
        SourceError::Io { .. } | SourceError::Local(_) | SourceError::Engine(_) => Code::General,
        _ => Code::Damaged,
    }
}

/// The code for an image that cannot be read to its end.
fn unread_code(error: &std::io::Error) -> Code {
    #[cfg(feature = "publish")]
    if let Some(reason) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return source_code(reason);
    }
    let _ = error;
    Code::Damaged
}

fn store_code(error: &StoreError) -> Code {
    match error {
        StoreError::Damaged { .. } | StoreError::Short { .. } => Code::Damaged,
        StoreError::Parameters { .. } | StoreError::InvalidOption { .. } | StoreError::Occupied { .. } => Code::Usage,
        StoreError::Io { .. } | StoreError::Link { .. } => Code::General,
        _ => Code::Unreachable,
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::General, error.to_string())
    }
}
