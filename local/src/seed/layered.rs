//! Layers in the storage of an engine, opened as seeds. Their scans are remembered like those of files.

use std::io::{self, Read};
use std::path::Path;

use regrow_catalog::SeedKey;

use super::SeedContext;
use super::file::FileSeed;
use super::layer::{HEADER_BYTES, Layer, LayerData, MAX_LAYER_BYTES, READ_BYTES, header};
use crate::coded::Unfolded;
use crate::ingest::{GzipFiles, Input, Reading};
use crate::scan::{Scan, rules};
use crate::{LocalError, Stage, StorageFault};

/// The zeros with which an archive ends, without those that fill up the last file's block.
const END_BYTES: u64 = 1024;
/// The version of the form in which the catalog remembers layers.
const FORM_VERSION: u32 = 2;

/// Opens a layer as a seed. `path` is its name in the catalog and in messages. `bytes` is the layer's size, if the index
/// tells it.
pub(crate) fn open(
    data: LayerData,
    path: &Path,
    bytes: Option<u64>,
    context: &SeedContext<'_>,
) -> Result<FileSeed, LocalError> {
    let form = match &data {
        LayerData::Blob(_) => " blob".to_owned(),
        LayerData::Split(split) => format!(" split {}", split.place()),
    };
    let form = format!("{} layer {FORM_VERSION}{form}", rules(context.rules, 0, &context.params));
    let key = context.catalog.and_then(|_| SeedKey::of_file(path, data.file(), &form).ok());
    if let (Some(catalog), Some(key)) = (context.catalog, &key)
        && let Some((unfolded, scan)) = catalog.get_seed(key).and_then(|blob| decode(&blob, context))
    {
        return Ok(FileSeed::of_layer(with_points(data, unfolded), scan, false));
    }
    (context.on_scan)();
    context.progress.begin(Stage::Scan, bytes);
    let scanned = scan(data, path, bytes, context);
    context.progress.end(Stage::Scan);
    let Scanned { layer, unfolded, scan, is_whole } = scanned?;
    if let (Some(catalog), Some(key)) = (context.catalog, key.filter(|_| is_whole)) {
        let blob = encode(unfolded.as_ref(), &scan);
        if scan.is_worth_remembering(blob.len()) {
            catalog.put_seed(&key, &blob);
        }
    }
    Ok(FileSeed::of_layer(layer, scan, true))
}

/// A layer that was read through.
struct Scanned {
    layer: Layer,
    unfolded: Option<Unfolded>,
    scan: Scan,
    /// Whether all bytes were there.
    is_whole: bool,
}

/// Reads a layer through. `bytes` is its size, if the index tells it.
fn scan(data: LayerData, path: &Path, bytes: Option<u64>, context: &SeedContext<'_>) -> Result<Scanned, LocalError> {
    let fault = |fault| LocalError::Storage { path: path.to_owned(), fault };
    match data {
        LayerData::Split(split) => {
            if bytes.is_some_and(|bytes| split.bytes() > most_bytes(bytes)) {
                return Err(fault(StorageFault::TooLarge));
            }
            let mut reader = split.reader();
            let scan = scan_of(&mut reader, split.bytes(), path, context)?;
            let is_whole = reader.is_whole();
            let bytes = split.bytes();
            Ok(Scanned { layer: Layer::new(LayerData::Split(split), bytes), unfolded: None, scan, is_whole })
        }
        LayerData::Blob(blob) => {
            let Some(format) = blob.compressed() else {
                let bytes = blob.stored_bytes();
                let scan = scan_of(&mut blob.stored_reader(), bytes, path, context)?;
                let layer = Layer::new(LayerData::Blob(blob), bytes);
                return Ok(Scanned { layer, unfolded: None, scan, is_whole: true });
            };
            // Only when a compressed file has been read is it known how long it is.
            let bytes = bytes.map(|bytes| bytes.min(MAX_LAYER_BYTES));
            let guess = bytes.unwrap_or_else(|| blob.stated_bytes());
            let mut reader = blob.decompressing(format, bytes.unwrap_or(MAX_LAYER_BYTES));
            let mut scan = scan_of(&mut reader, guess, path, context)?;
            let unfolded = reader.finish().ok_or_else(|| fault(StorageFault::Malformed))?;
            let bytes = unfolded.plain.end;
            let blob = blob.with_points(unfolded.clone());
            let layer = Layer::new(LayerData::Blob(blob), bytes);
            if bytes != guess {
                let mut reader = DataReader { layer: &layer, at: HEADER_BYTES as u64 };
                scan = scan_of(&mut reader, bytes, path, context)?;
            }
            Ok(Scanned { layer, unfolded: Some(unfolded), scan, is_whole: true })
        }
    }
}

/// The most bytes that are read where a layer of this many is expected. A sparse file counts with its holes, so there may
/// be more.
fn most_bytes(expected: u64) -> u64 {
    expected.saturating_mul(4).saturating_add(64 << 20)
}

/// Reads a layer's bytes in order.
struct DataReader<'a> {
    layer: &'a Layer,
    at: u64,
}

impl Read for DataReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = (HEADER_BYTES as u64 + self.layer.bytes()).saturating_sub(self.at);
        let len = out.len().min(READ_BYTES).min(usize::try_from(left).unwrap_or(usize::MAX));
        self.layer.read_exact_at(&mut out[..len], self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}

/// Scans the archive that holds a layer of this many bytes.
fn scan_of(data: &mut dyn Read, bytes: u64, path: &Path, context: &SeedContext<'_>) -> Result<Scan, LocalError> {
    let SeedContext { rules, params, pool, progress, .. } = *context;
    let gzip_files = GzipFiles::Contents;
    let reading = Reading { rules, params, pool, stage: Stage::Scan, progress, gzip_files };
    let header = header(bytes);
    let padding = bytes.next_multiple_of(HEADER_BYTES as u64) - bytes + END_BYTES;
    let mut reader = header.chain(data).chain(io::repeat(0).take(padding));
    let input =
        Input { reader: &mut reader, name: path, size_hint: Some(bytes.saturating_add(padding)), at_random: None };
    Scan::of_archive(input, &reading)
}

fn encode(unfolded: Option<&Unfolded>, scan: &Scan) -> Vec<u8> {
    let mut blob = vec![u8::from(unfolded.is_some())];
    unfolded.inspect(|unfolded| unfolded.encode(&mut blob));
    blob.extend_from_slice(&scan.encode());
    blob
}

fn decode(blob: &[u8], context: &SeedContext<'_>) -> Option<(Option<Unfolded>, Scan)> {
    let (is_gzip, mut rest) = blob.split_first()?;
    let unfolded = match is_gzip {
        0 => None,
        _ => Some(Unfolded::decode(&mut rest)?),
    };
    Some((unfolded, Scan::decode(rest, context.rules)?))
}

/// The layer with the points that the catalog remembers.
fn with_points(data: LayerData, unfolded: Option<Unfolded>) -> Layer {
    match (data, unfolded) {
        (LayerData::Blob(blob), Some(unfolded)) => {
            let bytes = unfolded.plain.end;
            Layer::new(LayerData::Blob(blob.with_points(unfolded)), bytes)
        }
        (LayerData::Blob(blob), None) => {
            let bytes = blob.stored_bytes();
            Layer::new(LayerData::Blob(blob), bytes)
        }
        (LayerData::Split(split), _) => {
            let bytes = split.bytes();
            Layer::new(LayerData::Split(split), bytes)
        }
    }
}
