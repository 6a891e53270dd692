//! The base that a target is coded against: bytes that can be read at random.

use std::io;

/// Bytes that can be read at any offset.
pub trait Base {
    /// The number of bytes.
    fn len(&self) -> u64;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `out` with the bytes from `at` on.
    ///
    /// # Errors
    /// Any error of reading; `UnexpectedEof` if the base ends before `out` is full.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()>;

    /// Does the same for bytes around a place that is used, of which few will be looked at. A base may give zeros for some
    /// that are hard to get. If they are looked at after all, what is decoded is wrong.
    ///
    /// # Errors
    /// As [`Base::read_at`].
    fn look_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_at(at, out)
    }
}

impl Base for [u8] {
    fn len(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(at).ok();
        let found = start.and_then(|start| self.get(start..start.checked_add(out.len())?));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The number of bytes that a reader may look at before a place: the part of a header before its checksum's last
/// digit, and some more.
const MARGIN_BEFORE: u64 = 160;
/// The number of bytes that a reader may look at from a place on, including its own.
const MARGIN: u64 = 8;
/// The number of bytes that are read at a time while reads go forward.
const WINDOW: u64 = 64 << 10;
/// The number of bytes that are read after a jump. It is small because most copies are short.
const WINDOW_AFTER_JUMP: u64 = 1 << 11;

/// A moving window over a base, made for reads that mostly go forward.
pub(crate) struct Window<'a, B: ?Sized> {
    base: &'a B,
    /// The base offset of the first place. The buffer begins one margin before it, so that the base's first byte
    /// has one before it too.
    start: u64,
    /// The number of places that the window holds.
    places: u64,
    buffer: Vec<u8>,
}

impl<'a, B: Base + ?Sized> Window<'a, B> {
    pub(crate) fn new(base: &'a B) -> Self {
        Self { base, start: 0, places: 0, buffer: Vec::new() }
    }

    pub(crate) fn len(&self) -> u64 {
        self.base.len()
    }

    /// The 8 bytes before `at` and the 8 from it on, as one number with the first byte lowest. Bytes beyond the
    /// base's ends are zero.
    #[inline]
    pub(crate) fn around(&mut self, at: u64) -> io::Result<u128> {
        // The buffer's first byte is the base's at start - MARGIN_BEFORE.
        let offset = at.wrapping_sub(self.start);
        if offset >= self.places {
            self.load(at)?;
        }
        let offset = (at - self.start + MARGIN_BEFORE - 8) as usize;
        let bytes = self.buffer[offset..].first_chunk::<16>();
        // Invariant: the buffer holds both margins besides the places, and `at` is one of the places.
        Ok(u128::from_le_bytes(*bytes.expect("the window holds the place")))
    }

    /// Returns `len` bytes before a place. `len` is at most 155, and the place is the last one that
    /// [`Self::around`] was asked for, or up to 5 before it.
    pub(crate) fn before(&self, at: u64, len: u64) -> &[u8] {
        let end = (at.wrapping_sub(self.start).wrapping_add(MARGIN_BEFORE)) as usize;
        &self.buffer[end - len as usize..end]
    }

    /// Returns `len` bytes from `at` on, or fewer where the base ends.
    pub(crate) fn ahead(&mut self, at: u64, len: u64) -> io::Result<&[u8]> {
        let offset = at.wrapping_sub(self.start);
        if offset >= self.places || self.places - offset < len {
            self.load(at)?;
        }
        let start = (at - self.start + MARGIN_BEFORE) as usize;
        let len = len.min(self.places - (at - self.start)).min(self.base.len() - at);
        Ok(&self.buffer[start..start + len as usize])
    }

    fn load(&mut self, at: u64) -> io::Result<()> {
        let goes_on = at.wrapping_sub(self.start) <= self.places * 2;
        // The window counts as empty meanwhile, because reading can fail.
        self.places = 0;
        let places = if goes_on { WINDOW } else { WINDOW_AFTER_JUMP };
        self.start = at;
        self.buffer.clear();
        self.buffer.resize((places + MARGIN_BEFORE + MARGIN) as usize, 0);
        let from = at.saturating_sub(MARGIN_BEFORE);
        let to = (at + places + MARGIN).min(self.base.len());
        let skip = (from + MARGIN_BEFORE - at) as usize;
        if from < to {
            let len = (to - from) as usize;
            self.base.look_at(from, &mut self.buffer[skip..skip + len])?;
        }
        self.places = places;
        Ok(())
    }

    /// Reads bytes past the window.
    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.base.read_at(at, out)
    }
}

/// The byte at `offset` from the middle of a value that [`Window::around`] returned, -8 to 7.
#[inline]
pub(crate) fn byte_at(around: u128, offset: i32) -> u8 {
    (around >> ((offset + 8) * 8)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_has_zeros_beyond_the_ends() {
        let bytes: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8 + 1).collect();
        let mut window = Window::new(&bytes[..]);
        for at in [0, 3, 8, 65_535, 65_536, 70_000, 199_999, 5] {
            let around = window.around(at).unwrap();
            for offset in -8..8i64 {
                let wanted = usize::try_from(at as i64 + offset).ok().and_then(|at| bytes.get(at)).copied();
                assert_eq!(byte_at(around, offset as i32), wanted.unwrap_or(0), "{at} {offset}");
            }
            let before = window.before(at, 150);
            let wanted = (at as i64 - 150..at as i64).map(|at| usize::try_from(at).map_or(0, |at| bytes[at]));
            assert!(before.iter().copied().eq(wanted), "{at}");
            let end = (at as usize + 1500).min(bytes.len());
            assert_eq!(window.ahead(at, 1500).unwrap(), &bytes[at as usize..end], "{at}");
        }
    }
}
