//! A bucket host's refusal: a status, and a small XML document with a code.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::xml;
use crate::http::retry_after;

/// The longest message of a host that is passed on.
const MAX_MESSAGE_CHARS: usize = 200;

/// An answer that is no success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status. If the answer pretended success, it is the usual one for `code`.
    pub(super) status: u16,
    /// The host's code: `NoSuchKey`, `AccessDenied`, …. It is empty where the host gave none, as answers to HEAD
    /// have no body.
    pub(super) code: String,
    /// The host's message, on one line.
    pub(super) message: String,
    /// The region of the bucket, if the host tells it.
    pub(super) region: Option<String>,
    /// The object's size, which S3 tells when it refuses a range.
    pub(super) object_bytes: Option<u64>,
    /// The wait that `Retry-After` asked for.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    /// Reads the head of an answer, and the beginning of its body.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut refusal = Self::of_document(status.as_u16(), &String::from_utf8_lossy(body));
        if refusal.code.is_empty() {
            // Azure states the code in the head too; in answers to HEAD it stands only there.
            header("x-ms-error-code").unwrap_or_default().clone_into(&mut refusal.code);
        }
        refusal.region = refusal.region.or_else(|| header("x-amz-bucket-region").map(str::to_owned));
        refusal.retry_after = header("retry-after").and_then(retry_after::parse);
        refusal
    }

    fn of_document(status: u16, text: &str) -> Self {
        Self {
            status,
            code: xml::text_of(text, "Code").unwrap_or_default(),
            message: one_line(&xml::text_of(text, "Message").unwrap_or_default()),
            region: xml::text_of(text, "Region").filter(|region| !region.is_empty()),
            object_bytes: xml::text_of(text, "ActualObjectSize").and_then(|size| size.parse().ok()),
            retry_after: None,
        }
    }

    /// Whether the same request may succeed when it is made again.
    pub(super) fn is_transient(&self) -> bool {
        let by_code = matches!(
            self.code.as_str(),
            "RequestTimeout"
                | "SlowDown"
                | "InternalError"
                | "ServiceUnavailable"
                | "ConditionalRequestConflict"
                | "OperationAborted"
                // The bytes changed or broke off on their way.
                | "BadDigest"
                | "IncompleteBody"
                | "XAmzContentSHA256Mismatch"
        );
        by_code || matches!(self.status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
    }
}

/// The refusal in an answer that pretends success. S3 begins to answer a copy, or the completion of an upload,
/// before it is done. Objects that it could not delete are listed in the answer for all of them.
pub(super) fn hidden_refusal(body: &[u8]) -> Option<Refusal> {
    let text = std::str::from_utf8(body).ok()?;
    let mut found = xml::elements(text, "Error")
        .map(|element| Refusal::of_document(0, element))
        // Deleting an object that is not there is no error.
        .filter(|refusal| !matches!(refusal.code.as_str(), "" | "NoSuchKey"));
    let refusal = found.next()?;
    let status = match refusal.code.as_str() {
        "AccessDenied" => 403,
        "InternalError" => 500,
        "SlowDown" | "ServiceUnavailable" => 503,
        _ => 400,
    };
    Some(Refusal { status, ..refusal })
}

fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_from_head_and_body() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-bucket-region", "eu-west-1".parse().unwrap());
        headers.insert("retry-after", "3".parse().unwrap());
        let body =
            b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Reduce\n your &lt;rate&gt;</Message></Error>";
        let refusal = Refusal::read(StatusCode::SERVICE_UNAVAILABLE, &headers, body);
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("SlowDown", "Reduce your <rate>"));
        assert_eq!(refusal.region.as_deref(), Some("eu-west-1"));
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(3)));
        assert!(refusal.is_transient());
        let bare = Refusal::read(StatusCode::FORBIDDEN, &HeaderMap::new(), b"");
        assert_eq!(bare, Refusal { status: 403, ..Refusal::default() });
    }

    #[test]
    fn refusals_in_successes_are_found() {
        let deleted = b"<DeleteResult><Deleted><Key>Error</Key></Deleted>\
            <Error><Key>b</Key><Code>NoSuchKey</Code></Error></DeleteResult>";
        assert_eq!(hidden_refusal(deleted), None);
        let denied = b"<DeleteResult><Deleted><Key>a</Key></Deleted>\
            <Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>";
        assert_eq!(hidden_refusal(denied).unwrap().status, 403);
        let late = b"  \n<Error><Code>InternalError</Code></Error>";
        assert!(hidden_refusal(late).unwrap().is_transient());
        assert_eq!(hidden_refusal(b"<CompleteMultipartUploadResult/>"), None);
        assert_eq!(hidden_refusal(&[0xff, 0]), None);
    }
}
