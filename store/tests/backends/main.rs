//! Tests of the backends and decorators, against folders and servers in this process.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod ambient;
mod broken_bodies;
mod bucket_faults;
mod bucket_refusals;
mod buckets;
mod conformance;
#[path = "../delay_proxy/mod.rs"]
mod delay_proxy;
mod endless;
mod far;
mod faults;
mod hosts;
mod limit;
mod parts;
mod patience;
mod redirects;
mod registry;
#[path = "../registry_server/mod.rs"]
mod registry_server;
mod registry_store;
mod retry;
mod revalidate;
mod rules;
#[path = "../s3server/mod.rs"]
mod s3server;
mod server;
mod support;
mod tls;
mod url;
mod writing;
