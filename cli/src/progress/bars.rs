//! Bars on a terminal, one for each stage of a run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The bars that are shown.
#[derive(Default)]
pub(super) struct Board {
    bars: MultiProgress,
    open: Mutex<HashMap<&'static str, ProgressBar>>,
}

impl Board {
    /// Shows a bar for a stage of this many bytes, or a spinner where their number is not known.
    pub(super) fn begin(&self, stage: &'static str, total: Option<u64>) {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        bar.set_style(style(total.is_some()));
        bar.set_prefix(stage);
        let bar = self.bars.add(bar);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(stage, bar);
    }

    /// Moves a stage's bar on by this many bytes.
    pub(super) fn add(&self, stage: &'static str, bytes: u64) {
        if let Some(bar) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(stage) {
            bar.inc(bytes);
        }
    }

    /// Removes a stage's bar.
    pub(super) fn end(&self, stage: &'static str) {
        if let Some(bar) = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(stage) {
            bar.finish_and_clear();
        }
    }

    /// Runs `print` while no bar is on the screen.
    pub(super) fn suspend(&self, print: impl FnOnce()) {
        self.bars.suspend(print);
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
