//! Layers: which have to be uncompressed, and what they are then.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::archive::ArchiveEntry;
use super::manifests::LayerRef;
use crate::SyncError;
use crate::coded::{Aside, Guess, PREFIX_BYTES, Proof, guess, prove};
use crate::pool::Pool;

const COPY_BYTES: usize = 256 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A layer that is uncompressed.
pub(super) struct Replaced {
    pub(super) old_name: String,
    pub(super) new_name: String,
    /// SHA-256 of both, `sha256:` and hexadecimal digits.
    pub(super) old_digest: Option<String>,
    pub(super) new_digest: String,
    pub(super) bytes: u64,
    file: File,
}

/// A layer's data.
fn data<'f>(file: &'f mut File, entry: &ArchiveEntry) -> io::Result<io::Take<&'f mut File>> {
    file.seek(SeekFrom::Start(entry.at))?;
    Ok(file.take(entry.bytes))
}

/// Whether a layer is compressed in a way that nobody here makes again.
pub(super) fn is_to_change(
    file: &mut File,
    entry: &ArchiveEntry,
    scratch: &Path,
    pool: &Pool,
) -> Result<bool, SyncError> {
    let io = || SyncError::io(&entry.name);
    let mut prefix = Vec::new();
    data(file, entry).and_then(|data| data.take(PREFIX_BYTES as u64).read_to_end(&mut prefix)).map_err(io())?;
    if !prefix.starts_with(&GZIP) {
        return Ok(prefix.starts_with(&ZSTD));
    }
    if !matches!(guess(&prefix, entry.bytes), Guess::Coded) {
        return Ok(true);
    }
    let mut aside = Aside::new(scratch);
    let (mut rest, mut buffer) = (data(file, entry).map_err(io())?, vec![0; COPY_BYTES]);
    loop {
        match rest.read(&mut buffer).map_err(io())? {
            0 => break,
            read => aside.push(&buffer[..read])?,
        }
    }
    aside.settle()?;
    Ok(matches!(prove(&aside, pool)?, Proof::Impossible(_)))
}

impl Replaced {
    /// Uncompresses a layer; its digest has to be the one that the config states, if it states one.
    pub(super) fn of(
        file: &mut File,
        entry: &ArchiveEntry,
        layer: &LayerRef,
        scratch: &Path,
    ) -> Result<Self, SyncError> {
        let io = || SyncError::io(&entry.name);
        let mut magic = [0; 4];
        data(file, entry).and_then(|mut data| data.read_exact(&mut magic)).map_err(io())?;
        let data = data(file, entry).map_err(io())?;
        let mut plain: Box<dyn Read + '_> = if magic == ZSTD {
            Box::new(zstd::stream::read::Decoder::new(data).map_err(io())?)
        } else {
            Box::new(MultiGzDecoder::new(data))
        };
        let mut out = tempfile::tempfile_in(scratch).map_err(SyncError::io(scratch))?;
        let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; COPY_BYTES]);
        loop {
            let read = plain.read(&mut buffer).map_err(io())?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            out.write_all(&buffer[..read]).map_err(SyncError::io(scratch))?;
            bytes += read as u64;
        }
        let new_digest = digest_of(hasher);
        if layer.diff_id.as_ref().is_some_and(|diff_id| *diff_id != new_digest) {
            return Err(SyncError::Usage(format!("{}: the layer is not what the image's config says", entry.name)));
        }
        let new_name = match &layer.digest {
            Some(digest) => entry.name.replace(hex_of(digest), hex_of(&new_digest)),
            None => entry.name.clone(),
        };
        let (old_name, old_digest) = (entry.name.clone(), layer.digest.clone());
        Ok(Self { old_name, new_name, old_digest, new_digest, bytes, file: out })
    }

    /// Its bytes, from the front.
    pub(super) fn reader(&self) -> io::Result<&File> {
        (&self.file).seek(SeekFrom::Start(0))?;
        Ok(&self.file)
    }
}

/// A digest in the form of OCI's.
pub(super) fn digest_of(hasher: Sha256) -> String {
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The hexadecimal digits of a digest.
pub(super) fn hex_of(digest: &str) -> &str {
    digest.rsplit(':').next().unwrap_or(digest)
}
