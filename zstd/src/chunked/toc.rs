//! The table of contents of a zstd:chunked file: JSON, compressed, in a skippable frame, and a footer that says where.

use super::Generation;
use super::cut::Frame;
use super::header::{Entry, Time};
use super::json::{base64, put_quoted};
use super::split::Account;
use super::time::date;
use crate::klauspost::{FrameEncoder, Klauspost};

const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
const FRAME_HEADER_BYTES: u64 = 8;
/// `ManifestTypeCRFS`.
const KIND: u64 = 1;
pub(super) const MAGIC: [u8; 8] = *b"GnUlInUx";
/// The same from 1.50 on, where tar-split's account belongs to the file.
pub(super) const MAGIC_WITH_ACCOUNT: [u8; 8] = *b"GNUlInUx";
/// What Go's time is if none is said: the beginning of year 1.
const NO_TIME: Time = (-62_135_596_800, 0);

/// The digest of a frame's plain bytes, or of a file.
pub(super) type Digest = [u8; 32];

/// Gathers the table of contents. Frames and entries come in the order of the file.
#[derive(Debug)]
pub(super) struct Contents {
    generation: Generation,
    json: FrameEncoder,
    /// JSON that waits, the table as far as it is compressed, and the number of all bytes of JSON.
    waiting: Vec<u8>,
    compressed: Vec<u8>,
    json_bytes: u64,
    /// The stored bytes so far.
    at: u64,
    file: Option<File>,
    is_first: bool,
}

#[derive(Debug)]
struct File {
    entry: Entry,
    start: u64,
    plain_bytes: u64,
    chunks: Vec<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    at: u64,
    plain_at: u64,
    plain_bytes: u64,
    digest: Digest,
    is_zeros: bool,
}

impl Contents {
    pub(super) fn new(generation: Generation, kind: Klauspost) -> Self {
        Self {
            generation,
            json: FrameEncoder::new(kind, u64::MAX),
            waiting: b"{\"version\":1,\"entries\":".to_vec(),
            compressed: Vec::new(),
            json_bytes: 0,
            at: 0,
            file: None,
            is_first: true,
        }
    }

    /// An entry begins.
    pub(super) fn entry(&mut self, entry: Entry) {
        self.file = Some(File { entry, start: 0, plain_bytes: 0, chunks: Vec::new() });
    }

    /// A frame of the file has ended.
    pub(super) fn frame(&mut self, frame: Frame, stored_bytes: u64, plain_bytes: u64, digest: Digest) {
        let at = self.at;
        self.at += stored_bytes;
        let Some(file) = self.file.as_mut().filter(|_| frame != Frame::Headers) else { return };
        if file.chunks.is_empty() {
            file.start = at;
        }
        let is_zeros = frame == Frame::Zeros;
        file.chunks.push(Chunk { at, plain_at: file.plain_bytes, plain_bytes, digest, is_zeros });
        file.plain_bytes += plain_bytes;
    }

    /// The entry's contents have ended. `digest` is that of all of them.
    pub(super) fn end(&mut self, digest: Digest) {
        let Some(File { entry, start, chunks, .. }) = self.file.take() else { return };
        self.waiting.push(if std::mem::take(&mut self.is_first) { b'[' } else { b',' });
        put_entry(self.generation, &entry, &mut self.waiting);
        if !chunks.is_empty() {
            put_digest("digest", &digest, &mut self.waiting);
            put_number("offset", start, &mut self.waiting);
            put_number("endOffset", self.at, &mut self.waiting);
        }
        if let [first, others @ ..] = chunks.as_slice()
            && !others.is_empty()
        {
            put_chunk(first, &mut self.waiting);
            for chunk in others {
                self.waiting.extend_from_slice(b"},{\"type\":\"chunk\"");
                put_string("name", &entry.name, &mut self.waiting);
                put_number("offset", chunk.at, &mut self.waiting);
                put_chunk(chunk, &mut self.waiting);
            }
        }
        self.waiting.push(b'}');
        self.compress();
    }

    fn compress(&mut self) {
        self.json_bytes += self.waiting.len() as u64;
        self.json.write(&self.waiting, &mut self.compressed);
        self.waiting.clear();
    }

