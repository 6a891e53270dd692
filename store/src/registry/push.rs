//! Requests that write: uploads of blobs, manifests, deletions; and the list of tags.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, HeaderName, LINK, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};
use serde_json::Value;

use super::{BlobDigest, Reference, RegistryClient};
use crate::http::retry_after::parse_date;
use crate::http::{Body, LoggedIn, Request, Route, answer};
use crate::source::Source;
use crate::{RetryPolicy, StoreError};

/// The largest piece of a blob that is sent in one request.
const PIECE_BYTES: u64 = 16 << 20;
/// The largest answer that is read.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// The number of tags that are asked for at once.
const TAGS_AT_ONCE: usize = 1000;
/// The most tags that are read.
const MAX_TAGS: usize = 1 << 20;
/// The most pages of the list of tags. Hosts may give as few tags at once as they like.
const MAX_PAGES: usize = 2000;
/// The lowest rate at which bodies are sent, in bytes a second. A registry answers only at the end.
const LOWEST_RATE: u64 = 16 << 10;
/// The type of the manifests that are written.
const MANIFEST_TYPE: &str = super::MANIFEST_TYPES[0];

/// An answer, and the route by which it came.
type Answered = (Response, Route);

impl RegistryClient {
    /// Puts a blob, unless the repository has it. What a broken upload left behind is the registry's to remove.
    ///
    /// # Errors
    /// [`StoreError::Denied`] without the right to push, and [`StoreError::Answer`].
    pub(super) async fn put_blob(
        &self,
        digest: &BlobDigest,
        source: &Source,
        policy: &RetryPolicy,
    ) -> Result<(), StoreError> {
        policy
            .run(|| async {
                if self.has_blob(digest).await? {
                    return Ok(());
                }
                self.upload(digest, source).await
            })
            .await
    }

