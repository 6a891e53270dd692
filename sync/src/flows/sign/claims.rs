//! Changes to what a statement claims.

use regrow_index::Claims;

use crate::{SyncError, Timestamp};

/// The largest size of a channel's name in bytes.
const MAX_CHANNEL_BYTES: usize = 255;

/// What will be claimed about an image. What is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimChanges {
    /// The channel. An empty text stands for none.
    pub channel: Option<String>,
    /// The counter.
    pub counter: Option<Counter>,
    /// The time after which the statement is no longer valid. 0 stands for never.
    pub expires_at: Option<Timestamp>,
    /// The time of signing, if anything changes.
    pub now: Timestamp,
}

/// A counter of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// This number.
    Number(u64),
    /// The time of signing in seconds since 1970, or one more than the counter that the index has, if that is higher.
    /// So it grows without anybody who remembers the last one.
    Auto,
}

impl ClaimChanges {
    /// No changes, at this time.
    #[must_use]
    pub fn none(now: Timestamp) -> Self {
        Self { channel: None, counter: None, expires_at: None, now }
    }

    /// Whether something is claimed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channel.is_none() && self.counter.is_none() && self.expires_at.is_none()
    }

    /// Refuses what cannot be claimed.
    ///
    /// # Errors
    /// [`SyncError::Usage`].
    pub fn check(&self) -> Result<(), SyncError> {
        let refused = |reason: &str| Err(SyncError::Usage(reason.to_owned()));
        match &self.channel {
            Some(name) if name.len() > MAX_CHANNEL_BYTES => refused("the channel's name has more than 255 bytes"),
            Some(name) if name.contains(char::is_control) => refused("the channel's name has control characters"),
            _ if self.expires_at.is_some_and(|at| at.0 > 0 && at <= self.now) => refused("the time of expiry is past"),
            _ => Ok(()),
        }
    }

    /// The claims with these changes. The time of signing changes with them, and if `stamps` says so also where none is
    /// known yet.
    pub(crate) fn apply(&self, before: &Claims, stamps: bool) -> Claims {
        let mut claims = before.clone();
        if let Some(channel) = &self.channel {
            claims.channel.clone_from(channel);
        }
        match self.counter {
            Some(Counter::Number(number)) => claims.counter = number,
            Some(Counter::Auto) => claims.counter = self.now.0.max(before.counter.saturating_add(1)),
            None => {}
        }
        if let Some(at) = self.expires_at {
            claims.expires_at = at.0;
        }
        if claims != *before || (stamps && claims.signed_at == 0) {
            claims.signed_at = self.now.0;
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_signing_changes_with_the_claims() {
        let now = Timestamp(1_800_000_000);
        let none = ClaimChanges::none(now);
        let signed = Claims { channel: "stable".into(), counter: 7, signed_at: 5, expires_at: 9 };
        assert_eq!(none.apply(&signed, true), signed);
        assert_eq!(none.apply(&Claims::default(), false), Claims::default());
        assert_eq!(none.apply(&Claims::default(), true).signed_at, now.0);
        let same = ClaimChanges { channel: Some("stable".into()), counter: Some(Counter::Number(7)), ..none.clone() };
        assert_eq!(same.apply(&signed, true), signed, "the same claims keep the signatures of others");
        let auto = ClaimChanges { counter: Some(Counter::Auto), ..none.clone() };
        assert_eq!(auto.apply(&signed, true), Claims { counter: now.0, signed_at: now.0, ..signed.clone() });
        let ahead = Claims { counter: u64::MAX - 1, ..signed };
        assert_eq!(auto.apply(&ahead, true).counter, u64::MAX);
        let past = ClaimChanges { expires_at: Some(now), ..none.clone() };
        assert!(past.check().is_err() && ClaimChanges { expires_at: Some(Timestamp(0)), ..none }.check().is_ok());
    }
}
