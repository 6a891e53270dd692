//! Which lane a file belongs to, by its beginning.

use super::table::LaneForm;

/// The bytes of a file's beginning by which its kind is told.
const LOOKED_AT_BYTES: usize = 4096;
/// Text has at most one byte in this many that is neither printable nor white space.
const ODD_SHARE: usize = 64;
/// Bytes of which the commonest value stands for at most one in this many are as good as random.
const RANDOM_SHARE: usize = 64;
/// The number of bytes below which that tells nothing.
const RANDOM_BYTES: usize = 1024;

/// The kind of a stretch of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LaneKind {
    /// Tables of an archive, such as headers and names.
    Skeleton,
    /// Text in some encoding that extends ASCII.
    Text,
    /// Anything else.
    Data,
    /// Bytes that hardly repeat, such as pictures.
    Packed,
    /// An executable whose machine code has this filter in the .xz format.
    Code(u8),
}

impl LaneKind {
    /// The number of bytes of a file's beginning that [`LaneKind::of`] looks at.
    pub const BEGINNING_BYTES: usize = LOOKED_AT_BYTES;

    /// The kind of a file that begins with these bytes.
    #[must_use]
    pub fn of(beginning: &[u8]) -> Self {
        let beginning = &beginning[..beginning.len().min(LOOKED_AT_BYTES)];
        if let Some(filter) = filter_of(beginning) {
            return Self::Code(filter);
        }
        let odd = beginning.iter().filter(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127)).count();
        if odd * ODD_SHARE <= beginning.len() {
            return Self::Text;
        }
        let mut counts = [0u32; 256];
        beginning.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        let most = counts.iter().copied().max().unwrap_or(0) as usize;
        let is_random = beginning.len() >= RANDOM_BYTES && most * RANDOM_SHARE <= beginning.len();
        if is_random { Self::Packed } else { Self::Data }
    }

    /// The form of a lane of this kind with this many bytes, whose dictionary's logarithm is at most that.
    pub(super) fn form(self, plain_bytes: u64, most_log: u8) -> LaneForm {
        let (filter, context_bits) = match self {
            Self::Skeleton | Self::Text => (0, LaneForm::bits(3, 0)),
            Self::Data | Self::Packed => (0, LaneForm::bits(3, 2)),
            Self::Code(filter @ (5 | 7 | 9 | 10)) => (filter, LaneForm::bits(3, 2)),
            Self::Code(filter) => (filter, LaneForm::bits(3, 0)),
        };
        LaneForm::new(filter, context_bits, plain_bytes, most_log)
    }
}

/// The filter for the machine code of an ELF file.
fn filter_of(beginning: &[u8]) -> Option<u8> {
    let header = beginning.get(..20).filter(|header| header.starts_with(b"\x7fELF"))?;
    let (low, high) = if header[5] == 2 { (header[19], header[18]) } else { (header[18], header[19]) };
    Some(match u16::from_le_bytes([low, high]) {
        3 | 62 => 4,
        20 | 21 if header[5] == 2 => 5,
        50 => 6,
        40 => 8,
        2 | 18 | 43 => 9,
        183 => 10,
        243 => 11,
        _ => return None,
    })
}
