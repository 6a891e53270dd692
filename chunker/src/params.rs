//! Chunking parameters. A store has one set, and an index states the set of its image.

use crate::Digest;

/// The largest chunk in bytes that any parameters allow.
pub const MAX_CHUNK_BYTES: u32 = 4 << 20;

/// The size of the hash window in bytes. No chunk ends before the window is full.
pub(crate) const WINDOW_BYTES: u32 = 64;

/// The sizes in bytes that steer cutting and grouping. They are checked when they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Params {
    min_bytes: u32,
    avg_bytes: u32,
    max_bytes: u32,
}

/// The sizes do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("chunk sizes min {min}, average {avg}, max {max} bytes: 64 <= min <= average <= max <= 4194304 must hold")]
pub struct ParamsError {
    min: u64,
    avg: u64,
    max: u64,
}

impl Params {
    /// Makes parameters that keep to 64 <= min <= avg <= max <= [`MAX_CHUNK_BYTES`], or fails.
    pub fn new(min: u64, avg: u64, max: u64) -> Result<Self, ParamsError> {
        let error = ParamsError { min, avg, max };
        if u64::from(WINDOW_BYTES) > min || min > avg || avg > max || max > u64::from(MAX_CHUNK_BYTES) {
            return Err(error);
        }
        let narrow = |bytes: u64| u32::try_from(bytes).map_err(|_| error.clone());
        Ok(Self { min_bytes: narrow(min)?, avg_bytes: narrow(avg)?, max_bytes: narrow(max)? })
    }

    /// The parameters for an average size: `min` is a quarter of it, `max` four times it.
    pub fn with_average(avg: u64) -> Result<Self, ParamsError> {
        Self::new(avg / 4, avg, avg.saturating_mul(4))
    }

    /// The smallest chunk of a large file, except for the file's last chunk.
    #[must_use]
    pub fn min_bytes(&self) -> u32 {
        self.min_bytes
    }

    /// The size that cutting and grouping aim at.
    #[must_use]
    pub fn avg_bytes(&self) -> u32 {
        self.avg_bytes
    }

    /// The largest chunk.
    #[must_use]
    pub fn max_bytes(&self) -> u32 {
        self.max_bytes
    }

    /// The size in bytes from which a file is cut alone.
    #[must_use]
    pub fn large_file_bytes(&self) -> u64 {
        u64::from(self.avg_bytes / 2)
    }
}

impl Default for Params {
    /// The default was measured on image pairs; docs/measurements.md has the figures.
    fn default() -> Self {
        Self { min_bytes: 4 << 10, avg_bytes: 16 << 10, max_bytes: 64 << 10 }
    }
}

/// The table of the rolling hash: `GEAR[b]` is the first 8 bytes of BLAKE3(`regrow gear ` + b).
pub(crate) fn gear_table() -> Box<[u64; 256]> {
    let mut table = Box::new([0; 256]);
    for (byte, entry) in (0u8..=255).zip(table.iter_mut()) {
        let mut name = *b"regrow gear \0";
        name[12] = byte;
        *entry = Digest::of(&name).prefix();
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_checked() {
        assert!(Params::new(64, 64, 64).is_ok());
        assert!(Params::new(63, 64, 64).is_err());
        assert!(Params::new(64, 63, 64).is_err());
        assert!(Params::new(64, 128, 127).is_err());
        assert!(Params::new(64, 128, 4 << 20 | 1).is_err());
        assert!(Params::with_average(u64::MAX).is_err());
        assert_eq!(Params::with_average(16 << 10).ok(), Some(Params::default()));
    }
}
