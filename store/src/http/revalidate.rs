//! Reads an object again that may not have changed.
//!
//! Most hosts make an `ETag` from a file's size and its time of modification: nginx, Apache, Caddy, h2o, BusyBox.
//! Two states of a file often share both. Indexes of two releases mostly have the same size, and `rsync -t`,
//! archives and reproducible builds set times. Such a tag can show that a file changed, but never that it did not.
//! The same holds for `Last-Modified`, so `If-Modified-Since` is never sent.
//!
//! So a tag is believed only if it proves to be a hash of the bytes that were read, as the tags of S3 are. Any
//! other host, with a tag or without, is asked for a few bytes of the object that depend on all of it: an index has a
//! hash. If these are the same, then so is the object, and the answer has only 32 bytes. `If-Range` makes a host that
//! sees the change send the whole object at once.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{HeaderName, IF_NONE_MATCH, IF_RANGE};
use reqwest::{Response, StatusCode};

use super::answer::{self, Encoding, Framing, Packing};
use super::body::Body;
use super::client::{HttpClient, Request, parse_url};
use super::refusal_body;
use super::route::Route;
use crate::shown::without_secrets;
use crate::{Meter, Span, StoreError};

/// The smallest number of hexadecimal digits of a hash that prove anything: 64 bits.
const LEAST_HASH_DIGITS: usize = 16;

/// The outcome of a conditional request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The object has not changed.
    Same,
    /// The object was sent.
    Body {
        /// All bytes of the object.
        bytes: Bytes,
        /// The object's `ETag`.
        version: Option<String>,
        /// The compression that the host applied on the way, if any, although plain bytes were asked for.
        packing: Option<Packing>,
    },
}

/// An object as it was read before.
#[derive(Debug, Clone)]
pub struct KnownObject<'a> {
    /// The object's `ETag` at that time. It is empty if there was none.
    pub version: &'a str,
    /// All bytes of the object.
    pub bytes: &'a [u8],
    /// The range of bytes that depend on all of it, such as a hash.
    pub proof: Range<u64>,
}

impl KnownObject<'_> {
    /// The bytes that prove the rest.
    fn proof_span(&self) -> Option<Span> {
        let is_within = !self.proof.is_empty() && self.proof.end <= self.bytes.len() as u64;
        is_within.then(|| Span::Range(self.proof.clone()))
    }

    /// The tag, if it proves that the bytes are the known ones.
    pub(super) fn proven_tag(&self) -> Option<&str> {
        is_hash_of(self.version, self.bytes).then_some(self.version)
    }

    /// The condition of the request that takes the place of one for the whole object.
    fn condition(&self) -> Condition {
        if let Some(tag) = self.proven_tag() {
            return Condition::Unless(tag.to_owned());
        }
        match self.proof_span() {
            // A weak tag must not stand in `If-Range` (RFC 9110, section 13.1.5).
            Some(proof) => {
                Condition::Proof { proof, tag: self.version.starts_with('"').then(|| self.version.to_owned()) }
            }
            None => Condition::Nothing,
        }
    }
}

/// The condition of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Nothing,
    /// Asks for the whole object, unless it has this tag.
    Unless(String),
    /// Asks for these bytes of the object, or for all of it if it has another tag.
    Proof {
        proof: Span,
        tag: Option<String>,
    },
}

impl Condition {
    fn headers(&self) -> Vec<(HeaderName, String)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Unless(tag) => vec![(IF_NONE_MATCH, tag.clone())],
            Self::Proof { proof, tag } => {
                let range = super::range_header(proof).into_iter();
                range.chain(tag.clone().map(|tag| (IF_RANGE, tag))).collect()
            }
        }
    }
}

