//! An image with coded files, divided into parts that are made side by side.

use std::ops::Range;

use regrow_index::{CodedStretch, Coding, DiskPiece, Index};
use regrow_local::{CodedEncoder, bytes_behind, disk_memory_bytes, has_hash_tree, piece_encoder};

use super::{STEP_BYTES, Shared};
use crate::{Location, SyncError};

/// The memory of all encoders together, unless one takes more.
const MAX_ENCODERS_BYTES: u64 = 512 << 20;
/// The least number of plain bytes of a disk image that one task makes, unless the image ends.
const DISK_TASK_BYTES: u64 = 8 << 20;

/// A part of the image, and the plain bytes that it is made from.
pub(super) struct Task<'a> {
    /// The position in the image at which the part begins.
    pub(super) image_at: u64,
    /// The range of the plain image.
    pub(super) plain: Range<u64>,
    /// The number of plain bytes behind the range that encoders look at.
    pub(super) behind: u64,
    pub(super) form: TaskForm<'a>,
}

/// The way in which a part of the image is made from its plain bytes.
pub(super) enum TaskForm<'a> {
    /// It is those bytes.
    Plain,
    /// It is some gzip members or zstd frames of a file, with what follows the last one.
    Members(&'a Coding, Range<usize>),
    /// It is some pieces of a disk image, which begin at this place of its plain image.
    Disk(&'a [DiskPiece], u64),
}

impl TaskForm<'_> {
    /// About how many bytes of memory making it takes.
    fn memory_bytes(&self) -> u64 {
        match self {
            Self::Plain => 1,
            Self::Members(coding, members) => {
                let members = coding.members[members.clone()].iter();
                let encoders =
                    members.filter_map(|member| Some((CodedEncoder::of(coding.format, member).ok()?, member)));
                let bytes = encoders.map(|(encoder, member)| encoder.memory_bytes(!member.corrections.is_empty()));
                bytes.max().unwrap_or(1)
            }
            Self::Disk(pieces, _) => disk_memory_bytes(pieces),
        }
    }
}

/// Refuses an image with an encoder that this version does not know, before anything is fetched.
pub(crate) fn check_encoders(location: &Location, index: &Index) -> Result<(), SyncError> {
    let refused = |reason| SyncError::Recipe { location: location.to_string(), reason };
    for coding in &index.codings {
        match coding {
            CodedStretch::File(file) => {
                for member in &file.members {
                    CodedEncoder::of(file.format, member).map_err(refused)?;
                }
            }
            CodedStretch::Disk(disk) => {
                for piece in &disk.pieces {
                    piece_encoder(piece).map_err(refused)?;
                }
            }
        }
    }
    Ok(())
}

/// Divides the whole image into tasks, in order. Coded stretches whose numbers are in `made`, in order, take none.
pub(super) fn tasks<'a>(shared: &Shared, index: &'a Index, made: &[usize]) -> Vec<Task<'a>> {
    let mut tasks = Tasks::default();
    for (number, (coded, coding)) in shared.target.coded().zip(&index.codings).enumerate() {
        tasks.add_plain(coded.start);
        match coding {
            _ if made.binary_search(&number).is_ok() => tasks.pass(coding.plain_bytes(), coding.stored_bytes()),
            CodedStretch::File(file) => tasks.add_file(file),
            CodedStretch::Disk(disk) => tasks.add_disk(&disk.pieces),
        }
    }
    tasks.add_plain(shared.target.plain_bytes);
    tasks.tasks
}

/// Tasks, front to back.
#[derive(Default)]
struct Tasks<'a> {
    tasks: Vec<Task<'a>>,
    /// The end of the last one in the plain image, and in the image.
    plain_at: u64,
    image_at: u64,
}

impl<'a> Tasks<'a> {
    fn add(&mut self, plain_bytes: u64, image_bytes: u64, form: TaskForm<'a>) {
        let (image_at, plain) = (self.image_at, self.plain_at..self.plain_at + plain_bytes);
        self.pass(plain_bytes, image_bytes);
        self.tasks.push(Task { image_at, plain, behind: 0, form });
    }

