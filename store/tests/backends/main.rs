//! Tests of the backends and decorators that read stores, against folders and servers in this process.

// A test says what it expects by unwrapping.
#![allow(clippy::unwrap_used)]

mod conformance;
mod faults;
mod redirects;
mod retry;
mod server;
mod support;
mod tls;
mod url;
