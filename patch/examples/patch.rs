//! Makes a patch between two files, and prints its size: `patch [LEVEL] OLD NEW`. Tars are seen through, while disk images
//! and all other files count as opaque bytes. So it measures what matching alone gives.

#![allow(clippy::print_stdout, reason = "the size is what the example is for")]

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use regrow_chunker::Params;
use regrow_image::WalkRules;
use regrow_local::{NoProgress, Pool, SeedContext};
use regrow_patch::{Between, ChunkCost, Made, PatchImage, PatchLevel, PatchVersion, check, write};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (level, old, new) = match &arguments[..] {
        [old, new] => (PatchLevel::default(), Path::new(old), Path::new(new)),
        [level, old, new] => (level.parse()?, Path::new(old), Path::new(new)),
        _ => return Err("usage: patch [LEVEL] OLD NEW".into()),
    };
    let scratch = std::env::temp_dir();
    let (pool, params) = (Pool::new(), Params::default());
    let context = SeedContext {
        rules: WalkRules::V3,
        params,
        pool: &pool,
        catalog: None,
        progress: &NoProgress,
        scratch: &scratch,
        unfolds: false,
        on_scan: &|| (),
    };
    let open = |path: &Path| -> Result<_, Box<dyn Error>> {
        Ok(Arc::new(PatchImage::open(File::open(path)?, path, &context, &scratch)?))
    };
    let (base, target) = (open(old)?, open(new)?);
    let between = Between {
        codings: &[],
        base: &base,
        target: &target,
        ids: (base.id(params), target.id(params)),
        version: PatchVersion::V2,
        params,
        chunk_cost: ChunkCost::default(),
        least_saving: 0,
        level,
        pool: &pool,
        scratch: &scratch,
        progress: &NoProgress,
    };
    let mut patch = tempfile::tempfile_in(&scratch)?;
    let Made::Patch(written) = write(&between, &mut patch)? else { return Err("no patch was made".into()) };
    check(&between, &mut patch)?;
    println!("{} bytes, {} streams seen through", written.header.patch_bytes, written.members);
    Ok(())
}
