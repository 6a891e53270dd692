//! The time by which a run must be over.

use std::time::Duration;

use tokio::time::Instant;

use crate::StoreError;

/// The stand-in for a time that no clock can hold.
const FAR: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// The end of the time that a run may take. Requests, bodies and the waits between attempts end with
/// [`StoreError::TimeUp`] when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    allowed: Duration,
}

impl Deadline {
    /// The deadline of a run that begins now and may take this long.
    #[must_use]
    pub fn after(allowed: Duration) -> Self {
        Self { at: Instant::now() + allowed.min(FAR), allowed }
    }

    /// The time that is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The time that the run was allowed.
    #[must_use]
    pub fn allowed(&self) -> Duration {
        self.allowed
    }

    /// Fails if the deadline has passed, for work that looks at the clock now and then.
    ///
    /// # Errors
    /// [`StoreError::TimeUp`].
    pub fn check(&self) -> Result<(), StoreError> {
        if self.left().is_zero() { Err(self.error()) } else { Ok(()) }
    }

    /// The error for work that was not done by the deadline.
    #[must_use]
    pub fn error(&self) -> StoreError {
        StoreError::TimeUp { allowed: self.allowed }
    }

    /// Waits for `work`, which is dropped if the deadline comes first.
    ///
    /// # Errors
    /// [`StoreError::TimeUp`], and the errors of `work`.
    pub async fn bound<T>(
        deadline: Option<Self>,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Some(deadline) = deadline else { return work.await };
        deadline.check()?;
        match tokio::time::timeout_at(deadline.at, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(deadline.error()),
        }
    }
}
