//! The stretches of a plain image, gathered front to back. docs/format/disk.md, section 2.

use crate::{Stretch, StretchKind};

/// The least number of bytes of a file's or the file system's stretch that no skeleton bytes follow.
const MIN_ALONE_BYTES: u64 = 512;
/// The least number of bytes of such a stretch together with the skeleton bytes that follow it.
const MIN_WITH_SKELETON_BYTES: u64 = 1024;

/// Gathers the stretches of a plain image.
///
/// Whoever reads a file system pushes what it finds, whatever its length. Neighbours that belong together are joined.
/// Stretches that are too short become part of the skeleton, so that the number of stretches is bounded by the size of
/// the plain image (FORMAT.md, section 11).
///
/// ```
/// use regrow_disk::{Stretch, StretchKind, StretchList};
///
/// let mut list = StretchList::default();
/// list.push(2048, StretchKind::System);
/// list.push(2048, StretchKind::System);
/// list.push(700, StretchKind::File(0));
/// list.push(324, StretchKind::Skeleton);
/// list.push(100, StretchKind::File(1));
/// let stretches = list.finish();
/// let found: Vec<_> = stretches.iter().map(|stretch| (stretch.bytes, stretch.kind)).collect();
/// assert_eq!(found, [(4096, StretchKind::System), (700, StretchKind::File(0)), (424, StretchKind::Skeleton)]);
/// ```
#[derive(Debug, Default)]
pub struct StretchList {
    stretches: Vec<Stretch>,
    bytes: u64,
}

impl StretchList {
    /// Adds the next bytes of the plain image.
    pub fn push(&mut self, bytes: u64, kind: StretchKind) {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.stretches.last_mut() {
            _ if bytes == 0 => {}
            Some(last) if last.kind == kind => last.bytes = last.bytes.saturating_add(bytes),
            _ => self.stretches.push(Stretch { bytes, kind }),
        }
    }

    /// The number of bytes that were pushed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of stretches so far, before those that are too short are joined.
    #[must_use]
    pub fn count(&self) -> usize {
        self.stretches.len()
    }

    /// Gives the stretches, none of which is too short.
    #[must_use]
    pub fn finish(self) -> Vec<Stretch> {
        // From the end to the beginning, since what follows a stretch decides.
        let (mut out, mut skeleton_bytes) = (Vec::new(), 0);
        for stretch in self.stretches.into_iter().rev() {
            let least = if skeleton_bytes == 0 { MIN_ALONE_BYTES } else { MIN_WITH_SKELETON_BYTES };
            let whole = stretch.bytes.saturating_add(skeleton_bytes);
            if stretch.kind == StretchKind::Skeleton || whole < least {
                skeleton_bytes = whole;
                continue;
            }
            push_skeleton(&mut out, std::mem::take(&mut skeleton_bytes));
            out.push(stretch);
        }
        push_skeleton(&mut out, skeleton_bytes);
        out.reverse();
        out.shrink_to_fit();
        out
    }
}

fn push_skeleton(out: &mut Vec<Stretch>, bytes: u64) {
    out.extend((bytes > 0).then_some(Stretch { bytes, kind: StretchKind::Skeleton }));
}

#[cfg(test)]
mod tests {
    use StretchKind::{File, Skeleton, System};

    use super::*;

    fn joined(pushed: &[(u64, StretchKind)]) -> Vec<(u64, StretchKind)> {
        let mut list = StretchList::default();
        pushed.iter().for_each(|&(bytes, kind)| list.push(bytes, kind));
        assert_eq!(list.bytes(), pushed.iter().map(|(bytes, _)| bytes).sum::<u64>());
        list.finish().into_iter().map(|stretch| (stretch.bytes, stretch.kind)).collect()
    }

    #[test]
    fn neighbours_that_belong_together_are_joined() {
        assert_eq!(joined(&[]), []);
        assert_eq!(joined(&[(0, System)]), []);
        assert_eq!(joined(&[(600, File(1)), (600, File(1)), (600, File(2))]), [(1200, File(1)), (600, File(2))]);
        assert_eq!(joined(&[(600, System), (0, Skeleton), (600, System)]), [(1200, System)]);
    }

    #[test]
    fn short_stretches_become_skeleton() {
        for (pushed, expected) in [
            (vec![(511, File(0))], vec![(511, Skeleton)]),
            (vec![(512, File(0))], vec![(512, File(0))]),
            // A file that fills up its block by itself, and others that do not.
            (vec![(1, File(0)), (1023, Skeleton)], vec![(1, File(0)), (1023, Skeleton)]),
            (vec![(900, File(0)), (123, Skeleton)], vec![(1023, Skeleton)]),
            // The second one becomes skeleton, and with it the first one is too short.
            (vec![(600, File(0)), (300, File(1))], vec![(900, Skeleton)]),
            (vec![(800, File(0)), (300, File(1))], vec![(800, File(0)), (300, Skeleton)]),
            (
                vec![(110, Skeleton), (40, File(0)), (2, Skeleton), (5000, File(1))],
                vec![(152, Skeleton), (5000, File(1))],
            ),
        ] {
            assert_eq!(joined(&pushed), expected, "{pushed:?}");
        }
    }

    /// The bound of operations that readers check (FORMAT.md, section 11) holds, whatever is pushed.
    #[test]
    fn the_number_of_stretches_follows_from_the_bytes() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..200 {
            let most = [2, 40, 600, 1030][round % 4];
            let pushed: Vec<_> =
                (0..3000).map(|number| (random(most), [File(number), System, Skeleton][random(3) as usize])).collect();
            let bytes: u64 = pushed.iter().map(|(bytes, _)| bytes).sum();
            let found = joined(&pushed);
            assert!(found.len() as u64 <= 2 + bytes / 512, "{} stretches of {bytes} bytes", found.len());
            assert_eq!(found.iter().map(|(bytes, _)| bytes).sum::<u64>(), bytes);
        }
    }
}
