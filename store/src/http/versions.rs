//! The versions of HTTP that the client speaks: 1.1, and 2 where the feature `http2` is on.

use reqwest::ClientBuilder;

/// The number of bytes that a server may send ahead over one connection of HTTP/2, and for one request on it.
#[cfg(feature = "http2")]
const HTTP2_CONNECTION_BYTES: u32 = 5 << 20;
#[cfg(feature = "http2")]
const HTTP2_STREAM_BYTES: u32 = 2 << 20;
/// The largest head of an answer over HTTP/2.
#[cfg(feature = "http2")]
const HTTP2_HEAD_BYTES: u32 = 16 << 10;

/// The versions that are offered to a server when TLS is set up, best first.
pub(super) fn offered() -> Vec<Vec<u8>> {
    let names: &[&str] = if cfg!(feature = "http2") { &["h2", "http/1.1"] } else { &["http/1.1"] };
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// Bounds the memory that a connection of HTTP/2 takes.
#[cfg(feature = "http2")]
pub(super) fn bounded(builder: ClientBuilder) -> ClientBuilder {
    builder
        .http2_initial_connection_window_size(HTTP2_CONNECTION_BYTES)
        .http2_initial_stream_window_size(HTTP2_STREAM_BYTES)
        .http2_max_header_list_size(HTTP2_HEAD_BYTES)
}

/// Without HTTP/2 there is nothing to bound.
#[cfg(not(feature = "http2"))]
pub(super) fn bounded(builder: ClientBuilder) -> ClientBuilder {
    builder
}