impl HttpClient {
    /// Reads all bytes at `url`, if there are at most `max_bytes`. If `known` is given, and the host says that the
    /// object still has that version, it is believed. Nothing is retried; see
    /// [`RetryPolicy::run`](crate::RetryPolicy::run).
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], without a byte of the body read if the server states its size, and the errors of
    /// [`ReadStore::get`](crate::ReadStore::get).
    pub async fn get_url(
        &self,
        url: &str,
        known: Option<&str>,
        max_bytes: u64,
        meter: &Arc<Meter>,
    ) -> Result<Fetched, StoreError> {
        let condition = known.map_or(Condition::Nothing, |tag| Condition::Unless(tag.to_owned()));
        let asked = Route::direct(parse_url(url)?);
        let (response, found) = self.ask(&asked, &condition, meter).await?;
        if response.status() == StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(Fetched::Same);
        }
        self.take(response, (&asked, &found), max_bytes, meter).await
    }

    /// Reads all bytes at `url`, if there are at most `max_bytes`, and unless the object still is the known one.
    /// The route of the answer is returned too, if redirects led elsewhere.
    ///
    /// # Errors
    /// The same as those of [`HttpClient::get_url`].
    pub async fn fetch_url(
        &self,
        url: &str,
        known: Option<KnownObject<'_>>,
        max_bytes: u64,
        meter: &Arc<Meter>,
    ) -> Result<(Fetched, Option<Route>), StoreError> {
        let asked = Route::direct(parse_url(url)?);
        let condition = known.as_ref().map_or(Condition::Nothing, KnownObject::condition);
        let (mut response, mut found) = self.ask(&asked, &condition, meter).await?;
        if let Condition::Unless(_) = condition
            && response.status() == StatusCode::NOT_MODIFIED
        {
            return Ok((Fetched::Same, elsewhere(&asked, found)));
        }
        // Some hosts answer any condition with 304, which says nothing about the bytes that were asked for.
        let is_part = matches!(
            response.status(),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_MODIFIED
        );
        if let (Condition::Proof { proof, .. }, Some(known), true) = (&condition, &known, is_part) {
            if self.has_proof(response, (proof, known), &asked, meter).await? {
                return Ok((Fetched::Same, elsewhere(&asked, found)));
            }
            (response, found) = self.ask(&asked, &Condition::Nothing, meter).await?;
        }
        let fetched = self.take(response, (&asked, &found), max_bytes, meter).await?;
        Ok((fetched, elsewhere(&asked, found)))
    }

    async fn ask(
        &self,
        asked: &Route,
        condition: &Condition,
        meter: &Arc<Meter>,
    ) -> Result<(Response, Route), StoreError> {
        self.ask_with(asked, condition.headers(), meter).await
    }

    pub(super) async fn ask_with(
        &self,
        asked: &Route,
        extra: Vec<(HeaderName, String)>,
        meter: &Arc<Meter>,
    ) -> Result<(Response, Route), StoreError> {
        let object = without_secrets(&asked.url);
        self.send(asked, &Request::get(&extra, &object, meter, self.stall_timeout())).await
    }

    /// Whether an answer has the bytes of a known object that depend on all of it.
    async fn has_proof(
        &self,
        response: Response,
        (span, known): (&Span, &KnownObject<'_>),
        asked: &Route,
        meter: &Arc<Meter>,
    ) -> Result<bool, StoreError> {
        let object = without_secrets(&asked.url);
        let all = known.bytes.len() as u64;
        let Ok(Framing::Part(part)) = answer::framing(&response, span, &object) else { return Ok(false) };
        // A host may leave the size open. If the bytes at this place are the hash of those before them, that is
        // proof enough.
        if part.object_bytes.is_some_and(|found| found != all) {
            return Ok(false);
        }
        let proof = &known.proof;
        let body = Body::new(response, object, Arc::clone(meter), self.pace()).whole(proof.end - proof.start).await?;
        Ok(known.bytes.get(proof.start as usize..proof.end as usize) == Some(&body[..]))
    }

    /// Takes the body of an answer that brings the whole object.
    pub(super) async fn take(
        &self,
        response: Response,
        (asked, found): (&Route, &Route),
        max_bytes: u64,
        meter: &Arc<Meter>,
    ) -> Result<Fetched, StoreError> {
        let object = without_secrets(&asked.url);
        let encoding = answer::encoding_of_whole(&response);
        if let Err(error) = answer::check_whole(&response, &object).or_else(|error| match encoding {
            Encoding::Packed(_) => Ok(()),
            Encoding::Plain | Encoding::Other => Err(error),
        }) {
            let error = refusal_body::explain(error, response, meter, self.pace()).await;
            return Err(self.say_withheld(error, asked, found));
        }
        let version = answer::version(&response);
        let packing = match encoding {
            Encoding::Packed(packing) => Some(packing),
            Encoding::Plain | Encoding::Other => None,
        };
        let body = Body::new(response, object, Arc::clone(meter), self.pace());
        Ok(Fetched::Body { bytes: body.whole(max_bytes).await?, version, packing })
    }
}