    /// Goes on behind bytes that no task makes.
    fn pass(&mut self, plain_bytes: u64, image_bytes: u64) {
        (self.plain_at, self.image_at) = (self.plain_at + plain_bytes, self.image_at + image_bytes);
    }

    /// Adds what is not coded, up to this place in the plain image.
    fn add_plain(&mut self, end: u64) {
        let bytes = end.saturating_sub(self.plain_at);
        if bytes > 0 {
            self.add(bytes, bytes, TaskForm::Plain);
        }
    }

    fn add_file(&mut self, coding: &'a Coding) {
        for members in runs(coding) {
            let made = &coding.members[members.clone()];
            let plain_bytes = made.iter().map(|member| member.plain_bytes).sum();
            let stored_bytes: u64 = made.iter().map(|member| member.stored_bytes(coding.format)).sum();
            let tail_bytes = if members.end == coding.members.len() { coding.tail.len() as u64 } else { 0 };
            self.add(plain_bytes, stored_bytes + tail_bytes, TaskForm::Members(coding, members));
        }
    }

    /// Adds a disk image in several tasks, so that the whole of it need not wait for chunks that arrive late.
    fn add_disk(&mut self, mut pieces: &'a [DiskPiece]) {
        // A hash tree follows from all that is before it.
        let most = if has_hash_tree(pieces) { u64::MAX } else { DISK_TASK_BYTES };
        let mut there = pieces.iter().fold(0u64, |sum, piece| sum.saturating_add(piece.plain_bytes()));
        let mut at = 0;
        while !pieces.is_empty() {
            let (mut count, mut plain_bytes, mut image_bytes) = (0, 0, 0);
            while let Some(piece) = pieces.get(count).filter(|_| plain_bytes < most) {
                (plain_bytes, image_bytes) = (plain_bytes + piece.plain_bytes(), image_bytes + piece.stored_bytes());
                count += 1;
            }
            let (now, rest) = pieces.split_at(count);
            self.add(plain_bytes, image_bytes, TaskForm::Disk(now, at));
            at += plain_bytes;
            there = there.saturating_sub(plain_bytes);
            if let Some(task) = self.tasks.last_mut() {
                task.behind = bytes_behind(now).min(there);
            }
            pieces = rest;
        }
    }
}

/// Divides a coded file's members into runs. Small ones are made one after the other, up to about a step of plain bytes,
/// since each part has its costs; a file may have thousands of them.
fn runs(coding: &Coding) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let mut bytes = 0;
        while let Some(member) =
            coding.members.get(at).filter(|member| at == start || bytes + member.plain_bytes <= STEP_BYTES)
        {
            (at, bytes) = (at + 1, bytes + member.plain_bytes);
        }
        (start < at).then_some(start..at)
    })
}

/// The number of threads that carry out tasks. Encoders with large windows take much memory, so fewer of them run side by
/// side.
pub(super) fn drivers(tasks: &[Task<'_>]) -> usize {
    let largest = tasks.iter().map(|task| task.form.memory_bytes()).max();
    let most = largest.map_or(usize::MAX, |largest| (MAX_ENCODERS_BYTES / largest.max(1)) as usize);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    cores.min(tasks.len()).min(most.max(1))
}

#[cfg(test)]
mod tests {
    use regrow_index::{CodedFormat, MemberCoding};

    use super::*;

    #[test]
    fn small_members_are_made_in_runs() {
        let member = |plain_bytes| MemberCoding {
            header: [].into(),
            encoder: [].into(),
            plain_bytes,
            stream_bytes: 1,
            corrections: Vec::new(),
        };
        let half = STEP_BYTES / 2;
        let members: Vec<_> = [9, half, 0, half, half, 3 * half, 1, 5 * half, 0].map(member).into();
        let coding = Coding { format: CodedFormat::Zstd, members, tail: [].into() };
        assert_eq!(runs(&coding).collect::<Vec<_>>(), [0..3, 3..5, 5..6, 6..7, 7..8, 8..9]);
    }
}
