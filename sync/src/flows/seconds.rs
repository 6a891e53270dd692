//! Times in reports.

use std::time::Duration;

/// A duration as seconds with a fraction.
pub(crate) fn as_seconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(elapsed.as_secs_f64())
}
