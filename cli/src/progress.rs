//! Progress bars on a terminal, silence elsewhere.

#[cfg_attr(feature = "terminal", path = "progress/bars.rs")]
#[cfg_attr(not(feature = "terminal"), path = "progress/none.rs")]
mod board;

use std::io::IsTerminal;
use std::time::Duration;

use regrow_sync::{Deadline, Progress, Stage};

use crate::hints;
use crate::terminal::clean_line;
use board::Board;

/// How much the command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// The progress bars of a run.
pub(crate) struct Bars {
    verbosity: Verbosity,
    board: Board,
    is_terminal: bool,
    deadline: Option<Deadline>,
}

impl Bars {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let is_terminal = verbosity != Verbosity::Quiet && std::io::stderr().is_terminal();
        Self { verbosity, board: Board::default(), is_terminal, deadline: None }
    }

    /// Sets the time by which the run must be over.
    pub(crate) fn until(self, deadline: Option<Deadline>) -> Self {
        Self { deadline, ..self }
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Make => "make",
        Stage::Scan => "scan seed",
        Stage::Resume => "check output",
        Stage::Fetch => "fetch",
        Stage::Write => "write",
        Stage::Verify => "verify",
        Stage::Compare => "compare",
        Stage::Patch => "patch",
        Stage::Copy => "copy",
        Stage::Collect => "repack",
        Stage::Load => "load",
        _ => "work",
    }
}

impl Progress for Bars {
    fn time_up(&self) -> Option<Duration> {
        self.deadline.filter(|deadline| deadline.left().is_zero()).map(|deadline| deadline.allowed())
    }

    fn begin(&self, stage: Stage, total: Option<u64>) {
        if self.is_terminal {
            self.board.begin(name(stage), total);
        }
    }

    fn add(&self, stage: Stage, bytes: u64) {
        self.board.add(name(stage), bytes);
    }

    fn end(&self, stage: Stage) {
        self.board.end(name(stage));
    }

    fn warn_of(&self, warning: &(dyn std::error::Error + 'static)) {
        self.warn(&format!("{warning}{}", hints::of_warning(warning)));
    }

    #[expect(clippy::print_stderr, reason = "warnings are for people")]
    fn warn(&self, message: &str) {
        if self.verbosity != Verbosity::Quiet {
            let message = clean_line(message);
            self.board.suspend(|| eprintln!("regrow: warning: {message}"));
        }
    }
}
