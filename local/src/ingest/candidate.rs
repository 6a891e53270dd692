//! Handles a compressed file that may be coded, in an image that is being read.

use bytes::Bytes;
use regrow_chunker::{Cut, Cutter, StreamCutter};
use regrow_disk::Division;
use regrow_image::Candidate;
use regrow_index::{CodedFormat, CodedStretch, Coding, DiskCoding};

use super::{GzipFiles, Ingest};
use crate::LocalError;
use crate::coded::{
    Aside, DiskPlaces, DiskUnfolding, Guess, PREFIX_BYTES, PlainSpool, Proof, Starts, Unfolded, guess, prove,
};

/// The size of the pieces in which bytes that were put aside are read.
const READ_BYTES: usize = 1 << 20;
/// The smallest file that causes a warning if it stays compressed.
const WARN_BYTES: u64 = 64 << 10;
/// The limit for the corrections of all files. An index has room for 16 MiB: FORMAT.md, section 6.1.
const MAX_CORRECTIONS_BYTES: u64 = 12 << 20;
/// The limit for the literals of all zstd files, for the same reason.
const MAX_LITERAL_BYTES: u64 = 12 << 20;

/// The bytes of a candidate that are still to come.
struct Coming {
    held: Bytes,
    left: u64,
}

impl Ingest<'_, '_, '_> {
    /// Decides about a candidate, and reads it.
    pub(super) fn candidate(&mut self, candidate: Candidate) -> Result<(), LocalError> {
        let Candidate { size, held } = candidate;
        let is_image = size.is_none();
        let start = self.taken() - held.len() as u64;
        let left = size.map_or(u64::MAX, |size| size - held.len() as u64);
        let mut coming = Coming { held: held.into(), left };
        let stored = self.prefix(&mut coming)?;
        // For an image that is itself a compressed file, the size is known only if it has ended already.
        let size = size.unwrap_or(if stored.len() < PREFIX_BYTES { stored.len() as u64 } else { u64::MAX });
        let guess = guess(&stored, size, self.reading.rules);
        match (guess, self.reading.gzip_files) {
            (Guess::Coded(format), GzipFiles::Scan(_)) => self.scan(format, start, stored, coming),
            (Guess::Coded(format), GzipFiles::Prove(folder)) => {
                let mut aside = Aside::new(folder);
                aside.push(&stored)?;
                while let Some(piece) = self.next_of(&mut coming)? {
                    aside.push(&piece)?;
                }
                aside.settle()?;
                self.watch.missing = if is_image { 0 } else { coming.left };
                self.prove(format, (start, size), is_image, &aside)
            }
            (guess, _) => {
                match guess {
                    Guess::NotRebuilt(format, reason) if !(is_image && self.has_told) => {
                        self.warn_opaque(format, start, size, &reason);
                    }
                    _ => {}
                }
                self.hashing.splitter.decline();
                if is_image {
                    self.begin_compressed(&stored);
                }
                self.watch_more(&stored);
                // The rest of the file comes later, like the bytes of any other file.
                self.push_all(stored.into())
            }
        }
    }

    /// The first bytes of a candidate, as many as are looked at.
    fn prefix(&mut self, coming: &mut Coming) -> Result<Vec<u8>, LocalError> {
        let mut stored = Vec::new();
        while stored.len() < PREFIX_BYTES {
            let most = (PREFIX_BYTES - stored.len()) as u64;
            let left = coming.left;
            coming.left = left.min(most);
            let asked = coming.left;
            let piece = self.next_of(coming)?;
            coming.left = left - (asked - coming.left);
            match piece {
                Some(piece) => stored.extend_from_slice(&piece),
                None => break,
            }
        }
        Ok(stored)
    }

    /// The next bytes of a candidate.
    fn next_of(&mut self, coming: &mut Coming) -> Result<Option<Bytes>, LocalError> {
        if !coming.held.is_empty() {
            return Ok(Some(std::mem::take(&mut coming.held)));
        }
        if coming.left == 0 {
            return Ok(None);
        }
        let piece = self.next_piece(coming.left)?;
        coming.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }

    pub(super) fn push_all(&mut self, piece: Bytes) -> Result<(), LocalError> {
        self.hashing.push(piece).map(|_| ())
    }

    /// Begins to keep the plain bytes of a coded file in a seed, which begins here in the plain image.
    fn begin_spooling(&mut self, plain_at: u64) {
        let folder = self.reading.scratch();
        self.spool.get_or_insert_with(|| PlainSpool::new(folder));
        self.spool_at = plain_at;
    }

    /// Takes in plain bytes of a coded file. `is_scan` says whether it is in a seed, where they are read again.
    pub(super) fn push_plain(&mut self, piece: Bytes, is_scan: bool) -> Result<(), LocalError> {
        if let Some(spool) = self.spool.as_mut().filter(|_| is_scan) {
            spool.keep(self.spool_at, &piece);
            self.spool_at += piece.len() as u64;
        }
        self.push_all(piece)
    }

    /// Reads a file in uncompressed form, and gathers points. The part that does not inflate is left out. That does
    /// no harm, since chunks from a seed are verified before they are used.
    fn scan(&mut self, format: CodedFormat, start: u64, stored: Vec<u8>, mut coming: Coming) -> Result<(), LocalError> {
        let plain_start = self.hashing.splitter.plain_bytes();
        // The file's compressed form is cut too. Make keeps the file in that form if it cannot rebuild it.
        let mut opaque =
            OpaqueCutter { cutter: Cutter::new(self.reading.params), stream: StreamCutter::default(), at: start };
        self.hashing.begin_coded()?;
        self.begin_spooling(plain_start);
        let mut next = Some(Bytes::from(stored));
        let mut points = self.unfold(format, true, &mut |ingest| {
            let Some(piece) = next.take() else { return Ok(None) };
            opaque.push(&piece, &mut ingest.hashing.opaque_cut);
            next = ingest.next_of(&mut coming)?;
            Ok(Some(piece))
        })?;
        opaque.finish(&mut self.hashing.opaque_cut);
        self.hashing.end_coded()?;
        let plain = plain_start..self.hashing.splitter.plain_bytes();
        points.retain(|point| point.plain_at < plain.end - plain.start);
        self.unfolded.push(Unfolded { stored: start..self.taken(), plain, starts: Starts::Points(format, points) });
        Ok(())
    }

    /// Reads a disk image with compressed blocks as its plain image. `coding` says how it is made from that, if it is made.
    pub(super) fn disk(&mut self, division: &Division, coding: Option<DiskCoding>) -> Result<(), LocalError> {
        // As of a gzip file, the compressed form of a seed is cut too.
        let mut opaque = coding.is_none().then(|| OpaqueCutter {
            cutter: Cutter::new(self.reading.params),
            stream: StreamCutter::default(),
            at: 0,
        });
        let mut unfolding = DiskUnfolding::new(self.reading.pool, &division.pieces);
        self.hashing.begin_coded()?;
        while let Some(piece) = self.next_piece(u64::MAX)? {
            match &mut opaque {
                Some(opaque) => opaque.push(&piece, &mut self.hashing.opaque_cut),
                None => self.hashing.push_stored(&piece)?,
            }
            unfolding.push(piece, &mut |plain| self.push_all(plain))?;
        }
        opaque.iter_mut().for_each(|opaque| opaque.finish(&mut self.hashing.opaque_cut));
        let hashes = unfolding.finish(&mut |plain| self.push_all(plain))?;
        self.hashing.end_coded()?;
        match coding {
            Some(coding) => self.codings.push(coding.into()),
            None => self.unfolded.extend(DiskPlaces::of(&division.pieces).map(|places| Unfolded {
                stored: 0..self.bytes,
                plain: 0..self.hashing.splitter.plain_bytes(),
                starts: Starts::Blocks(places.with_hashes(hashes)),
            })),
        }
        Ok(())
    }

    /// Reads a file that was put aside in uncompressed form, if it can be rebuilt from that.
    fn prove(
        &mut self,
        format: CodedFormat,
        (start, size): (u64, u64),
        is_image: bool,
        aside: &Aside,
    ) -> Result<(), LocalError> {
        let keep = |ingest: &mut Self, reason| ingest.keep(format, (start, size), is_image, aside, reason);
        let (proof, plain) = prove(aside, format, self.reading.pool)?;
        match proof {
            Proof::Exact(coding) if self.corrections_bytes() + corrections_of(&coding) > MAX_CORRECTIONS_BYTES => {
                keep(self, "the image's other coded files need all the corrections that an index may have")
            }
            Proof::Exact(coding) if self.literal_bytes() + literals_of(&coding) > MAX_LITERAL_BYTES => {
                keep(self, "the image's other coded files need all the literals that an index may have")
            }
            Proof::Exact(coding) => {
                self.codings.push(coding.into());
                self.hashing.begin_coded()?;
                match plain {
                    Some(plain) => self.push_both(aside, &plain)?,
                    None => {
                        let mut pieces = Pieces::of(aside);
                        self.unfold(format, false, &mut |ingest| {
                            let piece = pieces.next_piece()?;
                            piece.iter().try_for_each(|piece| ingest.hashing.push_stored(piece))?;
                            Ok(piece)
                        })?;
                    }
                }
                self.watch.held = is_image.then(|| self.hashing.splitter.ending());
                self.hashing.end_coded()
            }
            Proof::Impossible(reason) => keep(self, reason),
        }
    }

    /// Keeps a file that was put aside in its compressed form.
    fn keep(
        &mut self,
        format: CodedFormat,
        (start, size): (u64, u64),
        is_image: bool,
        aside: &Aside,
        reason: &str,
    ) -> Result<(), LocalError> {
        self.warn_opaque(format.name(), start, size.min(aside.bytes()), reason);
        self.hashing.splitter.decline();
        let (mut is_first, mut pieces) = (is_image, Pieces::of(aside));
        while let Some(piece) = pieces.next_piece()? {
            if std::mem::take(&mut is_first) {
                self.begin_compressed(&piece);
            }
            self.watch_more(&piece);
            self.push_all(piece)?;
        }
        Ok(())
    }

    /// Reads a file that was put aside, as its plain bytes were.
    fn push_both(&mut self, aside: &Aside, plain: &Aside) -> Result<(), LocalError> {
        let (mut stored_pieces, mut plain_pieces) = (Pieces::of(aside), Pieces::of(plain));
        // Both go to other threads, and neither shall wait for the other's end.
        let share = (plain.bytes() / aside.bytes().max(1)).max(1);
        loop {
            let piece = stored_pieces.next_piece()?;
            piece.iter().try_for_each(|piece| self.hashing.push_stored(piece))?;
            let most = if piece.is_some() { share } else { u64::MAX };
            for _ in 0..most {
                let Some(piece) = plain_pieces.next_piece()? else { break };
                self.push_all(piece)?;
            }
            if piece.is_none() {
                return Ok(());
            }
        }
    }

    fn corrections_bytes(&self) -> u64 {
        self.codings.iter().filter_map(CodedStretch::file).map(corrections_of).sum()
    }

    fn literal_bytes(&self) -> u64 {
        self.codings.iter().filter_map(CodedStretch::file).map(literals_of).sum()
    }

    /// Warns the maker of an image about a file that is kept in compressed form.
    fn warn_opaque(&self, kind: &str, start: u64, size: u64, reason: &str) {
        if self.reading.is_made() && size >= WARN_BYTES {
            let size = if size == u64::MAX { String::new() } else { format!(" of {size} bytes") };
            self.reading.progress.warn(&format!(
                "{}: the {kind} file{size} at byte {start} is kept as it is, since {reason}: \
                 an update fetches most of it again, while uncompressed layers do better",
                self.input.name.display()
            ));
        }
    }
}

