//! Progress bars on a terminal, silence elsewhere.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use regrow_sync::{Deadline, Progress, Stage};

use crate::terminal::clean_line;

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
    bars: MultiProgress,
    open: Mutex<HashMap<&'static str, ProgressBar>>,
    is_terminal: bool,
    deadline: Option<Deadline>,
}

impl Bars {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let is_terminal = verbosity != Verbosity::Quiet && std::io::stderr().is_terminal();
        Self { verbosity, bars: MultiProgress::new(), open: Mutex::default(), is_terminal, deadline: None }
    }

    /// Sets the time by which the run must be over.
    pub(crate) fn until(self, deadline: Option<Deadline>) -> Self {
        Self { deadline, ..self }
    }

    fn with_bar(&self, stage: Stage, act: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(name(stage)) {
            act(bar);
        }
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
        _ => "work",
    }
}

fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total {
        "{prefix:12} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}"
    } else {
        "{prefix:12} {spinner} {binary_bytes} {binary_bytes_per_sec}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress for Bars {
    fn time_up(&self) -> Option<Duration> {
        self.deadline.filter(|deadline| deadline.left().is_zero()).map(|deadline| deadline.allowed())
    }

    fn begin(&self, stage: Stage, total: Option<u64>) {
        if !self.is_terminal {
            return;
        }
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        bar.set_style(style(total.is_some()));
        bar.set_prefix(name(stage));
        let bar = self.bars.add(bar);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(name(stage), bar);
    }

    fn add(&self, stage: Stage, bytes: u64) {
        self.with_bar(stage, |bar| bar.inc(bytes));
    }

    fn end(&self, stage: Stage) {
        if let Some(bar) = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(name(stage)) {
            bar.finish_and_clear();
        }
    }

    #[expect(clippy::print_stderr, reason = "warnings are for people")]
    fn warn(&self, message: &str) {
        if self.verbosity != Verbosity::Quiet {
            let message = clean_line(message);
            self.bars.suspend(|| eprintln!("regrow: warning: {message}"));
        }
    }
}
