//! Which bytes of a plain image which file claims. docs/format/disk.md, section 2.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::{DiskError, DiskFile, DiskKind, FileRun, StretchKind, StretchList};

/// A claim for each of this many bytes of the plain image is allowed.
const BYTES_EACH: u64 = 32;
/// The number of claims that any image may have on top of that.
const SPARE_CLAIMS: u64 = 4096;

/// Fewer bytes that nobody claims are skeleton, such as those between inodes.
const MIN_SYSTEM_BYTES: u64 = 4096;

/// Claims on bytes of a plain image, in the order in which they were made. A byte belongs to the first claim on it.
#[derive(Debug)]
pub(crate) struct Claims {
    kind: DiskKind,
    /// The bytes that can be claimed.
    bytes: u64,
    most: u64,
    claims: Vec<Claim>,
    /// The size of each file, and its runs.
    files: Vec<(u64, Vec<FileRun>)>,
    /// The number of all runs.
    runs: u64,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    at: u64,
    end: u64,
    kind: StretchKind,
}

impl Claims {
    pub(crate) fn new(kind: DiskKind, bytes: u64) -> Self {
        Self { kind, bytes, most: bytes / BYTES_EACH + SPARE_CLAIMS, claims: Vec::new(), files: Vec::new(), runs: 0 }
    }

    /// Claims bytes. Neighbours that belong together become one claim.
    pub(crate) fn push(&mut self, at: u64, bytes: u64, kind: StretchKind) -> Result<(), DiskError> {
        let end = at.checked_add(bytes).filter(|&end| end <= self.bytes);
        let end = end.ok_or(DiskError::Damaged { kind: self.kind, what: "bytes behind the end of the image" })?;
        let full = self.claims.len() as u64 >= self.most;
        match self.claims.last_mut() {
            _ if bytes == 0 => return Ok(()),
            Some(last) if last.end == at && last.kind == kind => last.end = end,
            _ if full => {
                return Err(DiskError::TooLarge { kind: self.kind, limit: self.most, what: "pieces of files" });
            }
            _ => self.claims.push(Claim { at, end, kind }),
        }
        Ok(())
    }

    /// Begins the next file, which has this many bytes. Files are begun in the order of their numbers.
    pub(crate) fn begin_file(&mut self, bytes: u64) {
        self.files.push((bytes, Vec::new()));
    }

    /// Claims bytes of the file that was begun last, which begin at `file_at` in it. They follow those that it claimed
    /// before.
    pub(crate) fn push_file(&mut self, file_at: u64, at: u64, bytes: u64) -> Result<(), DiskError> {
        self.claim_file(at, bytes)?;
        self.tell_run(file_at, at, bytes);
        Ok(())
    }

    /// Claims bytes of the file that was begun last, and does not tell where they are in it.
    pub(crate) fn claim_file(&mut self, at: u64, bytes: u64) -> Result<(), DiskError> {
        let number = self.files.len().saturating_sub(1) as u32;
        self.push(at, bytes, StretchKind::File(number))
    }

    /// Tells where bytes are of the file that was begun last, behind those that were told before, and does not claim them.
    pub(crate) fn tell_run(&mut self, file_at: u64, at: u64, bytes: u64) {
        if let Some((_, runs)) = self.files.last_mut().filter(|_| self.runs <= self.most) {
            let before = runs.len();
            FileRun { file_at, plain_at: at, bytes }.add(runs);
            self.runs += (runs.len() - before) as u64;
        }
    }

    /// Gives the files their runs, unless there are more of them than there may be claims.
    pub(crate) fn give_runs(&mut self, files: &mut [DiskFile]) {
        let begun = std::mem::take(&mut self.files);
        if self.runs > self.most || begun.len() != files.len() {
            return;
        }
        for (file, (bytes, runs)) in files.iter_mut().zip(begun) {
            // Whatever the tables say, runs follow each other and end where the file does.
            let ends = runs.iter().map(|run| (run.file_at, run.file_at.checked_add(run.bytes)));
            let ascend = ends.scan(0, |at, (start, end)| Some(start >= std::mem::replace(at, end?))).all(|fits| fits);
            let is_within = runs.last().is_none_or(|last| last.file_at.saturating_add(last.bytes) <= bytes);
            if ascend && is_within {
                (file.bytes, file.runs) = (bytes, runs);
            }
        }
    }

    /// The plain image front to back. What nobody claims is the file system's, or skeleton if it is short.
    pub(crate) fn into_stretches(self) -> StretchList {
        let claims = &self.claims;
        let mut by_start: Vec<usize> = (0..claims.len()).collect();
        by_start.sort_by_key(|&number| claims[number].at);
        let mut starts = by_start.into_iter().peekable();
        let (mut list, mut at) = (StretchList::default(), 0);
        // The claims that have begun, the first one on top.
        let mut open = BinaryHeap::new();
        while at < self.bytes {
            while let Some(number) = starts.next_if(|&number| claims[number].at <= at) {
                open.push(Reverse(number));
            }
            while open.peek().is_some_and(|&Reverse(number)| claims[number].end <= at) {
                open.pop();
            }
            let next = starts.peek().map_or(self.bytes, |&number| claims[number].at);
            let (end, kind) = match open.peek() {
                Some(&Reverse(number)) => (claims[number].end.min(next), claims[number].kind),
                None if next - at < MIN_SYSTEM_BYTES => (next, StretchKind::Skeleton),
                None => (next, StretchKind::System),
            };
            list.push(end - at, kind);
            at = end;
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use StretchKind::{File, Skeleton, System};

    use super::*;

    /// The owner of each byte, found slowly.
    fn slowly(bytes: u64, claims: &[(u64, u64, StretchKind)]) -> StretchList {
        let owner = |at| claims.iter().find(|&&(start, len, _)| (start..start + len).contains(&at));
        let owners: Vec<_> = (0..bytes).map(|at| owner(at).map(|&(_, _, kind)| kind)).collect();
        let mut list = StretchList::default();
        for same in owners.chunk_by(|a, b| a == b) {
            let unclaimed = if same.len() < 4096 { Skeleton } else { System };
            list.push(same.len() as u64, same[0].unwrap_or(unclaimed));
        }
        list
    }

    #[test]
    fn a_byte_belongs_to_the_first_claim_on_it() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..300 {
            let bytes = 20_000;
            let made: Vec<_> = (0..round % 40)
                .map(|number| {
                    let at = random(bytes);
                    let kind = [File(number as u32), File(number as u32), System, Skeleton][random(4) as usize];
                    (at, random(bytes - at + 1) / (1 + random(9)), kind)
                })
                .collect();
            let mut claims = Claims::new(DiskKind::Ext, bytes);
            made.iter().for_each(|&(at, len, kind)| claims.push(at, len, kind).expect("within"));
            assert_eq!(claims.into_stretches().finish(), slowly(bytes, &made).finish(), "{made:?}");
        }
    }

    #[test]
    fn claims_are_bounded() {
        let mut claims = Claims::new(DiskKind::Ext, 1000);
        assert!(claims.push(900, 101, System).is_err());
        assert!(claims.push(u64::MAX, 2, System).is_err());
        let tried = (0..10_000).map(|number| claims.push(0, 10, File(number))).find(Result::is_err);
        assert!(matches!(tried, Some(Err(DiskError::TooLarge { limit: 4127, .. }))));
    }
}
