//! The store of an index to which a redirect led. It lies either beside the place where the index was found, or
//! beside the place where it was asked for.

use std::sync::atomic::{AtomicU8, Ordering};

use futures::future::BoxFuture;
use regrow_store::{Download, ReadStore, Span, StoreError};

/// Nothing has been found yet.
const UNKNOWN: u8 = 0;
const FIRST: u8 = 1;
const SECOND: u8 = 2;

/// Two places, one of which is the store. The first is asked before the second until an object is found in one of
/// them. From then on, only that place is asked.
#[derive(Debug)]
pub(crate) struct EitherPlace<A, B> {
    first: A,
    second: B,
    found: AtomicU8,
}

impl<A: ReadStore, B: ReadStore> EitherPlace<A, B> {
    pub(crate) fn new(first: A, second: B) -> Self {
        Self { first, second, found: AtomicU8::new(UNKNOWN) }
    }

    async fn begin(&self, name: &str, span: Span) -> Result<Download, StoreError> {
        match self.found.load(Ordering::Relaxed) {
            FIRST => return self.first.get(name, span).await,
            SECOND => return self.second.get(name, span).await,
            _ => {}
        }
        let refusal = match self.first.get(name, span.clone()).await {
            Ok(download) => {
                self.found.store(FIRST, Ordering::Relaxed);
                return Ok(download);
            }
            Err(error) if is_elsewhere(&error) => error,
            Err(error) => return Err(error),
        };
        match self.second.get(name, span).await {
            Ok(download) => {
                self.found.store(SECOND, Ordering::Relaxed);
                Ok(download)
            }
            // The error from the place where the index was found says more than that of the other place.
            Err(error) if error.is_not_found() => Err(refusal),
            Err(error) => Err(error),
        }
    }
}

/// Whether an error says that the store is not in this place.
fn is_elsewhere(error: &StoreError) -> bool {
    error.is_not_found()
        || matches!(
            error,
            StoreError::Denied { .. }
                | StoreError::Withheld { .. }
                | StoreError::Refused { .. }
                | StoreError::Redirected { .. }
                | StoreError::WebPage { .. }
                | StoreError::Status { status: 400, .. }
        )
}

impl<A: ReadStore, B: ReadStore> ReadStore for EitherPlace<A, B> {
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        Box::pin(self.begin(name, span))
    }

    fn location(&self) -> &str {
        if self.found.load(Ordering::Relaxed) == SECOND { self.second.location() } else { self.first.location() }
    }
}

#[cfg(test)]
mod tests {
    use regrow_store::{Condition, Content, MemoryStore, ObjectKind, WriteStore};

    use super::*;

    #[tokio::test]
    async fn the_place_where_something_was_found_is_asked_alone() {
        let (empty, full) = (MemoryStore::new("empty"), MemoryStore::new("full"));
        full.put("x", Content::Bytes("x".into()), ObjectKind::Immutable, Condition::Always).await.unwrap();
        for (first, second, found) in [(&empty, &full, SECOND), (&full, &empty, FIRST)] {
            let either = EitherPlace::new(Clone::clone(first), Clone::clone(second));
            assert!(either.get("y", Span::Whole).await.unwrap_err().is_not_found());
            assert_eq!(either.found.load(Ordering::Relaxed), UNKNOWN);
            assert_eq!(either.get("x", Span::Whole).await.unwrap().bytes().await.unwrap(), "x");
            assert_eq!(either.found.load(Ordering::Relaxed), found);
            assert_eq!(either.location(), "full");
            assert!(either.get("y", Span::Whole).await.unwrap_err().to_string().starts_with("full/y"));
        }
        assert!(!is_elsewhere(&StoreError::Status { object: "x".into(), status: 503, retry_after: None }));
    }
}
