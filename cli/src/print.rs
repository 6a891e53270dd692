//! Summaries for people and JSON for programs.

use std::io::Write;

use serde::Serialize;

use crate::failure::{Code, Failure};
use crate::progress::Verbosity;
use crate::size::{commas, show};
use crate::terminal::{clean_json, clean_line, clean_text};

/// The way in which a command reports its result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reporter {
    pub(crate) verbosity: Verbosity,
    pub(crate) json: bool,
}

impl Reporter {
    /// Prints a report as JSON on standard output, or else as text on the output that `to` names, unless the user
    /// wants quiet.
    pub(crate) fn print(self, report: &impl Serialize, text: &str, to: To) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string(report).map_err(|error| Failure::new(Code::General, error.to_string()))?;
            return write_out(&format!("{}\n", clean_json(&json)));
        }
        let text = clean_text(text);
        match to {
            To::Output => write_out(&text),
            To::Summary if self.verbosity == Verbosity::Quiet => Ok(()),
            To::Summary => {
                // If nobody reads the summary any more, that is no failure.
                let _ = std::io::stderr().write_all(text.as_bytes());
                Ok(())
            }
        }
    }
}

/// The output for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// Standard output, for what the user asked for.
    Output,
    /// Standard error, for what is said besides.
    Summary,
}

/// Writes to standard output.
pub(crate) fn write_out(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader like `regrow info … | head` has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Failure::new(Code::General, format!("standard output: {error}"))),
    }
}

/// A line of a summary. It stays one line, whatever the value holds.
pub(crate) fn line(name: &str, value: impl std::fmt::Display) -> String {
    let value = value.to_string();
    format!("{name:<22} {}\n", clean_line(&value))
}

/// A size with its exact number of bytes.
pub(crate) fn exact(bytes: u64) -> String {
    if bytes < 1024 { show(bytes) } else { format!("{} ({} bytes)", show(bytes), commas(bytes)) }
}

/// The number of chunks and their size, for a summary.
pub(crate) fn chunks(count: u64, bytes: u64) -> String {
    let chunks = if count == 1 { "chunk" } else { "chunks" };
    format!("{} {chunks}, {}", commas(count), show(bytes))
}
