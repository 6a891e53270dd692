//! What a target is coded against: bytes that can be read at random.

use std::io;

/// Bytes that can be read at any place.
pub trait Base {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `out` with the bytes from `at` on.
    ///
    /// # Errors
    /// Of the reading; `UnexpectedEof` where there are not so many.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()>;
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

/// Bytes that are looked at before a place: what a header has before its checksum's last digit, and some.
const MARGIN_BEFORE: u64 = 160;
/// Bytes that are looked at from a place on, itself included.
const MARGIN: u64 = 8;
/// How much is read at a time, going forward.
const WINDOW: u64 = 64 << 10;
/// How much after a jump: most copies are short.
const WINDOW_AFTER_JUMP: u64 = 1 << 11;

/// A moving window over a base: reads go forward mostly.
pub(crate) struct Window<'a, B: ?Sized> {
    base: &'a B,
    /// Where the buffer begins, less a margin: so that the base's first byte has one before it.
    start: u64,
    /// Places that it holds.
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

    /// The 8 bytes before `at`, and the 8 from it on, as one number, the first byte lowest; beyond the base's ends are zeros.
    #[inline]
    pub(crate) fn around(&mut self, at: u64) -> io::Result<u128> {
        // The buffer holds the base from start - MARGIN_BEFORE on.
        let offset = at.wrapping_sub(self.start);
        if offset >= self.places {
            self.load(at)?;
        }
        let offset = (at - self.start + MARGIN_BEFORE - 8) as usize;
        let bytes = self.buffer[offset..].first_chunk::<16>();
        // Invariant: the buffer is both margins longer than places, and the place one of them.
        Ok(u128::from_le_bytes(*bytes.expect("the window holds the place")))
    }

    /// `len` bytes before a place: 155 at most, and the place the one that [`Self::around`] was asked for last, or up to 5 before it.
    pub(crate) fn before(&self, at: u64, len: u64) -> &[u8] {
        let end = (at.wrapping_sub(self.start).wrapping_add(MARGIN_BEFORE)) as usize;
        &self.buffer[end - len as usize..end]
    }

    /// The bytes from `at` on, so many if the base has them.
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
        // While it is not known to hold anything: reading can fail.
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
            self.base.read_at(from, &mut self.buffer[skip..skip + len])?;
        }
        self.places = places;
        Ok(())
    }

    /// Reads bytes as they are.
    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.base.read_at(at, out)
    }
}

/// The byte `offset` places from the middle of what [`Window::around`] gave, -8 to 7.
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
