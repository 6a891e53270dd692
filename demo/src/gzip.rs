//! Gzip members of encoders that regrow knows.

use regrow_deflate::encoders::{Encoder, GoGeneration, KnownEncoder, ZlibFamily};
use regrow_deflate::{GzipTrailer, Klauspost, KlauspostVersion};

/// A gzip member as this encoder writes it.
pub fn gzip(plain: &[u8], encoder: KnownEncoder) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let (mut stream, mut trailer) = (Encoder::new(encoder), GzipTrailer::default());
    stream.write(plain, &mut out);
    stream.finish(&mut out);
    trailer.update(plain);
    out.extend_from_slice(&trailer.finish());
    out
}

/// The encoder that skopeo, podman and buildah use by default.
pub const PGZIP: KnownEncoder =
    KnownEncoder::Klauspost(Klauspost::Pgzip { level: 5, version: KlauspostVersion::V1_15, block_bytes: 1 << 20 });
/// The encoder that Docker, with Go up to 1.26, uses by default.
pub const GO: KnownEncoder = KnownEncoder::Go { generation: GoGeneration::Before127, level: 6 };
/// The encoder of GNU gzip with `-9`.
pub const GNU_GZIP: KnownEncoder = KnownEncoder::Zlib(ZlibFamily::Gzip { level: 9 });
