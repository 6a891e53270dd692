//! Signals by which the user or the system ends the program.

use std::io;

/// The sender of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The user, by Ctrl-C.
    Interrupt,
    /// The system, or the supervisor of this service.
    Terminate,
}

impl Signal {
    /// The exit code of a program that this signal ends, by the shells' convention.
    pub(crate) fn exit_code(self) -> i32 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Waits for a signal, in a Tokio runtime. From the first call on, signals no longer end the program by themselves.
#[cfg(unix)]
pub(crate) async fn signal() -> io::Result<Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(Signal::Interrupt),
        _ = terminate.recv() => Ok(Signal::Terminate),
    }
}

/// Waits for Ctrl-C, in a Tokio runtime. From the first call on, it no longer ends the program by itself.
#[cfg(not(unix))]
pub(crate) async fn signal() -> io::Result<Signal> {
    tokio::signal::ctrl_c().await?;
    Ok(Signal::Interrupt)
}
