//! The way of layers from the archive into an engine.

use std::collections::VecDeque;

use regrow_engine::{Loading, Sent};

use super::archive::{FileSink, Wanted};
use crate::{Progress, Stage, SyncError};

/// Layers on their way into an engine.
pub(super) struct Sending<'a> {
    loading: Option<Box<dyn Loading>>,
    left: VecDeque<&'a Sent>,
    progress: Option<&'a dyn Progress>,
}

impl<'a> Sending<'a> {
    pub(super) fn new(loading: Box<dyn Loading>, sent: &'a [(Wanted, Sent)], progress: &'a dyn Progress) -> Self {
        let left: VecDeque<&Sent> = sent.iter().map(|(_, sent)| sent).collect();
        progress.begin(Stage::Load, Some(left.iter().map(|sent| sent.bytes).sum()));
        Self { loading: Some(loading), left, progress: Some(progress) }
    }

    /// Takes nothing.
    pub(super) fn nowhere() -> Self {
        Self { loading: None, left: VecDeque::new(), progress: None }
    }

    /// Makes images of what was sent.
    pub(super) fn finish(mut self) -> Result<(), SyncError> {
        match self.loading.take() {
            Some(_) if !self.left.is_empty() => Err(SyncError::Worker),
            Some(loading) => Ok(loading.finish()?),
            None => Ok(()),
        }
    }
}

impl FileSink for Sending<'_> {
    fn begin(&mut self, _: Wanted, bytes: u64) -> Result<(), SyncError> {
        if let Some(loading) = &mut self.loading {
            let sent = self.left.pop_front().ok_or(SyncError::Worker)?;
            loading.begin(&Sent { bytes, ..sent.clone() })?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SyncError> {
        if let Some(progress) = self.progress {
            progress.add(Stage::Load, bytes.len() as u64);
        }
        match &mut self.loading {
            Some(loading) => Ok(loading.write(bytes)?),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), SyncError> {
        Ok(())
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(progress) = self.progress {
            progress.end(Stage::Load);
        }
    }
}
