//! Tests of the backends and decorators that read stores, against folders and servers in this process.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod conformance;
mod faults;
mod redirects;
mod retry;
mod server;
mod support;
mod tls;
mod url;
