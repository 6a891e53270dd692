//! Checksums of uploads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::{BucketStore, Provider};
use crate::StoreError;
use crate::folder::blocking;

/// The largest body that is hashed on the thread that drives requests.
const SMALL_BYTES: usize = 64 << 10;

impl BucketStore {
    /// The header that states the checksum of a body, for hosts that speak S3. A bucket whose objects are locked by
    /// default refuses objects and parts without one. `Content-MD5` is the oldest checksum that S3 accepts, so
    /// servers of other makers know it too; several of them refuse the newer `x-amz-checksum-*`. Google and Azure
    /// ask for none, and Azure would require it to be signed.
    pub(super) async fn checksum(&self, body: &Bytes) -> Result<Option<(HeaderName, HeaderValue)>, StoreError> {
        if self.url.provider != Provider::S3 {
            return Ok(None);
        }
        let text = match body.len() {
            0..=SMALL_BYTES => md5_base64(body),
            _ => {
                let body = body.clone();
                blocking(move || Ok(md5_base64(&body))).await?
            }
        };
        let value = HeaderValue::from_str(&text).ok();
        Ok(value.map(|value| (HeaderName::from_static("content-md5"), value)))
    }
}

fn md5_base64(body: &[u8]) -> String {
    STANDARD.encode(md5::compute(body).0)
}

#[cfg(test)]
mod tests {
    use super::md5_base64;

    #[test]
    fn checksums_are_those_of_rfc_1864() {
        // The values of RFC 1321, A.5, in base64.
        assert_eq!(md5_base64(b""), "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(md5_base64(b"message digest"), "+WtpfXy3k41SWi8xqvFh0A==");
    }
}
