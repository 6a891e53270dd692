//! Makes coded files on a thread of its own while the patch still makes the plain image. They go straight to their places
//! in the image, and count only if the patch turns out to have made the right bytes.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use bytes::Bytes;
use regrow_index::{CodedStretch, Coding, Index};
use regrow_local::{CodedEncoder, LocalError, PlainPiece, PlainSource, Pool, spawn_scoped};

use crate::SyncError;
use crate::flows::extract::assemble::CodedFile;
use crate::flows::extract::output::OutputFile;

/// The most pieces that wait for the encoder. Each has 1 MiB at most.
const PIECES_WAITING: usize = 16;

/// The things that are needed to make coded files while their plain bytes arrive.
pub(super) struct Ahead<'a> {
    pool: &'a Pool,
    output: &'a OutputFile,
    image_bytes: u64,
    codings: &'a [CodedStretch],
}

/// What the encoder's thread is given.
enum Fed {
    /// A coded stretch with this number begins at this place of the plain image.
    Begin(usize, u64),
    Bytes(Bytes),
    End,
}

impl<'a> Ahead<'a> {
    /// Prepares to make the coded files of an image. The result is `None` if that gains nothing, or if the output can take
    /// them only later.
    pub(super) fn of(
        pool: &'a Pool,
        output: &'a OutputFile,
        index: &Index,
        codings: &'a [CodedStretch],
    ) -> Option<Self> {
        let gains = output.takes_coded_files_early() && is_worth_it(codings);
        gains.then_some(Self { pool, output, image_bytes: index.image_bytes, codings })
    }

    fn encode(&self, arriving: &Receiver<Fed>) -> Vec<usize> {
        let mut made = Vec::new();
        while let Ok(fed) = arriving.recv() {
            // Other pieces are those of a stretch that was given up.
            if let Fed::Begin(number, plain_at) = fed
                && self.encode_stretch(number, plain_at, arriving).is_ok()
            {
                made.push(number);
            }
        }
        made
    }

    /// Makes one stretch. If that fails, for whatever reason, it is made later, and the reason is told then.
    fn encode_stretch(&self, number: usize, plain_at: u64, arriving: &Receiver<Fed>) -> Result<(), SyncError> {
        let unfit = || self.output.wrong_digest();
        let coding = self.codings.get(number).filter(|coding| coding.file().is_some()).ok_or_else(unfit)?;
        let mut at = self.image_at(number, plain_at).ok_or_else(unfit)?;
        let mut put = |bytes: &[u8]| {
            self.output.write_early(at, bytes)?;
            at += bytes.len() as u64;
            Ok(())
        };
        let mut file = CodedFile::new(self.pool, coding, &unfit);
        loop {
            match arriving.recv() {
                Ok(Fed::Bytes(bytes)) => file.write(&bytes, &mut put)?,
                Ok(Fed::End) => return file.finish(&mut put),
                Ok(Fed::Begin(..)) | Err(_) => return Err(unfit()),
            }
        }
    }

    /// The place in the image of a coded stretch that begins here in the plain image, if the image has room for it.
    fn image_at(&self, number: usize, plain_at: u64) -> Option<u64> {
        let (before, coding) = (self.codings.get(..number)?, self.codings.get(number)?);
        let plain_before = before.iter().map(CodedStretch::plain_bytes).sum::<u64>();
        let stored_before = before.iter().map(CodedStretch::stored_bytes).sum::<u64>();
        let at = plain_at.checked_sub(plain_before)?.checked_add(stored_before)?;
        let end = at.checked_add(coding.stored_bytes())?;
        (end <= self.image_bytes).then_some(at)
    }
}

/// Has `read` read the plain image of a patch, while its coded files are made `ahead`. Besides what `read` returns, the
/// result are the numbers of the coded stretches that were made.
///
/// # Errors
/// The system gives no thread.
pub(super) fn read_and_encode<'scope, T>(
    ahead: Option<&'scope Ahead<'_>>,
    scope: &'scope Scope<'scope, '_>,
    mut source: impl PlainSource,
    read: &mut dyn FnMut(&mut dyn PlainSource) -> T,
) -> Result<(T, Vec<usize>), LocalError> {
    let Some(ahead) = ahead else { return Ok((read(&mut source), Vec::new())) };
    let (sender, arriving) = sync_channel(PIECES_WAITING);
    let encoding = spawn_scoped(scope, move || ahead.encode(&arriving))?;
    let mut feeder = Feeder { source, sender: Some(sender), begun: 0, in_coded: false, plain_at: 0 };
    let came = read(&mut feeder);
    // The encoder ends when nothing more can come, and so does a decoder whose bytes nobody takes.
    drop(feeder);
    Ok((came, encoding.join().unwrap_or_default()))
}

/// Whether encoding these files while they arrive, one after the other, takes less time than encoding them side by side
/// later. It does if their encoders keep pace with the patch, or if one file is most of the work in any case.
fn is_worth_it(codings: &[CodedStretch]) -> bool {
    let files = || codings.iter().filter_map(CodedStretch::file);
    let all = files().map(Coding::plain_bytes).sum::<u64>();
    let largest = files().map(Coding::plain_bytes).max().unwrap_or(0);
    largest > all / 3 * 2 || files().all(keeps_pace)
}

fn keeps_pace(coding: &Coding) -> bool {
    let encoders = coding.members.iter().map(|member| CodedEncoder::of(coding.format, member));
    encoders.into_iter().all(|encoder| encoder.is_ok_and(CodedEncoder::is_fast))
}

/// Gives a plain image on, and its coded files to an encoder.
pub(super) struct Feeder<S> {
    source: S,
    sender: Option<SyncSender<Fed>>,
    /// The number of coded stretches that have begun.
    begun: usize,
    in_coded: bool,
    plain_at: u64,
}

impl<S> Feeder<S> {
    fn feed(&mut self, fed: Fed) {
        // An encoder that has gone is done without.
        if self.sender.as_ref().is_some_and(|sender| sender.send(fed).is_err()) {
            self.sender = None;
        }
    }
}

impl<S: PlainSource> PlainSource for Feeder<S> {
    fn next(&mut self) -> Result<Option<PlainPiece>, LocalError> {
        let piece = self.source.next()?;
        match &piece {
            Some(PlainPiece::BeginCoded) => {
                self.in_coded = true;
                self.feed(Fed::Begin(self.begun, self.plain_at));
                self.begun += 1;
            }
            Some(PlainPiece::EndCoded) => {
                self.in_coded = false;
                self.feed(Fed::End);
            }
            Some(PlainPiece::Bytes(bytes)) => {
                self.plain_at += bytes.len() as u64;
                if self.in_coded {
                    self.feed(Fed::Bytes(bytes.clone()));
                }
            }
            Some(PlainPiece::Part { bytes, .. }) => self.plain_at += bytes,
            Some(PlainPiece::Divided(_)) | None => {}
        }
        Ok(piece)
    }
}
