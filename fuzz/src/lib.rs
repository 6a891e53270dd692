//! What each fuzz target does with its input, apart from libFuzzer, so that `examples/smoke.rs` can do the same on any
//! toolchain. A target panics where regrow breaks a promise; wrong input is an error, never a panic.

pub mod deflate_streams;
pub mod index_decode;
mod input;
pub mod pack_tail;
pub mod patch_body;
pub mod skeleton_ops;
pub mod tar_walk;

/// A fuzz target.
pub struct Target {
    /// The name that cargo-fuzz knows it by.
    pub name: &'static str,
    /// Takes one input.
    pub run: fn(&[u8]),
    /// Inputs that reach far, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target { name: "index_decode", run: index_decode::run, seeds: index_decode::seeds },
    Target { name: "pack_tail", run: pack_tail::run, seeds: pack_tail::seeds },
    Target { name: "tar_walk", run: tar_walk::run, seeds: tar_walk::seeds },
    Target { name: "skeleton_ops", run: skeleton_ops::run, seeds: skeleton_ops::seeds },
    Target { name: "deflate_streams", run: deflate_streams::run, seeds: deflate_streams::seeds },
    Target { name: "patch_body", run: patch_body::run, seeds: patch_body::seeds },
];
