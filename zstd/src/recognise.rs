//! Which known encoder wrote a frame.

mod similar;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use similar::{Sample, Speed, WHOLE};

use crate::beginning::Beginning;
use crate::encoders::{KnownEncoder, Reencoder};
use crate::klauspost::{Level, candidates};
use crate::libzstd::{self, Family, Libzstd};

/// The plain bytes that an encoder is given before the frame it makes of them is compared.
const PIECE_BYTES: usize = 64 << 10;
/// An encoder is tried if it finds this part of the matches in a sample, in thousandths.
const SAME_SHARE: u32 = 8 * WHOLE / 10;
/// An encoder may come near to a frame from here on.
const SIMILAR_SHARE: u32 = 7 * WHOLE / 10;
/// Slow levels are not looked at if another one finds this part.
const CLOSE_SHARE: u32 = 98 * WHOLE / 100;
/// An encoder nearly makes a frame if it finds this part of the matches, in thousandths, among the first plain bytes.
const NEAR_SHARE: u32 = 7 * WHOLE / 8;
const NEAR_BYTES: usize = 256 << 10;
/// Frames with a window from this on may be made by long distance matching.
const LONG_WINDOW_BYTES: u64 = 1 << 27;
/// The number of levels that are looked at more closely.
const NEAR_LEVELS: usize = 4;

impl Beginning<'_> {
    /// The known encoders that may have written the frame, the likelier ones first.
    ///
    /// Each candidate is tried when it is asked for: it encodes the beginning and is dropped at the first byte that
    /// differs. Those that are given fit so far; only encoding all of the plain bytes proves it.
    pub fn encoders(&self) -> impl Iterator<Item = KnownEncoder> + '_ {
        // Long distance matching, with its large windows, takes the place of a level's own matches.
        let is_long = self.header.window >= LONG_WINDOW_BYTES;
        let sample = Rc::new(if is_long { None } else { Sample::of(self, None) });
        let quick = self.levels(&sample, Speed::Quick);
        let klauspost: Vec<Level> = match &*sample {
            None => Level::ALL.to_vec(),
            Some(sample) => of_share(sample.klauspost_levels(), SAME_SHARE),
        };
        let libzstd = |levels| {
            let known = libzstd::recognise(self.header, self.stored, &self.plain, self.is_whole, levels);
            known.map(KnownEncoder::Libzstd)
        };
        let klauspost = candidates(self, klauspost).map(KnownEncoder::Klauspost).filter(|known| self.fits(*known));
        // Levels that take long are looked at last.
        let slow = std::iter::once_with(move || self.levels(&sample, Speed::Slow)).flat_map(libzstd);
        klauspost.chain(libzstd(quick)).chain(slow)
    }

    /// Those of some levels of libzstd which find nearly the same matches.
    fn levels(&self, sample: &Option<Sample<'_>>, speed: Speed) -> Vec<u8> {
        match sample {
            None => speed.levels(self.plain_bytes()).collect(),
            Some(sample) => of_share(sample.levels(speed, Family::Present), SAME_SHARE),
        }
    }

    /// The plain bytes of the frame, if they are known.
    fn plain_bytes(&self) -> Option<u64> {
        if self.is_whole { Some(self.plain.len() as u64) } else { self.header.plain_bytes }
    }

    /// The known encoders that nearly make the frame, the likelier ones first. Which of the matches differ is what
    /// [corrections](crate::Differ) say.
    ///
    /// One nearly makes it if it finds at least seven of eight matches in the first 256 KiB of the plain bytes.
    #[must_use]
    pub fn near(&self) -> Vec<KnownEncoder> {
        let (Some(small), Some(large)) = (Sample::of(self, None), Sample::of(self, Some(NEAR_BYTES))) else {
            return Vec::new();
        };
        let plain_bytes = self.plain_bytes();
        let mut libzstd: Vec<(u32, (Family, u8))> = Vec::new();
        for speed in [Speed::Quick, Speed::Slow] {
            for family in Family::ALL {
                let shares = small.levels(speed, family).into_iter();
                libzstd.extend(shares.map(|(share, level)| (share, (family, level))));
            }
            if libzstd.iter().any(|(share, _)| *share >= CLOSE_SHARE) {
                break;
            }
        }
        let libzstd = of_share(libzstd, SIMILAR_SHARE);
        let libzstd = libzstd.into_iter().take(NEAR_LEVELS);
        let libzstd = libzstd.flat_map(|(family, level)| Libzstd::near(self.header, level, family, plain_bytes));
        let klauspost = of_share(small.klauspost_levels(), SIMILAR_SHARE);
        let klauspost = candidates(self, klauspost).take(NEAR_LEVELS).map(|kind| vec![KnownEncoder::Klauspost(kind)]);
        let libzstd = libzstd.map(|modes| modes.into_iter().map(KnownEncoder::Libzstd).collect());
        let shares = libzstd.chain(klauspost).filter_map(|modes: Vec<KnownEncoder>| {
            let known = *modes.first()?;
            Some((large.share(known), modes))
        });
        of_share(shares.collect(), NEAR_SHARE).into_iter().flatten().collect()
    }

    /// Whether an encoder makes the beginning.
    #[must_use]
    pub fn fits(&self, known: KnownEncoder) -> bool {
        self.agrees(known).is_some()
    }

    fn agrees(&self, known: KnownEncoder) -> Option<()> {
        let mut encoder = Reencoder::new(known, self.plain_bytes().unwrap_or(u64::MAX));
        let (mut made, mut rest) = (Vec::new(), self.stored);
        for piece in self.plain.chunks(PIECE_BYTES) {
            encoder.write(piece, &mut made);
            let common = made.len().min(rest.len());
            if made[..common] != rest[..common] {
                return None;
            }
            rest = &rest[common..];
            made.clear();
            if rest.is_empty() && !self.is_whole {
                return Some(());
            }
        }
        if !self.is_whole {
            return Some(());
        }
        encoder.finish(&mut made);
        (made == rest).then_some(())
    }
}

/// What has at least a share, the largest first; what comes first of equal ones.
fn of_share<T>(mut shares: Vec<(u32, T)>, least: u32) -> Vec<T> {
    shares.retain(|(share, _)| *share >= least);
    shares.sort_by_key(|(share, _)| std::cmp::Reverse(*share));
    shares.into_iter().map(|(_, item)| item).collect()
}

/// The encoder that may have written the frame with which `stored` begins; see [`Beginning`].
#[must_use]
pub fn guess(stored: &[u8]) -> Option<KnownEncoder> {
    Beginning::of(stored)?.encoders().next()
}
