//! Reads bytes that lie in many stretches of a file, in few pieces of bounded size.

use std::io;
use std::ops::Range;

use regrow_image::SkeletonPart;

/// The largest gap between two stretches that are read in one piece.
const GAP_BYTES: u64 = 16 << 10;
/// The largest piece, unless it is a single stretch. A limit is needed because a group of tiny files may lie across
/// all of an image.
const WINDOW_BYTES: u64 = 1 << 20;

/// Appends the bytes of parts to `out`. The parts must ascend in the file. `read` fills a buffer with the file's
/// bytes from an offset on.
pub(super) fn gather(
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<()>,
    parts: impl Iterator<Item = SkeletonPart>,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let mut window = Window::default();
    for part in parts {
        if let SkeletonPart::InImage(image) = &part
            && !window.takes(image)
        {
            window.flush(&mut read, out)?;
        }
        window.push(part);
    }
    window.flush(&mut read, out)
}

/// The parts that are read together.
#[derive(Default)]
struct Window {
    parts: Vec<SkeletonPart>,
    /// The stretch of the file that holds the parts.
    image: Option<Range<u64>>,
    buffer: Vec<u8>,
}

impl Window {
    fn takes(&self, next: &Range<u64>) -> bool {
        self.image.as_ref().is_none_or(|image| {
            next.start >= image.end && next.start - image.end <= GAP_BYTES && next.end - image.start <= WINDOW_BYTES
        })
    }

    fn push(&mut self, part: SkeletonPart) {
        if let SkeletonPart::InImage(next) = &part {
            let start = self.image.as_ref().map_or(next.start, |image| image.start);
            self.image = Some(start..next.end);
        }
        self.parts.push(part);
    }

    fn flush(&mut self, read: &mut impl FnMut(&mut [u8], u64) -> io::Result<()>, out: &mut Vec<u8>) -> io::Result<()> {
        let image = self.image.take().unwrap_or_default();
        let len = (image.end - image.start) as usize;
        let stretches = self.parts.iter().filter(|part| matches!(part, SkeletonPart::InImage(_))).count();
        if stretches > 1 {
            // Only bytes beyond the buffer's earlier length are cleared.
            self.buffer.resize(len, 0);
            read(&mut self.buffer, image.start)?;
        }
        for part in self.parts.drain(..) {
            match part {
                SkeletonPart::Number(bytes) => out.extend_from_slice(&bytes),
                SkeletonPart::InImage(stretch) if stretches > 1 => {
                    let start = (stretch.start - image.start) as usize;
                    out.extend_from_slice(&self.buffer[start..start + (stretch.end - stretch.start) as usize]);
                }
                SkeletonPart::InImage(stretch) => {
                    let start = out.len();
                    out.resize(start + len, 0);
                    read(&mut out[start..], stretch.start)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gathers from a file whose bytes tell their places, and returns the lengths of the reads.
    fn reads(parts: Vec<SkeletonPart>) -> Vec<usize> {
        let byte = |at: u64| (at % 251) as u8;
        let expected: Vec<u8> = parts
            .iter()
            .flat_map(|part| match part {
                SkeletonPart::Number(bytes) => bytes.clone(),
                SkeletonPart::InImage(image) => image.clone().map(byte).collect(),
            })
            .collect();
        let (mut lengths, mut out) = (Vec::new(), Vec::new());
        let read = |buffer: &mut [u8], at: u64| {
            lengths.push(buffer.len());
            (at..).zip(buffer).for_each(|(at, place)| *place = byte(at));
            Ok(())
        };
        gather(read, parts.into_iter(), &mut out).unwrap();
        assert_eq!(out, expected);
        lengths
    }

    #[test]
    fn neighbours_are_read_together() {
        let part = |at: u64, len: u64| SkeletonPart::InImage(at..at + len);
        let number = || SkeletonPart::Number(vec![1, 2]);
        assert_eq!(reads(vec![number(), part(0, 10), number(), part(20, 5), part(50_000, 7), number()]), [25, 7]);
        assert_eq!(reads(vec![number()]), [0; 0]);
        assert_eq!(reads(vec![part(7, 3 << 20), part((3 << 20) + 7, 9)]), [3 << 20, 9]);
    }

    /// For a chunk of tiny files from a whole image, each byte of the image is read once, in pieces.
    #[test]
    fn windows_are_bounded() {
        let lengths = reads((0..20_000).map(|file| SkeletonPart::InImage(file * 1024..file * 1024 + 1)).collect());
        assert!(lengths.iter().all(|&len| len as u64 <= WINDOW_BYTES), "{lengths:?}");
        assert!(lengths.iter().sum::<usize>() <= 20_000 * 1024 && lengths.len() <= 21);
    }
}
