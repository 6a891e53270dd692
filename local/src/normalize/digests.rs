//! Digests as OCI writes them: `sha256:` or `sha512:`, and hexadecimal digits.

use ring::digest::{Context, SHA256, SHA512};

const SHA512_PREFIX: &str = "sha512:";
/// The largest number of zero blocks that are tried behind a tar whose digest differs. Writers of tars end them
/// with two and pad to 10 KiB, and some pad further.
const MAX_ZERO_BLOCKS: u64 = 2048;
const BLOCK: [u8; 512] = [0; 512];

/// The digests of bytes that come piece by piece.
#[derive(Clone)]
pub(crate) struct Digests {
    sha256: Context,
    /// This hash is only computed if a name asks for it.
    sha512: Option<Context>,
}

impl Digests {
    /// Prepares for digests of the same kinds as these.
    pub(crate) fn like(names: &[Option<&str>]) -> Self {
        let is_long = names.iter().flatten().any(|name| name.starts_with(SHA512_PREFIX));
        Self { sha256: Context::new(&SHA256), sha512: is_long.then(|| Context::new(&SHA512)) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }

    /// The digest of the same kind as `name`, or SHA-256 for any other kind.
    pub(crate) fn of_kind(&self, name: Option<&str>) -> String {
        match &self.sha512 {
            Some(sha512) if name.is_some_and(|name| name.starts_with(SHA512_PREFIX)) => {
                format!("{SHA512_PREFIX}{}", hex(sha512.clone().finish().as_ref()))
            }
            _ => format!("sha256:{}", hex(self.sha256.clone().finish().as_ref())),
        }
    }

    /// Adds the zero blocks that make the digest equal to this one. The result is the number of bytes added, or
    /// `None` if no number of blocks does it.
    pub(crate) fn complete(&mut self, wanted: &str) -> Option<u64> {
        let mut tried = self.clone();
        for blocks in 0..=MAX_ZERO_BLOCKS {
            if tried.of_kind(Some(wanted)) == wanted {
                *self = tried;
                return Some(blocks * BLOCK.len() as u64);
            }
            tried.update(&BLOCK);
        }
        None
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name of a digest's blob in an archive.
pub(crate) fn blob_name(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// The hexadecimal digits of a digest.
pub(super) fn hex_of(digest: &str) -> &str {
    digest.rsplit(':').next().unwrap_or(digest)
}

/// The new name of an entry that is named by a digest.
pub(super) fn renamed(name: &str, old: &str, new: &str) -> String {
    if name == blob_name(old) { blob_name(new) } else { name.replace(hex_of(old), hex_of(new)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn of(kinds: &[Option<&str>], bytes: &[u8]) -> Digests {
        let mut digests = Digests::like(kinds);
        digests.update(bytes);
        digests
    }

    #[test]
    fn digests_are_of_the_kind_that_is_asked_for() {
        let long = of(&[Some("sha512:00"), None], b"abc");
        assert!(long.of_kind(Some("sha512:x")).starts_with("sha512:ddaf35a193617abacc417349ae204131"));
        assert!(long.of_kind(None).starts_with("sha256:ba7816bf8f01cfea414140de5dae2223"));
        assert!(of(&[Some("md5:00")], b"abc").of_kind(Some("md5:00")).starts_with("sha256:"));
    }

    #[test]
    fn zeros_that_were_dropped_are_found() {
        for (blocks, found) in [(0, Some(0)), (2, Some(1024)), (20, Some(10_240)), (2049, None)] {
            let whole = [b"tar".to_vec(), vec![0; blocks * 512]].concat();
            let wanted = of(&[], &whole).of_kind(None);
            assert_eq!(of(&[], b"tar").complete(&wanted), found, "{blocks}");
        }
    }

    #[test]
    fn names_of_blobs_follow_their_digests() {
        assert_eq!(renamed("blobs/sha512/ab", "sha512:ab", "sha256:cd"), "blobs/sha256/cd");
        assert_eq!(renamed("ab/layer.tar", "sha256:ab", "sha256:cd"), "cd/layer.tar");
    }
}
