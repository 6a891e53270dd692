//! The bytes of indexes as they come from files, hosts and the catalog.

use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use regrow_chunker::varint;
use regrow_index::{Head, HeadRead, MAX_INDEX_BYTES};
use regrow_store::{KnownObject, Packing, StoreError};

use crate::{Location, SyncError};

/// The size of the BLAKE3 hash of all bytes before it, with which an index of version 1 ends, or the head of another.
const HASH_BYTES: u64 = 32;

/// An index as the catalog keeps it: its version, which is an `ETag` or empty, and its bytes.
pub(super) struct KnownIndex {
    pub(super) version: String,
    pub(super) bytes: Bytes,
}

impl KnownIndex {
    /// The object for a conditional request to the host. The hash that all of it depends on is at the end of an index
    /// of version 1, and at the end of the head of one of version 2.
    pub(super) fn as_object(&self) -> KnownObject<'_> {
        let end = match Head::decode(&self.bytes) {
            Ok(HeadRead::Head(head)) => head.codings_block().start,
            _ => self.bytes.len() as u64,
        };
        KnownObject { version: &self.version, bytes: &self.bytes, proof: end.saturating_sub(HASH_BYTES)..end }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + self.version.len() + 4);
        varint::put(&mut out, self.version.len() as u64);
        out.extend_from_slice(self.version.as_bytes());
        out.extend_from_slice(&self.bytes);
        out
    }

    pub(super) fn decode(mut document: &[u8]) -> Option<Self> {
        let length = usize::try_from(varint::take(&mut document)?).ok()?;
        let (version, bytes) = document.split_at_checked(length)?;
        // The version goes into a header unchanged, so control characters are refused.
        let version = String::from_utf8(version.to_vec()).ok().filter(|version| !version.contains(char::is_control))?;
        Some(Self { version, bytes: Bytes::copy_from_slice(bytes) })
    }
}

/// The plain bytes of an index that its host compressed on the way.
pub(super) fn unpack(bytes: &[u8], packing: Packing, location: &Location) -> Result<Bytes, StoreError> {
    let object = || location.to_string();
    let (name, read) = match packing {
        Packing::Gzip => ("gzip", bounded(MultiGzDecoder::new(bytes))),
        Packing::Deflate => {
            ("deflate", bounded(ZlibDecoder::new(bytes)).or_else(|_| bounded(DeflateDecoder::new(bytes))))
        }
        Packing::Zstd => ("zstd", zstd::Decoder::new(bytes).and_then(bounded)),
    };
    let plain = read.map_err(|error| StoreError::Protocol {
        object: object(),
        reason: format!("Content-Encoding: {name}: {error}"),
    })?;
    if plain.len() as u64 > MAX_INDEX_BYTES {
        return Err(StoreError::TooLarge { object: object(), max_bytes: MAX_INDEX_BYTES });
    }
    Ok(plain.into())
}

/// The bytes from a decoder, up to one byte more than an index may have.
fn bounded(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    decoder.take(MAX_INDEX_BYTES + 1).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Whether bytes that should be an index are a web page for people.
pub(super) fn is_web_page(bytes: &[u8]) -> bool {
    let front = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    [&b"<!doctype html"[..], b"<html", b"<!--"]
        .iter()
        .any(|mark| front.get(..mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark)))
}

/// Reads a file up to one byte more than an index may have.
pub(super) fn read_bounded(path: &Path) -> Result<Bytes, SyncError> {
    let io = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => {
            StoreError::NotFound { object: path.display().to_string(), status: None }.into()
        }
        _ => SyncError::Io { path: path.to_owned(), source },
    };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_INDEX_BYTES + 1), &mut bytes).map_err(io)?;
    Ok(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_indexes() {
        for page in ["<!DOCTYPE html><p>", "\u{feff}\n <HTML>", "<!-- a comment -->"] {
            assert!(is_web_page(page.as_bytes()), "{page}");
        }
        for other in [&b""[..], b"<", b"<!doc", &regrow_index::MAGIC, b"<?xml?>"] {
            assert!(!is_web_page(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_unpacked_is_bounded() {
        use std::io::Write;
        let location = Location::Url("http://host/app.rgx".to_owned());
        let pack = |plain: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        };
        let unpack = |bytes: &[u8]| unpack(bytes, Packing::Gzip, &location);
        assert_eq!(unpack(&pack(b"index")).unwrap(), "index");
        let bomb = pack(&vec![0; MAX_INDEX_BYTES as usize + 1]);
        assert!(matches!(unpack(&bomb), Err(StoreError::TooLarge { .. })));
        let cut = pack(b"index");
        assert!(matches!(unpack(&cut[..cut.len() - 9]), Err(StoreError::Protocol { .. })));
        assert!(matches!(unpack(b"no gzip"), Err(StoreError::Protocol { .. })));
    }

    #[test]
    fn other_ways_of_packing_are_known() {
        use flate2::Compression;
        use flate2::bufread::{DeflateEncoder, ZlibEncoder};
        let location = Location::Url("http://host/app.rgx".to_owned());
        let plain = b"index index index index";
        let zlib = bounded(ZlibEncoder::new(&plain[..], Compression::best())).unwrap();
        let alone = bounded(DeflateEncoder::new(&plain[..], Compression::best())).unwrap();
        for packed in [zlib, alone] {
            assert_eq!(unpack(&packed, Packing::Deflate, &location).unwrap(), &plain[..]);
        }
        let packed = zstd::encode_all(&plain[..], 3).unwrap();
        assert_eq!(unpack(&packed, Packing::Zstd, &location).unwrap(), &plain[..]);
        for packing in [Packing::Deflate, Packing::Zstd] {
            assert!(matches!(unpack(plain, packing, &location), Err(StoreError::Protocol { .. })), "{packing:?}");
        }
    }
}