/// The route of an answer, if it came from another URL than the one that was asked.
pub(super) fn elsewhere(asked: &Route, found: Route) -> Option<Route> {
    (found.url != asked.url).then_some(found)
}

/// Whether a tag is the MD5 of these bytes, as at S3 and similar hosts, or their BLAKE3, or the beginning of
/// either.
fn is_hash_of(tag: &str, bytes: &[u8]) -> bool {
    let opaque = tag.strip_prefix("W/").unwrap_or(tag);
    let Some(digits) = opaque.strip_prefix('"').and_then(|opaque| opaque.strip_suffix('"')) else { return false };
    if digits.len() < LEAST_HASH_DIGITS || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return false;
    }
    let begins = |hash: &str| hash.get(..digits.len()).is_some_and(|start| start.eq_ignore_ascii_case(digits));
    begins(&hex(&md5::compute(bytes).0)) || begins(&blake3::hash(bytes).to_hex())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_that_are_hashes_of_the_bytes_are_believed() {
        let bytes = b"index";
        for tag in [
            "\"6a992d5529f459a44fee58c733255e86\"",
            "W/\"6a992d5529f459a44fee58c733255e86\"",
            "\"6A992D5529F459A44FEE58C733255E86\"",
            "\"6a992d5529f459a4\"",
            &format!("\"{}\"", blake3::hash(bytes).to_hex()),
        ] {
            assert!(is_hash_of(tag, bytes), "{tag}");
        }
        // The tags are from nginx, Apache, Caddy, Starlette (MD5 of time and size), and a multipart object of S3.
        // Then come too few digits, and texts that are no tags.
        for tag in [
            "\"5f3c2a10-5\"",
            "\"5-62f3a2b1c4d5e\"",
            "\"d5xgk2v9j1uo5\"",
            "\"0cc175b9c0f1b6a831c399e269772661\"",
            "\"6a992d5529f459a44fee58c733255e86-2\"",
            "\"6a992d5529f459a\"",
            "6a992d5529f459a44fee58c733255e86",
            "\"\"",
            "\"",
            "",
        ] {
            assert!(!is_hash_of(tag, bytes), "{tag}");
        }
    }

    #[test]
    fn proofs_are_asked_for_and_weak_tags_stay_out_of_if_range() {
        let condition = |version, proof| KnownObject { version, bytes: b"0123456789", proof }.condition();
        let proof = || Span::Range(6..10);
        assert_eq!(condition("\"1-a\"", 6..10), Condition::Proof { proof: proof(), tag: Some("\"1-a\"".to_owned()) });
        for version in ["W/\"1-a\"", "", "odd"] {
            assert_eq!(condition(version, 6..10), Condition::Proof { proof: proof(), tag: None }, "{version}");
        }
        assert_eq!(condition("", 6..6), Condition::Nothing);
        assert_eq!(condition("", 6..11), Condition::Nothing);
        let md5 = "\"781e5e245d69b566979b86e28d23f2c7\"";
        assert_eq!(condition(md5, 6..10), Condition::Unless(md5.to_owned()));
    }
}
