//! Layers that an archive holds compressed in less than 512 bytes. A scan does not look into such files (FORMAT.md,
//! section 2.3), so the parts in them have no ids. An image of one new folder is such a layer, and a patch may start from
//! it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use regrow_image::{BLOCK, TarHeader, is_zstd};

use super::names::{LayerName, WantedLayers};
use crate::seed::layer::{Blob, BlobForm, LayerData};
use crate::seed::{SeedContext, Seeds, layered};

/// The most entries of an archive that are looked at.
const MAX_ENTRIES: usize = 4096;
/// The largest of these layers. Deflate makes at most 1,032 bytes of each, and zstd, which may make more, is held to the
/// same.
const MAX_PLAIN_BYTES: u64 = 1032 * BLOCK as u64;
const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];

impl WantedLayers {
    /// Adds the wanted layers that archives among the seeds hold in less than 512 bytes.
    pub fn open_tiny(&mut self, seeds: &mut Seeds, context: &SeedContext<'_>) {
        let mut found = Vec::new();
        for seed in seeds.seeds.iter().filter_map(|seed| seed.as_file()) {
            if self.count() > 0 {
                each_tiny(seed.file(), &mut |plain| {
                    let name = sha256(&plain);
                    if self.wants(&name)
                        && let Some(layer) = self.open_plain(&name, &plain, context)
                    {
                        found.push(layer);
                    }
                });
            }
        }
        seeds.seeds.extend(found.into_iter().map(|layer| Box::new(layer) as _));
    }

    /// Opens a layer as a seed, if it is the one with this name.
    fn open_plain(
        &mut self,
        name: &LayerName,
        plain: &[u8],
        context: &SeedContext<'_>,
    ) -> Option<crate::seed::FileSeed> {
        let file = tempfile::tempfile_in(context.scratch).ok()?;
        file.write_all_at(plain, 0).ok()?;
        let blob = Blob::new(file, BlobForm::Tar, context.scratch).ok()?;
        let context = SeedContext { catalog: None, ..*context };
        let bytes = Some(plain.len() as u64);
        let seed = layered::open(LayerData::Blob(blob), Path::new("layer"), bytes, &context).ok()?;
        let units = seed.scan().units(context.params)?;
        self.take(name, &units.parts).then_some(seed)
    }
}

/// Passes on the plain bytes of each gzip or zstd file of less than 512 bytes at the outermost level of an archive.
fn each_tiny(archive: &File, each: &mut dyn FnMut(Vec<u8>)) {
    let (mut at, mut block) = (0u64, [0; BLOCK]);
    for _ in 0..MAX_ENTRIES {
        let Some(header) = archive.read_exact_at(&mut block, at).ok().and_then(|()| TarHeader::parse(&block)) else {
            return;
        };
        let (size, data_at) = (header.size(), at.saturating_add(BLOCK as u64));
        if size < BLOCK as u64 {
            let mut stored = vec![0; size as usize];
            if archive.read_exact_at(&mut stored, data_at).is_ok()
                && let Some(plain) = plain_of(&stored)
            {
                each(plain);
            }
        }
        let Some(next) = size.checked_next_multiple_of(BLOCK as u64).and_then(|size| data_at.checked_add(size)) else {
            return;
        };
        at = next;
    }
}

/// The plain bytes of a small compressed file.
fn plain_of(stored: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let read = if stored.starts_with(&GZIP_MARK) {
        MultiGzDecoder::new(stored).take(MAX_PLAIN_BYTES).read_to_end(&mut plain)
    } else if is_zstd(stored) {
        zstd::stream::read::Decoder::with_buffer(stored).ok()?.take(MAX_PLAIN_BYTES).read_to_end(&mut plain)
    } else {
        return None;
    };
    read.ok().map(|_| plain)
}

fn sha256(bytes: &[u8]) -> LayerName {
    let mut name = [0; 32];
    name.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    name
}
