//! The table of contents of a zstd:chunked file: JSON, compressed, in a skippable frame, and a footer that says where.

use super::cut::Frame;
use super::header::{Entry, Time};
use super::time::date;
use crate::klauspost::{FrameEncoder, Klauspost};

const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
const FRAME_HEADER_BYTES: u64 = 8;
/// `ManifestTypeCRFS`.
const KIND: u64 = 1;
pub(super) const MAGIC: [u8; 8] = *b"GnUlInUx";
/// What Go's time is if none is said: the beginning of year 1.
const NO_TIME: Time = (-62_135_596_800, 0);

/// The digest of a frame's plain bytes, or of a file.
pub(super) type Digest = [u8; 32];

/// Gathers the table of contents. Frames and entries come in the order of the file.
#[derive(Debug)]
pub(super) struct Contents {
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
    pub(super) fn new(kind: Klauspost) -> Self {
        Self {
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
        put_entry(&entry, &mut self.waiting);
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

    /// Appends the table and the footer.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.waiting.extend_from_slice(if self.is_first { b"null}" } else { b"]}" });
        self.compress();
        self.json.finish(&mut self.compressed);
        let table_at = self.at + FRAME_HEADER_BYTES;
        put_skippable(&self.compressed, out);
        let numbers = [table_at, self.compressed.len() as u64, self.json_bytes, KIND];
        let mut footer: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
        footer.extend_from_slice(&MAGIC);
        put_skippable(&footer, out);
    }
}

fn put_skippable(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&SKIPPABLE);
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// All members that come from the header.
fn put_entry(entry: &Entry, out: &mut Vec<u8>) {
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
        put_key(key, out);
        out.extend_from_slice(format!("\"{}\"", date(time.unwrap_or(NO_TIME))).as_bytes());
    }
    put_number("devMajor", entry.device.0, out);
    put_number("devMinor", entry.device.1, out);
    put_attributes(entry, out);
}

fn put_attributes(entry: &Entry, out: &mut Vec<u8>) {
    if entry.attributes.is_empty() {
        return;
    }
    put_key("xattrs", out);
    for (number, (key, value)) in entry.attributes.iter().enumerate() {
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

/// A string, as Go's JSON writes it: what HTML reads is escaped, and what is not UTF-8 is replaced, byte by byte.
fn put_quoted(string: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in string.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    out.extend_from_slice(format!("\\u{:04x}", character as u32).as_bytes());
                }
                _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        chunk.invalid().iter().for_each(|_| out.extend_from_slice(b"\\ufffd"));
    }
    out.push(b'"');
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let has_digit = digit <= group.len();
            out.push(if has_digit { DIGITS[(bits >> (18 - 6 * digit)) as usize & 63] } else { b'=' });
        }
    }
    out
}