    /// Appends the table, tar-split's account and the footer.
    pub(super) fn finish(&mut self, account: Option<&Account>, out: &mut Vec<u8>) {
        self.waiting.extend_from_slice(if self.is_first { b"null" } else { b"]" });
        if let Some(account) = account.filter(|_| self.generation.names_account()) {
            put_digest("tarSplitDigest", &account.digest, &mut self.waiting);
        }
        self.waiting.push(b'}');
        self.compress();
        self.json.finish(&mut self.compressed);
        let (table_at, table_bytes) = (self.at + FRAME_HEADER_BYTES, self.compressed.len() as u64);
        put_skippable(&self.compressed, out);
        let mut footer: Vec<u8> =
            [table_at, table_bytes, self.json_bytes, KIND].into_iter().flat_map(u64::to_le_bytes).collect();
        if let Some(Account { compressed, json_bytes, .. }) = account {
            put_skippable(compressed, out);
            let account_at = table_at + table_bytes + FRAME_HEADER_BYTES;
            let numbers = [account_at, compressed.len() as u64, *json_bytes];
            footer.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
        }
        footer.extend_from_slice(if account.is_some() { &MAGIC_WITH_ACCOUNT } else { &MAGIC });
        put_skippable(&footer, out);
    }
}

fn put_skippable(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&SKIPPABLE);
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// All members that come from the header.
fn put_entry(generation: Generation, entry: &Entry, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(entry.kind.as_bytes());
    out.push(b'"');
    put_string("name", &entry.name, out);
    if !entry.link.is_empty() {
        put_string("linkName", &entry.link, out);
    }
    put_number("mode", entry.mode, out);
    put_number("size", entry.size, out);
    put_number("uid", entry.user, out);
    put_number("gid", entry.group, out);
    let times = [("modtime", Some(entry.modified)), ("accesstime", entry.accessed), ("changetime", entry.changed)];
    for (key, time) in times {
        if generation.leaves_out_empty() && time.is_none_or(|time| time == NO_TIME) {
            continue;
        }
        put_key(key, out);
        out.extend_from_slice(format!("\"{}\"", date(time.unwrap_or(NO_TIME))).as_bytes());
    }
    put_number("devMajor", entry.device.0, out);
    put_number("devMinor", entry.device.1, out);
    put_attributes(generation, entry, out);
}

fn put_attributes(generation: Generation, entry: &Entry, out: &mut Vec<u8>) {
    // Before, empty ones were left out.
    let is_wanted = |(_, value): &(&Vec<u8>, &Vec<u8>)| generation.leaves_out_empty() || !value.is_empty();
    let mut attributes = entry.attributes.iter().filter(is_wanted).peekable();
    if attributes.peek().is_none() {
        return;
    }
    put_key("xattrs", out);
    for (number, (key, value)) in attributes.enumerate() {
        out.push(if number == 0 { b'{' } else { b',' });
        put_quoted(key, out);
        out.push(b':');
        put_quoted(&base64(value), out);
    }
    out.push(b'}');
}

fn put_chunk(chunk: &Chunk, out: &mut Vec<u8>) {
    put_number("chunkSize", chunk.plain_bytes, out);
    put_number("chunkOffset", chunk.plain_at, out);
    put_digest("chunkDigest", &chunk.digest, out);
    if chunk.is_zeros {
        put_string("chunkType", b"zeros", out);
    }
}

fn put_key(key: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(",\"{key}\":").as_bytes());
}

/// A number, unless it is 0.
fn put_number(key: &str, number: impl Into<i128>, out: &mut Vec<u8>) {
    let number = number.into();
    if number != 0 {
        put_key(key, out);
        out.extend_from_slice(number.to_string().as_bytes());
    }
}

fn put_digest(key: &str, digest: &Digest, out: &mut Vec<u8>) {
    put_key(key, out);
    out.extend_from_slice(b"\"sha256:");
    for byte in digest {
        out.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    out.push(b'"');
}

fn put_string(key: &str, string: &[u8], out: &mut Vec<u8>) {
    put_key(key, out);
    put_quoted(string, out);
}
