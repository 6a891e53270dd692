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

/// Bytes that are looked at behind and before a place.
pub(crate) const MARGIN: u64 = 8;
/// How much is read at a time.
const WINDOW: u64 = 64 << 10;

/// A moving window over a base: reads go forward mostly.
pub(crate) struct Window<'a, B: ?Sized> {
    base: &'a B,
    /// Where the buffer begins, less a margin: so that the base's first byte has one before it.
    start: u64,
    buffer: Vec<u8>,
}

impl<'a, B: Base + ?Sized> Window<'a, B> {
    pub(crate) fn new(base: &'a B) -> Self {
        Self { base, start: 0, buffer: Vec::new() }
    }

    pub(crate) fn len(&self) -> u64 {
        self.base.len()
    }

    /// The 8 bytes before `at`, and the 8 from it on, as one number, the first byte lowest; beyond the base's ends are zeros.
    #[inline]
    pub(crate) fn around(&mut self, at: u64) -> io::Result<u128> {
        // The buffer holds the base from start - MARGIN on.
        let offset = at.wrapping_sub(self.start);
        if offset >= WINDOW || self.buffer.is_empty() {
            self.load(at)?;
        }
        let offset = (at - self.start) as usize;
        let bytes = self.buffer[offset..].first_chunk::<16>();
        // Invariant: the buffer is WINDOW + 16 long, and offset below WINDOW.
        Ok(u128::from_le_bytes(*bytes.expect("the window holds the place")))
    }

    fn load(&mut self, at: u64) -> io::Result<()> {
        self.start = at;
        self.buffer.clear();
        self.buffer.resize((WINDOW + 2 * MARGIN) as usize, 0);
        let from = at.saturating_sub(MARGIN);
        let to = (at + WINDOW + MARGIN).min(self.base.len());
        let skip = (from + MARGIN - at) as usize;
        if from < to {
            let len = (to - from) as usize;
            self.base.read_at(from, &mut self.buffer[skip..skip + len])?;
        }
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
        }
    }
}
