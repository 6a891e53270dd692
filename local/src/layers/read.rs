//! Reads the layers of an image: their stored bytes, the plain bytes that these hold, and the digests of both.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use flate2::read::MultiGzDecoder;
use regrow_rootfs::RootfsError;

use super::{LayerBlob, LayerForm};
use crate::LayersFault;
use crate::normalize::digests::Digests;
use crate::{Progress, Stage};

const BUFFER_BYTES: usize = 256 << 10;
/// The most plain bytes that are read of a compressed layer, as of layers in the storage of engines. A kilobyte can
/// hold a megabyte.
const MAX_PLAIN_BYTES: u64 = 64 << 30;

/// A range of a file, read front to back.
pub(super) struct Stored<'a> {
    file: &'a File,
    at: u64,
    left: u64,
    progress: &'a dyn Progress,
}

impl<'a> Stored<'a> {
    fn new(file: &'a File, blob: &LayerBlob, progress: &'a dyn Progress) -> Self {
        Self { file, at: blob.at, left: blob.bytes, progress }
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut out[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        self.progress.add(Stage::Compare, read as u64);
        Ok(read)
    }
}

/// A reader that hashes what it reads.
struct Hashed<R> {
    inner: R,
    digests: Digests,
    bytes: u64,
}

impl<R: Read> Hashed<R> {
    fn new(inner: R, diff_id: &str) -> Self {
        Self { inner, digests: Digests::like(&[Some(diff_id)]), bytes: 0 }
    }

    /// Reads what is left.
    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        while self.read(&mut buffer)? > 0 {}
        Ok(())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.digests.update(&out[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// A reader of a layer's plain bytes, which are not checked.
pub(super) fn plain<'a>(
    file: &'a File,
    blob: &LayerBlob,
    progress: &'a dyn Progress,
) -> io::Result<Box<dyn Read + 'a>> {
    let stored = Stored::new(file, blob, progress);
    Ok(match blob.form {
        LayerForm::Plain => Box::new(stored),
        LayerForm::Gzip => Box::new(MultiGzDecoder::new(stored)),
        LayerForm::Zstd => Box::new(zstd::stream::read::Decoder::new(stored)?),
    })
}

/// The digest of a layer's stored bytes, and the number of its plain bytes.
pub(super) struct Checked {
    pub(super) digest: String,
    pub(super) plain_bytes: u64,
}

/// Reads a whole layer and checks it. `apply` gets its plain bytes, and may leave some at their end.
pub(super) fn checked(
    file: &File,
    blob: &LayerBlob,
    progress: &dyn Progress,
    apply: impl FnOnce(&mut dyn Read) -> Result<(), RootfsError>,
) -> Result<Checked, LayersFault> {
    let failed = |source| LayersFault::Layer { layer: blob.name.clone(), source };
    let io = |error: io::Error| failed(error.into());
    let stored = Stored::new(file, blob, progress);
    if blob.form == LayerForm::Plain {
        let mut plain = Hashed::new(stored, &blob.diff_id);
        apply(&mut plain).map_err(failed)?;
        plain.drain().map_err(io)?;
        check(&mut plain, blob)?;
        return Ok(Checked { digest: plain.digests.of_kind(None), plain_bytes: plain.bytes });
    }
    let mut stored = Hashed::new(stored, "");
    let plain_bytes = {
        let decoder: Box<dyn Read + '_> = match blob.form {
            LayerForm::Zstd => Box::new(zstd::stream::read::Decoder::new(&mut stored).map_err(io)?),
            _ => Box::new(MultiGzDecoder::new(&mut stored)),
        };
        let mut plain = Hashed::new(decoder.take(MAX_PLAIN_BYTES + 1), &blob.diff_id);
        let read = apply(&mut plain).and_then(|()| Ok(plain.drain()?));
        if plain.bytes > MAX_PLAIN_BYTES {
            return Err(LayersFault::TooLarge { layer: blob.name.clone(), most: MAX_PLAIN_BYTES });
        }
        read.map_err(failed)?;
        check(&mut plain, blob)?;
        plain.bytes
    };
    stored.drain().map_err(io)?;
    Ok(Checked { digest: stored.digests.of_kind(None), plain_bytes })
}

/// Checks the digest of plain bytes. Writers of zstd:chunked layers drop zeros from the end of the tar.
fn check<R>(plain: &mut Hashed<R>, blob: &LayerBlob) -> Result<(), LayersFault> {
    let is_named = match blob.form {
        LayerForm::Zstd => plain.digests.complete(&blob.diff_id).is_some(),
        _ => plain.digests.of_kind(Some(&blob.diff_id)) == blob.diff_id,
    };
    if is_named { Ok(()) } else { Err(LayersFault::Digest { layer: blob.name.clone() }) }
}