fn corrections_of(coding: &Coding) -> u64 {
    coding.members.iter().map(|member| member.corrections.len() as u64).sum()
}

/// The literals of a zstd file. Those of gzip files are few, or shared: the headers of many members are alike.
fn literals_of(coding: &Coding) -> u64 {
    match coding.format {
        CodedFormat::Gzip => 0,
        CodedFormat::Zstd => {
            let headers = coding.members.iter().map(|member| member.header.len() as u64);
            headers.sum::<u64>() + coding.tail.len() as u64
        }
    }
}

/// The pieces of bytes that were put aside.
struct Pieces<'a> {
    aside: &'a Aside,
    at: u64,
}

impl<'a> Pieces<'a> {
    fn of(aside: &'a Aside) -> Self {
        Self { aside, at: 0 }
    }

    fn next_piece(&mut self) -> Result<Option<Bytes>, LocalError> {
        let mut piece = vec![0; READ_BYTES];
        let read = self.aside.read_at(self.at, &mut piece).map_err(LocalError::io("temporary file"))?;
        piece.truncate(read);
        self.at += read as u64;
        Ok((read > 0).then(|| piece.into()))
    }
}

/// Cuts a file like any contents.
struct OpaqueCutter {
    cutter: Cutter,
    stream: StreamCutter,
    /// The offset of the next chunk.
    at: u64,
}

impl OpaqueCutter {
    fn push(&mut self, piece: &Bytes, chunks: &mut Vec<(Bytes, u64)>) {
        let Self { cutter, stream, at } = self;
        stream.push(cutter, piece, |cut| add(cut, piece, at, chunks));
    }

    fn finish(&mut self, chunks: &mut Vec<(Bytes, u64)>) {
        let Self { cutter, stream, at } = self;
        stream.finish(cutter, |cut| add(cut, &Bytes::new(), at, chunks));
    }
}

fn add(cut: Cut<'_>, piece: &Bytes, at: &mut u64, chunks: &mut Vec<(Bytes, u64)>) {
    let bytes = match cut {
        Cut::Gathered(bytes) => Bytes::copy_from_slice(bytes),
        Cut::InPiece(range) => piece.slice(range),
    };
    let len = bytes.len() as u64;
    chunks.push((bytes, *at));
    *at += len;
}
