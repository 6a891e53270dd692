//! The contents of files in layers, at random. Those of compressed layers are written to a file without a name first.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use regrow_rootfs::{Change, ContentsSource, Difference, Place, Special};

use super::read::plain;
use super::{LayerBlob, LayerForm, NumberedLayer};
use crate::LayersFault;
use crate::{LocalError, Progress};

const COPY_BYTES: usize = 256 << 10;

/// The contents that a layer needs.
pub(super) struct LayerContents<'a> {
    layers: &'a [NumberedLayer<'a>],
    /// The places in `spool` of contents from compressed layers.
    spooled: HashMap<Place, u64>,
    spool: File,
}

impl<'a> LayerContents<'a> {
    /// Prepares the contents of all files that a difference needs. Temporary files go to `scratch`.
    pub(super) fn prepare(
        layers: &'a [NumberedLayer<'a>],
        difference: &Difference<'_>,
        scratch: &Path,
        progress: &dyn Progress,
    ) -> Result<Self, LocalError> {
        let mut wanted: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
        let Ok(()) = difference.for_each(|_, change| {
            if let Change::Special { special: Special::File(contents), link_to: None, .. } = change
                && layers[contents.place.layer as usize].blob.form != LayerForm::Plain
            {
                wanted.entry(contents.place.layer).or_default().push((contents.place.at, contents.stored_bytes()));
            }
            Ok::<(), Infallible>(())
        });
        let spool = tempfile::tempfile_in(scratch).map_err(LocalError::io(scratch))?;
        let (mut out, mut at) = (BufWriter::with_capacity(COPY_BYTES, spool), 0);
        let mut spooled = HashMap::new();
        for (number, mut ranges) in wanted {
            ranges.sort_unstable();
            let NumberedLayer { file, blob, path } = &layers[number as usize];
            let mut reader = plain(file, blob, progress).map_err(LocalError::io(path))?;
            let mut read = 0;
            for (start, bytes) in ranges {
                let skipped = copy(&mut reader, start - read, &mut io::sink());
                skipped.map_err(|error| damaged(path, blob, error))?;
                copy(&mut reader, bytes, &mut out).map_err(|error| damaged(path, blob, error))?;
                spooled.insert(Place { layer: number, at: start }, at);
                read = start + bytes;
                at += bytes;
            }
        }
        let spool = out.into_inner().map_err(|error| LocalError::io(scratch)(error.into_error()))?;
        Ok(Self { layers, spooled, spool })
    }
}

fn damaged(path: &Path, blob: &LayerBlob, error: io::Error) -> LocalError {
    let fault = LayersFault::Layer { layer: blob.name.clone(), source: error.into() };
    LocalError::Layers { path: path.to_owned(), fault }
}

/// Copies this many bytes.
fn copy(from: &mut dyn Read, bytes: u64, to: &mut dyn Write) -> io::Result<()> {
    let copied = io::copy(&mut from.take(bytes), to)?;
    if copied == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Copies a range of a file.
fn copy_range(file: &File, mut at: u64, mut bytes: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES.min(usize::try_from(bytes).unwrap_or(COPY_BYTES))];
    while bytes > 0 {
        let now = buffer.len().min(usize::try_from(bytes).unwrap_or(COPY_BYTES));
        file.read_exact_at(&mut buffer[..now], at)?;
        out.write_all(&buffer[..now])?;
        at += now as u64;
        bytes -= now as u64;
    }
    Ok(())
}

impl ContentsSource for LayerContents<'_> {
    fn copy(&mut self, place: Place, bytes: u64, out: &mut dyn Write) -> io::Result<()> {
        if let Some(&at) = self.spooled.get(&place) {
            return copy_range(&self.spool, at, bytes, out);
        }
        let NumberedLayer { file, blob, .. } = &self.layers[place.layer as usize];
        copy_range(file, blob.at + place.at, bytes, out)
    }
}
