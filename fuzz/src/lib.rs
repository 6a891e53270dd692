//! The work of each fuzz target, apart from libFuzzer, so that `examples/smoke.rs` can do the same on any
//! toolchain. A target panics if regrow breaks a promise. Wrong input must give an error, never a panic.

mod bounds;
pub mod deflate_streams;
pub mod disk_divide;
pub mod frames;
pub mod gzip_members;
pub mod index_decode;
mod input;
pub mod layers;
pub mod pack_tail;
pub mod patch_body;
pub mod skeleton_ops;
pub mod tar_walk;
pub mod zstd_corrections;

use std::path::Path;

pub use bounds::{Cost, run_within};

/// A fuzz target.
pub struct Target {
    /// The name that cargo-fuzz knows the target by.
    pub name: &'static str,
    /// Runs the target on one input.
    pub run: fn(&[u8]),
    /// Makes inputs to begin with, which reach far into the code.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The most memory that an input may reserve: KiB for any input, and bytes for each byte of it.
    pub memory: (usize, usize),
}

/// All fuzz targets.
pub const TARGETS: [Target; 11] = [
    Target { name: "index_decode", run: index_decode::run, seeds: index_decode::seeds, memory: (1 << 10, 300) },
    Target { name: "pack_tail", run: pack_tail::run, seeds: pack_tail::seeds, memory: (1 << 10, 200) },
    Target { name: "tar_walk", run: tar_walk::run, seeds: tar_walk::seeds, memory: (16 << 10, 400) },
    Target { name: "skeleton_ops", run: skeleton_ops::run, seeds: skeleton_ops::seeds, memory: (1 << 10, 300) },
    Target {
        name: "deflate_streams",
        run: deflate_streams::run,
        seeds: deflate_streams::seeds,
        // The tables of the rebuilder and of the encoders that are tried, and room for the tokens of the last block.
        memory: (16 << 10, 1200),
    },
    // A block of metadata of some ten bytes may hold 8 KiB.
    Target { name: "disk_divide", run: disk_divide::run, seeds: disk_divide::seeds, memory: (16 << 10, 4096) },
    Target { name: "patch_body", run: patch_body::run, seeds: patch_body::seeds, memory: (32 << 10, 400) },
    Target { name: "frames", run: frames::run, seeds: frames::seeds, memory: (9 << 10, 4) },
    // A path of 4 KiB may imply 2,000 folders.
    Target { name: "layers", run: layers::run, seeds: layers::seeds, memory: (4 << 10, 1200) },
    Target { name: "gzip_members", run: gzip_members::run, seeds: gzip_members::seeds, memory: (16 << 10, 1200) },
    // Corrections may unpack to 16 MiB.
    Target {
        name: "zstd_corrections",
        run: zstd_corrections::run,
        seeds: zstd_corrections::seeds,
        memory: (64 << 10, 4000),
    },
];

/// Runs a target on an input, within its bounds of memory and time.
///
/// # Panics
///
/// regrow breaks a promise, or exceeds the bounds.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    bounds::run_within(target, input);
}

/// The environment variable that names the folder for seeds, in which each target has a folder. cargo-fuzz looks
/// into `corpus`.
pub const SEEDS_VARIABLE: &str = "REGROW_FUZZ_SEEDS";

/// Writes a target's seeds before libFuzzer looks for inputs, if [`SEEDS_VARIABLE`] names a folder.
///
/// # Panics
///
/// The seeds cannot be written.
pub fn write_seeds_if_asked(name: &str) {
    let Some(folder) = std::env::var_os(SEEDS_VARIABLE) else { return };
    let folder = Path::new(&folder).join(name);
    std::fs::create_dir_all(&folder).expect("the folder of seeds");
    for target in TARGETS.iter().filter(|target| target.name == name) {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:02}")), seed).expect("a seed");
        }
    }
}