    /// Whether the repository has a blob.
    pub(super) async fn has_blob(&self, digest: &BlobDigest) -> Result<bool, StoreError> {
        let object = format!("{}@{digest}", self.url);
        let (response, _) = self.write(&Method::HEAD, &self.at(&format!("blobs/{digest}")), &[], None, &object).await?;
        match response.status() {
            // Some registries send readers of any kind elsewhere.
            status if status.is_success() || status.is_redirection() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refusal(response, &object).await),
        }
    }

    /// Sends a blob as Docker's tools do, which is the way that every registry knows: its bytes by PATCH, its digest by
    /// PUT.
    async fn upload(&self, digest: &BlobDigest, source: &Source) -> Result<(), StoreError> {
        let object = format!("{}@{digest}", self.url);
        let empty = Bytes::new();
        let begun = self.write(&Method::POST, &self.at("blobs/uploads/"), &[], Some(&empty), &object).await?;
        let mut place = self.next(self.expect(begun, StatusCode::ACCEPTED, &object).await?, &object).await?;
        let (mut at, all) = (0, source.bytes());
        while at < all {
            let end = all.min(at + PIECE_BYTES);
            let range = (CONTENT_RANGE, format!("{at}-{}", end - 1));
            // A blob in one piece needs no range, which some registries do not know.
            let extra = if end - at == all { vec![octets()] } else { vec![octets(), range] };
            let body = source.read(at..end).await?;
            let answer = self.write(&Method::PATCH, &place, &extra, Some(&body), &object).await?;
            // A registry that expects another piece (416) gets all of them again, since its answer proves nothing.
            place = self.next(self.expect(answer, StatusCode::ACCEPTED, &object).await?, &object).await?;
            at = end;
        }
        let mut url = place.parsed().clone();
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let answer = self.write(&Method::PUT, &place.to(url), &[octets()], Some(&empty), &object).await?;
        let (response, _) = self.expect(answer, StatusCode::CREATED, &object).await?;
        self.finish(response, &object).await
    }

    /// The place where an upload goes on.
    async fn next(&self, (response, from): Answered, object: &str) -> Result<Route, StoreError> {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let Some(to) = location.and_then(|location| from.parsed().join(location).ok()) else {
            return Err(protocol(object, "an upload began, but the answer does not say where it goes on"));
        };
        let route = match to.origin() == from.parsed().origin() {
            true => from.to(to),
            false => self.client.detour((&response, &from), to, object)?,
        };
        self.finish(response, object).await?;
        Ok(route)
    }

    /// Puts a manifest under a tag.
    pub(super) async fn put_manifest(
        &self,
        tag: &str,
        manifest: &Bytes,
        policy: &RetryPolicy,
    ) -> Result<(), StoreError> {
        let reference = Reference::Tag(tag.to_owned());
        let object = self.url.at(reference).to_string();
        let extra = [(CONTENT_TYPE, MANIFEST_TYPE.to_owned())];
        policy
            .run(|| async {
                let place = self.at(&format!("manifests/{tag}"));
                let answer = self.write(&Method::PUT, &place, &extra, Some(manifest), &object).await?;
                let (response, _) = self.expect(answer, StatusCode::CREATED, &object).await?;
                self.finish(response, &object).await
            })
            .await
    }

    /// Deletes a manifest, and so all tags that lead to it. A manifest that is not there is no error.
    pub(super) async fn delete_manifest(&self, digest: &BlobDigest, policy: &RetryPolicy) -> Result<(), StoreError> {
        let object = self.url.at(Reference::Digest(*digest)).to_string();
        policy
            .run(|| async {
                let place = self.at(&format!("manifests/{digest}"));
                let (response, _) = self.write(&Method::DELETE, &place, &[], None, &object).await?;
                match response.status() {
                    status if status.is_success() => self.finish(response, &object).await,
                    StatusCode::NOT_FOUND => self.finish(response, &object).await,
                    _ => Err(self.refusal(response, &object).await),
                }
            })
            .await
    }

    /// The tags of the repository. A repository that is not there has none.
    pub(super) async fn tags(&self, policy: &RetryPolicy) -> Result<Vec<String>, StoreError> {
        let object = format!("{}: the list of tags", self.url);
        let mut first = self.at("tags/list").parsed().clone();
        first.query_pairs_mut().append_pair("n", &TAGS_AT_ONCE.to_string());
        let (mut next, mut tags, mut pages) = (Some(first), Vec::new(), 0);
        while let Some(url) = next {
            let asked = Route::direct(url.clone());
            let Some((page, link)) = policy.run(|| self.page(&asked, &object)).await? else { break };
            let found = page.get("tags").and_then(Value::as_array).into_iter().flatten();
            let found: Vec<String> = found.filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
            next = link.and_then(|link| next_of(&url, &link));
            if next.is_some() && (next.as_ref() == Some(&url) || found.is_empty()) {
                return Err(protocol(&object, "the registry repeats a page of the list"));
            }
            tags.extend(found);
            pages += 1;
            if tags.len() > MAX_TAGS || pages > MAX_PAGES {
                return Err(protocol(&object, "the list does not end"));
            }
        }
        Ok(tags)
    }

    async fn page(&self, asked: &Route, object: &str) -> Result<Option<(Value, Option<String>)>, StoreError> {
        let answer = self.write(&Method::GET, asked, &[], None, object).await?;
        if answer.0.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let (response, _) = self.expect(answer, StatusCode::OK, object).await?;
        let link = response.headers().get(LINK).and_then(|link| link.to_str().ok()).map(str::to_owned);
        let body = self.body(response, object).await?;
        let page = serde_json::from_slice(&body).map_err(|_| protocol(object, "it is not JSON"))?;
        Ok(Some((page, link)))
    }

    /// The time of the registry's clock.
    pub(super) async fn clock(&self, reference: &Reference) -> Result<Option<std::time::SystemTime>, StoreError> {
        let object = self.url.at(reference.clone()).to_string();
        let place = self.at(&format!("manifests/{reference}"));
        let (response, _) = self.write(&Method::HEAD, &place, &[], None, &object).await?;
        Ok(response.headers().get(DATE).and_then(|date| date.to_str().ok()).and_then(parse_date))
    }

    async fn write(
        &self,
        method: &Method,
        place: &Route,
        extra: &[(HeaderName, String)],
        body: Option<&Bytes>,
        object: &str,
    ) -> Result<Answered, StoreError> {
        let bytes = body.map_or(0, |body| body.len() as u64);
        if let Some(limit) = self.client.rate_limit() {
            limit.take(bytes).await;
        }
        let patience = self.client.stall_timeout() * 4 + Duration::from_secs(bytes / LOWEST_RATE);
        let request = Request { method, body, ..Request::get(extra, object, &self.meter, patience) };
        let answer = match place.parsed().origin() == self.base.origin() {
            true => self.access.send(&self.client, place, &request).await?,
            false => self.client.send(place, &request).await?,
        };
        if body.is_some() {
            self.meter.add_write();
            self.meter.add_sent(bytes);
        }
        Ok(answer)
    }

    async fn expect(&self, answer: Answered, wanted: StatusCode, object: &str) -> Result<Answered, StoreError> {
        let status = answer.0.status();
        if status == wanted || (status.is_success() && wanted != StatusCode::OK) {
            return Ok(answer);
        }
        Err(self.refusal(answer.0, object).await)
    }

    /// Reads an answer to its end, so that its connection can be used again.
    async fn finish(&self, response: Response, object: &str) -> Result<(), StoreError> {
        if response.headers().contains_key(CONTENT_LENGTH) || response.content_length() != Some(0) {
            self.body(response, object).await?;
        }
        Ok(())
    }

    async fn body(&self, response: Response, object: &str) -> Result<Bytes, StoreError> {
        let body = Body::new(response, object.to_owned(), Arc::clone(&self.meter), self.client.pace());
        body.whole(MAX_ANSWER_BYTES).await
    }

    /// The error for an answer that refuses.
    async fn refusal(&self, response: Response, object: &str) -> StoreError {
        let (status, object) = (response.status().as_u16(), object.to_owned());
        match status {
            401 | 403 => return StoreError::Denied { object, status },
            416 => return protocol(&object, "the registry expects another piece (HTTP 416)"),
            _ => {}
        }
        let retry_after = answer::retry_after(&response);
        let body = self.body(response, &object).await.unwrap_or_default();
        let first = serde_json::from_slice::<Value>(&body).ok().and_then(|body| body.get("errors")?.get(0).cloned());
        let text = |key: &str| {
            let text = first.as_ref().and_then(|error| error.get(key)).and_then(Value::as_str).unwrap_or_default();
            text.chars().take(200).flat_map(char::escape_debug).collect::<String>()
        };
        let transient = matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504);
        match text("code") {
            code if code.is_empty() && status == 404 => StoreError::NotFound { object, status: Some(status) },
            code if code.is_empty() => StoreError::Status { object, status, retry_after },
            code => StoreError::Answer { object, status, code, message: text("message"), transient, retry_after },
        }
    }
}

fn octets() -> (HeaderName, String) {
    (CONTENT_TYPE, "application/octet-stream".to_owned())
}

fn protocol(object: &str, reason: &str) -> StoreError {
    StoreError::Protocol { object: object.to_owned(), reason: reason.to_owned() }
}

/// The next page in a `Link` header, if it is on the same host.
fn next_of(url: &Url, link: &str) -> Option<Url> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"));
    url.join(target).ok().filter(|next| is_next && next.origin() == url.origin())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_same_host_follow() {
        let url = Url::parse("https://h/v2/app/tags/list?n=2").unwrap();
        let next = |link: &str| next_of(&url, link).map(|url| url.to_string());
        let found = Some("https://h/v2/app/tags/list?last=b&n=2".to_owned());
        assert_eq!(next("</v2/app/tags/list?last=b&n=2>; rel=\"next\""), found);
        assert_eq!(next("<https://h/v2/app/tags/list?last=b&n=2>;rel=next"), found);
        for other in ["", "<", "</x>; rel=\"prev\"", "<https://other/x>; rel=\"next\"", "</x>"] {
            assert_eq!(next(other), None, "{other}");
        }
    }
}
