//! An image as an archive of form 1: docs/format/oci-archive.md. The archive is made while it is read, front to back.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};

use regrow_store::BlobDigest;

use super::digest::{Checked, hex};
use super::documents::{Descriptor, Documents, OCI_INDEX, is_image_config};
use super::names::ImageName;
use super::{Blobs, documents::malformed};
use crate::SourceError;

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const BLOCK_BYTES: usize = 512;
/// The zeros that end a tar.
const END_BYTES: u64 = 2 * BLOCK_BYTES as u64;
/// The largest size that a header has in octal digits.
const MAX_OCTAL: u64 = (8 << 30) - 1;
const ZEROS: [u8; 2 * BLOCK_BYTES] = [0; 2 * BLOCK_BYTES];

/// An entry of the archive.
struct Entry {
    name: String,
    bytes: u64,
    contents: Contents,
}

enum Contents {
    Bytes(Vec<u8>),
    Blob(Descriptor),
}

/// The place in the archive up to which it was read.
enum State {
    /// An entry comes next, or the end.
    Between,
    /// The rest of these bytes comes next. Then the data of an entry may follow.
    Bytes(io::Cursor<Vec<u8>>, Option<Data>),
    Data(Data),
    /// This number of zeros comes next.
    Zeros {
        left: u64,
        is_end: bool,
    },
    End,
}

/// The data of an entry that is being read, and the zeros that follow it.
struct Data {
    reader: Box<dyn Read + Send>,
    padding: u64,
}

/// An archive of form 1, as it is read.
pub(crate) struct ImageArchive {
    blobs: Box<dyn Blobs>,
    entries: VecDeque<Entry>,
    state: State,
    size: u64,
    digest: BlobDigest,
}

impl ImageArchive {
    /// Lays out the archive of these documents.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] if documents give a blob two sizes, or sizes that no archive has.
    pub(super) fn new(blobs: Box<dyn Blobs>, image: Documents, names: &[ImageName]) -> Result<Self, SourceError> {
        let Documents { documents, blobs: others, image } = image;
        let root = documents.first().ok_or_else(|| malformed("the image", "it has no documents"))?.descriptor.clone();
        let mut entries = VecDeque::new();
        let mut push = |name: &str, bytes: Vec<u8>| {
            entries.push_back(Entry {
                name: name.to_owned(),
                bytes: bytes.len() as u64,
                contents: Contents::Bytes(bytes),
            });
        };
        push("oci-layout", LAYOUT.into());
        push("index.json", index_json(&root, names).into());
        if let Some((config, layers)) = image.filter(|(config, _)| is_image_config(config)) {
            push("manifest.json", manifest_json(&config, &layers, names).into());
        }
        let mut sizes = BTreeMap::new();
        for document in documents {
            sizes.insert(document.descriptor.digest, document.descriptor.bytes);
            push(&blob_name(&document.descriptor.digest), document.bytes);
        }
        for blob in others {
            if *sizes.entry(blob.digest).or_insert(blob.bytes) != blob.bytes {
                return Err(malformed(root.digest, format_args!("{} has two sizes", blob.digest)));
            }
            entries.push_back(Entry {
                name: blob_name(&blob.digest),
                bytes: blob.bytes,
                contents: Contents::Blob(blob),
            });
        }
        let cost =
            |entry: &Entry| entry.bytes.checked_next_multiple_of(BLOCK_BYTES as u64)?.checked_add(BLOCK_BYTES as u64);
        let bytes = entries.iter().try_fold(END_BYTES, |sum, entry| sum.checked_add(cost(entry)?));
        let bytes = bytes.filter(|&bytes| i64::try_from(bytes).is_ok());
        let bytes = bytes.ok_or_else(|| malformed(root.digest, "its blobs have impossible sizes"))?;
        Ok(Self { blobs, entries, state: State::Between, size: bytes, digest: root.digest })
    }

    /// The size of the whole archive in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The digest of the root: the image's own.
    pub(crate) fn digest(&self) -> BlobDigest {
        self.digest
    }

    /// Begins the next entry, or the end.
    fn next(&mut self) -> io::Result<State> {
        let Some(entry) = self.entries.pop_front() else { return Ok(State::Zeros { left: END_BYTES, is_end: true }) };
        let mut front = header(&entry.name, entry.bytes).to_vec();
        let padding = entry.bytes.next_multiple_of(BLOCK_BYTES as u64) - entry.bytes;
        let data = match entry.contents {
            Contents::Bytes(bytes) => {
                front.extend_from_slice(&bytes);
                front.extend_from_slice(&ZEROS[..padding as usize]);
                None
            }
            Contents::Blob(blob) => {
                let reader = self.blobs.open(&blob).map_err(io::Error::other)?;
                Some(Data { reader: Box::new(Checked::new(reader, blob.digest, blob.bytes)), padding })
            }
        };
        Ok(State::Bytes(io::Cursor::new(front), data))
    }
}

impl Read for ImageArchive {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match &mut self.state {
                State::End => return Ok(0),
                State::Between => self.next()?,
                State::Bytes(front, data) => match front.read(out)? {
                    0 => data.take().map_or(State::Between, State::Data),
                    read => return Ok(read),
                },
                State::Data(data) => match data.reader.read(out)? {
                    0 => State::Zeros { left: data.padding, is_end: false },
                    read => return Ok(read),
                },
                State::Zeros { left: 0, is_end: true } => State::End,
                State::Zeros { left: 0, is_end: false } => State::Between,
                State::Zeros { left, .. } => {
                    let read = out.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    out[..read].fill(0);
                    *left -= read as u64;
                    return Ok(read);
                }
            };
        }
    }
}

/// The name of a blob's entry.
fn blob_name(digest: &BlobDigest) -> String {
    format!("blobs/sha256/{}", hex(digest))
}

/// The header of an entry. Names have at most 77 characters.
fn header(name: &str, bytes: u64) -> [u8; BLOCK_BYTES] {
    let mut header = [0; BLOCK_BYTES];
    let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if bytes > MAX_OCTAL {
        put(124, &[0x80]);
        put(128, &bytes.to_be_bytes());
    } else {
        put(124, format!("{bytes:011o}").as_bytes());
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn index_json(root: &Descriptor, names: &[ImageName]) -> String {
    let Descriptor { kind, digest, bytes } = root;
    let descriptor = format!(r#""mediaType":"{kind}","digest":"{digest}","size":{bytes}"#);
    let named = |name: &ImageName| {
        let annotations = format!(
            r#""annotations":{{"io.containerd.image.name":"{}","org.opencontainers.image.ref.name":"{}"}}"#,
            name.full(),
            name.tag()
        );
        format!("{{{descriptor},{annotations}}}")
    };
    let descriptors = match names {
        [] => format!("{{{descriptor}}}"),
        names => names.iter().map(named).collect::<Vec<_>>().join(","),
    };
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{descriptors}]}}"#)
}

fn manifest_json(config: &Descriptor, layers: &[Descriptor], names: &[ImageName]) -> String {
    let list = |texts: Vec<String>| texts.join(",");
    let quoted = |text: String| format!("\"{text}\"");
    let tags = match names {
        [] => "null".to_owned(),
        names => format!("[{}]", list(names.iter().map(|name| quoted(name.familiar())).collect())),
    };
    let layers = list(layers.iter().map(|layer| quoted(blob_name(&layer.digest))).collect());
    let config = blob_name(&config.digest);
    format!(r#"[{{"Config":"{config}","RepoTags":{tags},"Layers":[{layers}]}}]"#)
}
