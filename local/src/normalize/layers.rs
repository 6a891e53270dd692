//! The layers of an image: which of them must be uncompressed, and their plain form.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use regrow_image::{WalkRules, is_zstd};

use super::archive::ArchiveEntry;
use super::digests::{Digests, renamed};
use super::manifests::LayerRef;
use crate::LocalError;
use crate::coded::{Aside, Guess, PREFIX_BYTES, Proof, guess, prove};
use crate::pool::Pool;

const COPY_BYTES: usize = 256 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A layer that has been uncompressed.
pub(super) struct Replaced {
    pub(super) old_name: String,
    pub(super) new_name: String,
    /// The digests of both forms, as OCI writes them.
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

/// Whether a layer is compressed in a way that regrow cannot rebuild by these rules.
pub(super) fn is_to_change(
    file: &mut File,
    entry: &ArchiveEntry,
    scratch: &Path,
    rules: WalkRules,
    pool: &Pool,
) -> Result<bool, LocalError> {
    let io = || LocalError::io(&entry.name);
    let mut prefix = Vec::new();
    data(file, entry).and_then(|data| data.take(PREFIX_BYTES as u64).read_to_end(&mut prefix)).map_err(io())?;
    if !prefix.starts_with(&GZIP) && !is_zstd(&prefix) {
        return Ok(false);
    }
    let Guess::Coded(format) = guess(&prefix, entry.bytes, rules) else { return Ok(true) };
    let mut aside = Aside::new(scratch);
    let (mut rest, mut buffer) = (data(file, entry).map_err(io())?, vec![0; COPY_BYTES]);
    loop {
        match rest.read(&mut buffer).map_err(io())? {
            0 => break,
            read => aside.push(&buffer[..read])?,
        }
    }
    aside.settle()?;
    Ok(matches!(prove(&aside, format, pool)?.0, Proof::Impossible(_)))
}

impl Replaced {
    /// Uncompresses a layer. If the config states a digest, the plain bytes must have it; otherwise the result is
    /// `None`. Zeros at the end are added where they make it fit, since writers of zstd:chunked layers drop those
    /// of the tar.
    pub(super) fn of(
        file: &mut File,
        entry: &ArchiveEntry,
        layer: &LayerRef,
        scratch: &Path,
    ) -> Result<Option<Self>, LocalError> {
        let io = || LocalError::io(&entry.name);
        let mut magic = [0; 4];
        data(file, entry).and_then(|mut data| data.read_exact(&mut magic)).map_err(io())?;
        let data = data(file, entry).map_err(io())?;
        let mut plain: Box<dyn Read + '_> = if is_zstd(&magic) {
            Box::new(zstd::stream::read::Decoder::new(data).map_err(io())?)
        } else {
            Box::new(MultiGzDecoder::new(data))
        };
        let mut out = tempfile::tempfile_in(scratch).map_err(LocalError::io(scratch))?;
        let mut digests = Digests::like(&[layer.digest.as_deref(), layer.diff_id.as_deref()]);
        let (mut bytes, mut buffer) = (0, vec![0; COPY_BYTES]);
        loop {
            let read = plain.read(&mut buffer).map_err(io())?;
            if read == 0 {
                break;
            }
            digests.update(&buffer[..read]);
            out.write_all(&buffer[..read]).map_err(LocalError::io(scratch))?;
            bytes += read as u64;
        }
        if let Some(diff_id) = &layer.diff_id {
            let Some(zeros) = digests.complete(diff_id) else { return Ok(None) };
            io::copy(&mut io::repeat(0).take(zeros), &mut out).map_err(LocalError::io(scratch))?;
            bytes += zeros;
        }
        let new_digest = digests.of_kind(layer.digest.as_deref());
        let new_name = match &layer.digest {
            Some(digest) => renamed(&entry.name, digest, &new_digest),
            None => entry.name.clone(),
        };
        let (old_name, old_digest) = (entry.name.clone(), layer.digest.clone());
        Ok(Some(Self { old_name, new_name, old_digest, new_digest, bytes, file: out }))
    }

    /// Reads the plain bytes from the start.
    pub(super) fn reader(&self) -> io::Result<&File> {
        (&self.file).seek(SeekFrom::Start(0))?;
        Ok(&self.file)
    }
}
