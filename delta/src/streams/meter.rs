//! Counts what parts of the target cost in the coding by streams.
//!
//! LZMA does not say what a byte cost. So each stream is compressed a second time, with a flush at the ends of parts.
//! That tells what each part adds to what came before it, and the bytes of the real stream are divided by it.

use super::STREAMS;
use super::packer::Packer;
use crate::error::DeltaError;
use crate::meter::Shares;

/// Neighbouring parts are measured together until they have this many bytes, because each flush costs some bytes.
/// A part that has as many is measured alone.
const GROUP_BYTES: usize = 4 << 10;

/// A counter of costs, by parts of the target.
pub(crate) struct StreamMeter {
    pub(crate) shares: Shares,
    packers: [Packer; STREAMS],
    /// The bytes of each stream in the unfinished block: the part that they belong to, and how many they are.
    runs: [Vec<(usize, usize)>; STREAMS],
    /// The sum of those numbers of bytes.
    noted: [usize; STREAMS],
}

impl StreamMeter {
    pub(super) fn new(ends: Vec<u64>, level: u8) -> Result<Self, DeltaError> {
        let (runs, noted) = (Default::default(), [0; STREAMS]);
        Ok(Self { shares: Shares::new(ends), packers: Packer::for_all(level)?, runs, noted })
    }

    /// Notes that all bytes of a stream that were not noted yet belong to this byte of the target. The block has `len`
    /// bytes of the stream so far.
    pub(super) fn note(&mut self, stream: usize, target_at: u64, len: usize) {
        let part = self.shares.part_of(target_at);
        self.add(stream, part, len.saturating_sub(self.noted[stream]));
    }

    /// Notes literals that make the target from there on.
    pub(super) fn note_literals(&mut self, stream: usize, mut target_at: u64, mut len: usize) {
        while len > 0 {
            let part = self.shares.part_of(target_at);
            let room = self.shares.end_of(target_at).map_or(u64::MAX, |end| end - target_at);
            let now = usize::try_from(room).unwrap_or(len).clamp(1, len);
            self.add(stream, part, now);
            (target_at, len) = (target_at + now as u64, len - now);
        }
    }

    fn add(&mut self, stream: usize, part: usize, len: usize) {
        self.noted[stream] += len;
        match self.runs[stream].last_mut() {
            Some((last, bytes)) if *last == part => *bytes += len,
            _ if len == 0 => {}
            _ => self.runs[stream].push((part, len)),
        }
    }

    /// Divides the packed bytes of a stream of a block among the parts.
    pub(super) fn block(&mut self, stream: usize, plain: &[u8], packed: usize) -> Result<(), DeltaError> {
        let runs = std::mem::take(&mut self.runs[stream]);
        self.noted[stream] = 0;
        let (mut costs, mut out, mut at) = (Vec::with_capacity(runs.len()), Vec::new(), 0);
        let mut rest = runs.as_slice();
        while !rest.is_empty() {
            let (group, later) = rest.split_at(group(rest));
            let bytes: usize = group.iter().map(|(_, len)| len).sum();
            out.clear();
            self.packers[stream].pack(plain.get(at..at + bytes).unwrap_or_default(), &mut out)?;
            costs.extend(group.iter().map(|&(part, len)| (part, out.len() as f64 * len as f64 / bytes.max(1) as f64)));
            (rest, at) = (later, at + bytes);
        }
        let total: f64 = costs.iter().map(|(_, cost)| cost).sum();
        for (part, cost) in costs {
            self.shares.add(part, cost / total.max(f64::MIN_POSITIVE) * packed as f64);
        }
        Ok(())
    }
}

/// The number of runs that are measured together.
fn group(runs: &[(usize, usize)]) -> usize {
    let mut bytes = 0;
    for (number, (_, len)) in runs.iter().enumerate() {
        if number > 0 && (bytes >= GROUP_BYTES || *len >= GROUP_BYTES) {
            return number;
        }
        bytes += len;
    }
    runs.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_are_measured_together() {
        let groups = |lens: &[usize]| group(&lens.iter().map(|&len| (0, len)).collect::<Vec<_>>());
        assert_eq!(groups(&[1, 2, 3]), 3);
        assert_eq!(groups(&[1, 2, GROUP_BYTES, 1]), 2);
        assert_eq!(groups(&[GROUP_BYTES, 1]), 1);
        assert_eq!(groups(&[GROUP_BYTES - 1, 1, 1]), 2);
    }
}
