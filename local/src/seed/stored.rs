//! Parts of images that stand in seeds in compressed form. Most updates leave most layers as they are, and then their
//! compressed bytes are the same, too.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use regrow_chunker::{Params, UnitId};

use super::{FileSeed, Seeds};
use crate::coded::Starts;

/// A part of a seed's image that is a whole gzip or zstd file.
pub struct StoredPart<'s> {
    /// The part's id.
    pub id: UnitId,
    /// The number of its plain bytes.
    pub plain_bytes: u64,
    file: &'s File,
    /// The place of the compressed file.
    stored: Range<u64>,
}

impl StoredPart<'_> {
    /// The number of bytes of the compressed file.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.stored.end - self.stored.start
    }

    /// Fills `out` with bytes of the compressed file from `at` on. Nothing of them is verified.
    ///
    /// # Errors
    /// The seed cannot be read, or has become shorter.
    pub fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(out, self.stored.start + at)
    }
}

impl Seeds {
    /// The parts that stand in seeds in compressed form, as these parameters cut them.
    #[must_use]
    pub fn stored_parts(&self, params: Params) -> Vec<StoredPart<'_>> {
        self.seeds.iter().filter_map(|seed| seed.as_file()).flat_map(|seed| stored_parts(seed, params)).collect()
    }
}

fn stored_parts(seed: &FileSeed, params: Params) -> Vec<StoredPart<'_>> {
    let scan = seed.scan();
    let Some(file) = seed.coded_file() else { return Vec::new() };
    let Some(units) = scan.units(params) else { return Vec::new() };
    let files = || scan.unfolded.iter().filter(|unfolded| matches!(unfolded.starts, Starts::Points(..)));
    let stored = |(part, &id): (&regrow_image::ImagePart, &UnitId)| {
        let unfolded = files().find(|unfolded| unfolded.plain == part.plain)?;
        let plain_bytes = part.plain.end - part.plain.start;
        Some(StoredPart { id, plain_bytes, file, stored: unfolded.stored.clone() })
    };
    scan.parts().iter().zip(&units.parts).filter_map(stored).collect()
}

#[cfg(test)]
mod tests {
    use regrow_deflate::GzipTrailer;
    use regrow_deflate::encoders::{Encoder, KnownEncoder};
    use regrow_image::WalkRules;

    use super::*;
    use crate::seed::SeedContext;
    use crate::{NoProgress, Pool};

    fn noise(bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().update(b"stored").finalize_xof().fill(&mut noise);
        noise
    }

    fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let mut encoder = Encoder::new(KnownEncoder::all().next().unwrap());
        encoder.write(plain, &mut file);
        encoder.finish(&mut file);
        let mut trailer = GzipTrailer::default();
        trailer.update(plain);
        file.extend_from_slice(&trailer.finish());
        file
    }

    #[test]
    fn layers_are_found_with_their_bytes() {
        let layer = tar(&[("a", &noise(300_000)), ("b", &noise(50_000)[1..])]);
        let stored = gzip(&layer);
        let archive = tar(&[("notes", &noise(5000)), ("layer.tar.gz", &stored), ("plain.tar", &layer)]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        std::fs::write(&path, &archive).unwrap();
        let pool = Pool::new();
        let params = Params::default();
        let context = SeedContext {
            rules: WalkRules::V3,
            params,
            pool: &pool,
            catalog: None,
            progress: &NoProgress,
            scratch: folder.path(),
            unfolds: true,
            on_scan: &|| (),
        };
        let mut seeds = Seeds::default();
        seeds.open(&path, &context).unwrap();
        let found = seeds.stored_parts(params);
        let [part] = &found[..] else { panic!("{} parts", found.len()) };
        assert_eq!((part.plain_bytes, part.stored_bytes()), (layer.len() as u64, stored.len() as u64));
        let mut read = vec![0; stored.len() - 7];
        part.read_exact_at(&mut read, 7).unwrap();
        assert!(read == stored[7..]);
    }
}
