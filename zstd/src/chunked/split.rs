//! tar-split's account of a tar: all bytes that are no contents, as lines of JSON.

use sha2::{Digest as _, Sha256};

use super::header::Entry;
use super::json::{base64, put_quoted};
use super::toc::Digest;
use crate::klauspost::{FrameEncoder, Klauspost};

/// The most bytes behind the end of a tar that make one line.
const MAX_TAIL_BYTES: usize = 1 << 20;

/// Gathers the account.
#[derive(Debug)]
pub(super) struct Split {
    json: FrameEncoder,
    compressed: Vec<u8>,
    json_bytes: u64,
    line: Vec<u8>,
    position: u64,
    /// Bytes of headers and padding that are in no line yet.
    raw: Vec<u8>,
    is_tail: bool,
    entry: Option<(Entry, Crc64)>,
}

/// The account, compressed.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) compressed: Vec<u8>,
    pub(super) json_bytes: u64,
    pub(super) digest: Digest,
}

impl Split {
    pub(super) fn new(kind: Klauspost) -> Self {
        Self {
            json: FrameEncoder::new(kind, u64::MAX),
            compressed: Vec::new(),
            json_bytes: 0,
            line: Vec::new(),
            position: 0,
            raw: Vec::new(),
            is_tail: false,
            entry: None,
        }
    }

    /// Takes bytes of headers and padding.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        while self.is_tail && self.raw.len() >= MAX_TAIL_BYTES {
            let rest = self.raw.split_off(MAX_TAIL_BYTES);
            self.end_raw();
            self.raw = rest;
        }
    }

    /// An entry's header has ended.
    pub(super) fn entry(&mut self, entry: &Entry) {
        self.end_raw();
        self.entry = Some((entry.clone(), Crc64::default()));
        if entry.payload_bytes() == 0 {
            self.end_entry();
        }
    }

    /// Takes contents of the entry.
    pub(super) fn contents(&mut self, bytes: &[u8]) {
        if let Some((_, sum)) = &mut self.entry {
            sum.update(bytes);
        }
    }

    /// The entry has ended.
    pub(super) fn end_entry(&mut self) {
        let Some((entry, sum)) = self.entry.take() else { return };
        self.line.extend_from_slice(b"{\"type\":1");
        match std::str::from_utf8(&entry.name) {
            Ok("") => {}
            Ok(name) => {
                self.line.extend_from_slice(b",\"name\":");
                put_quoted(name.as_bytes(), &mut self.line);
            }
            Err(_) => {
                self.line.extend_from_slice(b",\"name_raw\":");
                put_quoted(&base64(&entry.name), &mut self.line);
            }
        }
        if entry.size > 0 {
            self.line.extend_from_slice(format!(",\"size\":{}", entry.size).as_bytes());
        }
        self.end_line((entry.size > 0).then_some(&sum.sum()));
    }

    /// The tar has ended.
    pub(super) fn end_tar(&mut self) {
        self.end_raw();
        self.is_tail = true;
    }

    fn end_raw(&mut self) {
        let raw = std::mem::take(&mut self.raw);
        if !raw.is_empty() {
            self.line.extend_from_slice(b"{\"type\":2");
            self.end_line(Some(&raw));
        }
    }

    fn end_line(&mut self, payload: Option<&[u8]>) {
        self.line.extend_from_slice(b",\"payload\":");
        match payload {
            Some(payload) => put_quoted(&base64(payload), &mut self.line),
            None => self.line.extend_from_slice(b"null"),
        }
        self.line.extend_from_slice(format!(",\"position\":{}}}\n", self.position).as_bytes());
        self.position += 1;
        self.json_bytes += self.line.len() as u64;
        self.json.write(&self.line, &mut self.compressed);
        self.line.clear();
    }

    /// Ends the account. `is_flushed` says whether its last block ends before its end.
    pub(super) fn finish(mut self, is_flushed: bool) -> Account {
        self.end_raw();
        if is_flushed {
            self.json.flush(&mut self.compressed);
        }
        self.json.finish(&mut self.compressed);
        let digest = Sha256::digest(&self.compressed).into();
        Account { compressed: self.compressed, json_bytes: self.json_bytes, digest }
    }
}

/// CRC-64 of ISO 3309.
#[derive(Debug)]
struct Crc64(u64);

impl Default for Crc64 {
    fn default() -> Self {
        Self(!0)
    }
}

const CRC_TABLE: [u64; 256] = {
    let (mut table, mut at) = ([0; 256], 0);
    while at < 256 {
        let (mut value, mut bit) = (at as u64, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xd800_0000_0000_0000 } else { value >> 1 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

impl Crc64 {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = CRC_TABLE[usize::from(self.0 as u8 ^ byte)] ^ self.0 >> 8;
        }
    }

    fn sum(&self) -> [u8; 8] {
        (!self.0).to_be_bytes()
    }
}
