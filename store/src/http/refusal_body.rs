//! Reads the reason that a bucket gives in the body of a refusal, if it says more than the status.
//!
//! A bucket answers 403 for an absent object if its reader may not list the bucket, so 403 counts as "not found".
//! But if the body says that a signed URL has expired, "not found" would send people looking for the object.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::CONTENT_TYPE;

use super::body::Body;
use super::pace::Pace;
use crate::{Meter, StoreError};

/// The largest body that is read. Refusals have a few hundred bytes.
const MAX_BODY_BYTES: u64 = 4096;
/// The time that the body may take. The status alone is enough.
const PATIENCE: Duration = Duration::from_secs(2);

/// The codes of S3, CloudFront, Google Cloud Storage and Azure that concern the request's signature, token or
/// account. None of them is answered for an absent object.
const CREDENTIAL_CODES: [&str; 17] = [
    "AccountIsDisabled",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthenticationFailed",
    "AuthorizationQueryParametersError",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidAuthenticationInfo",
    "InvalidKey",
    "InvalidSecurity",
    "InvalidSignature",
    "InvalidToken",
    "MalformedPolicy",
    "NotSignedUp",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];

/// The codes of S3 and of Azure for an object that must be restored first, because of its class or of a tier of
/// intelligent tiering.
const ARCHIVED_CODES: [&str; 3] = ["InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"];

/// Replaces `error`, which comes from the head of `response`, by one that says more, if the body does.
pub(super) async fn explain(error: StoreError, response: Response, meter: &Arc<Meter>, pace: Pace) -> StoreError {
    let (StoreError::NotFound { object, .. } | StoreError::Denied { object, .. } | StoreError::Status { object, .. }) =
        &error
    else {
        return error;
    };
    let status = response.status().as_u16();
    let is_telling = matches!(status, 400 | 401 | 403 | 409) && is_xml(&response);
    // A short body is read in any case. The connection then stays good for the next request, and the bytes are
    // counted.
    let is_short = response.content_length().is_some_and(|bytes| bytes <= MAX_BODY_BYTES);
    if !is_telling && !is_short {
        return error;
    }
    let body = Body::new(response, object.clone(), Arc::clone(meter), pace).whole(MAX_BODY_BYTES);
    // A body that does not come, or that is too long, says nothing.
    let Ok(Ok(body)) = tokio::time::timeout(PATIENCE, body).await else { return error };
    if !is_telling {
        return error;
    }
    let body = String::from_utf8_lossy(&body);
    if let Some(code) = element(&body, "Code").filter(|code| ARCHIVED_CODES.contains(code)) {
        return StoreError::archived(object, code);
    }
    match reason(&body) {
        Some(reason) => StoreError::Refused { object: object.clone(), status, reason },
        None => error,
    }
}

fn is_xml(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "application/xml" | "text/xml")
}

/// The fault of the credentials, if the body names it. Only known words are repeated, since some bodies hold the
/// text that was signed.
fn reason(body: &str) -> Option<String> {
    let code = element(body, "Code")?;
    let expired = || element(body, "Message").is_some_and(|message| message.to_ascii_lowercase().contains("expired"));
    if code == "AccessDenied" && expired() {
        return Some("the request has expired".to_owned());
    }
    CREDENTIAL_CODES.contains(&code).then(|| code.to_owned())
}

/// The text of the first element of this name, which must have no attributes.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of(code: &str, message: &str) -> Option<String> {
        let head = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
        reason(&format!("{head}\n<Error><Code>{code}</Code><Message>{message}</Message><Key>x</Key></Error>"))
    }

    #[test]
    fn codes_about_credentials_are_told() {
        let told = |code, message| reason_of(code, message).unwrap_or_default();
        assert_eq!(told("ExpiredToken", "The provided token has expired."), "ExpiredToken");
        assert_eq!(told("SignatureDoesNotMatch", ""), "SignatureDoesNotMatch");
        assert_eq!(told("AccessDenied", "Request has expired"), "the request has expired");
    }

    #[test]
    fn other_bodies_tell_nothing() {
        assert_eq!(reason_of("AccessDenied", "Access Denied"), None);
        assert_eq!(reason_of("NoSuchKey", "expired"), None);
        for body in ["", "<Code>", "<Code>ExpiredToken", "</Code><Code>", "ExpiredToken"] {
            assert_eq!(reason(body), None, "{body}");
        }
    }
}
