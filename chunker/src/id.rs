//! The names of things by their content: 32 bytes of a hash, a type for each kind of thing.

use std::fmt;
use std::str::FromStr;

use crate::Params;

const SEGMENT_CONTEXT: &str = "regrow 2026 recipe segment v1";
const IMAGE_CONTEXT: &str = "regrow 2026 image id v1";

/// Defines the type of an id, with all that does not depend on what the id names.
macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes an id that was written down. Whether anything has this id is not known.
            #[must_use]
            pub const fn from_bytes(id: [u8; 32]) -> Self {
                Self(id)
            }

            /// The bytes of the id, as the formats have them.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first 8 bytes, for hash tables: the id is uniformly distributed already.
            #[must_use]
            pub fn prefix(&self) -> u64 {
                let [a, b, c, d, e, f, g, h, ..] = self.0;
                u64::from_le_bytes([a, b, c, d, e, f, g, h])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0[..6], f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self)
            }
        }
    };
}

id_type! {
    /// The name of a chunk: BLAKE3 of its bytes.
    ChunkId
}

id_type! {
    /// The name of a recipe segment (FORMAT.md, section 4).
    SegmentId
}

id_type! {
    /// The name of an image's recipe (FORMAT.md, section 5). Images of the same id have the same chunks.
    ImageId
}

id_type! {
    /// The name of a pack: BLAKE3 of all its bytes.
    PackId
}

id_type! {
    /// The name of a unit's recipe: of an image's wrapper, or of one of its parts (docs/format/index-2.md, section 2).
    UnitId
}

id_type! {
    /// The name of a part: SHA-256 of its plain bytes. A layer's is its diff id.
    PartName
}

id_type! {
    /// A BLAKE3 hash of something that the formats do not name by it, such as an image, a file or a path.
    Digest
}

impl ChunkId {
    /// The id of the chunk that has these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl SegmentId {
    /// The id of the segment with this canonical form.
    #[must_use]
    pub fn of_canonical(form: &[u8]) -> Self {
        Self(blake3::derive_key(SEGMENT_CONTEXT, form))
    }
}

impl ImageId {
    /// The id of the image whose streams have these segments, cut by these rules.
    #[must_use]
    pub fn of_recipe(walk_version: u32, params: &Params, skeleton: &[SegmentId], contents: &[SegmentId]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(IMAGE_CONTEXT);
        for number in [walk_version, params.min_bytes(), params.avg_bytes(), params.max_bytes()] {
            hasher.update(&number.to_le_bytes());
        }
        for ids in [skeleton, contents] {
            // An index of 64 MiB has fewer than 2^21 segments.
            hasher.update(&(ids.len() as u32).to_le_bytes());
            ids.iter().for_each(|id| {
                hasher.update(id.as_bytes());
            });
        }
        Self(*hasher.finalize().as_bytes())
    }
}

impl PackId {
    /// The id of the pack that has these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The id of the pack whose bytes, all of them, this plain hasher has taken in.
    #[must_use]
    pub fn of_hashed(hasher: &blake3::Hasher) -> Self {
        Self(*hasher.finalize().as_bytes())
    }

    /// The first two hex digits: the name of the folder that holds the pack.
    #[must_use]
    pub fn shard(&self) -> String {
        format!("{:02x}", self.0[0])
    }
}

impl Digest {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash of all that this hasher has taken in.
    #[must_use]
    pub fn of_hashed(hasher: &blake3::Hasher) -> Self {
        Self(*hasher.finalize().as_bytes())
    }
}

/// The text is not 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a name of 64 hex digits")]
pub struct ParseIdError;

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex(text: &str) -> Result<[u8; 32], ParseIdError> {
    let text = text.as_bytes();
    if text.len() != 64 {
        return Err(ParseIdError);
    }
    let mut id = [0; 32];
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Ok(id)
}

fn hex_digit(digit: u8) -> Result<u8, ParseIdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(ParseIdError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let id = PackId::of(b"regrow");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string()[..2], id.shard());
        assert_eq!(format!("{id:?}"), id.to_string()[..12]);
        assert!("ab".parse::<ChunkId>().is_err());
        assert!("G".repeat(64).parse::<ChunkId>().is_err());
        assert!("A".repeat(64).parse::<ChunkId>().is_err(), "one spelling only");
    }

    #[test]
    fn no_kind_has_the_id_of_another_kind() {
        let recipe = ImageId::of_recipe(1, &Params::default(), &[], &[]);
        let mut same = Vec::from(1u32.to_le_bytes());
        let params = Params::default();
        for number in [params.min_bytes(), params.avg_bytes(), params.max_bytes(), 0, 0] {
            same.extend_from_slice(&number.to_le_bytes());
        }
        assert_ne!(recipe.as_bytes(), SegmentId::of_canonical(&same).as_bytes());
        assert_ne!(recipe.as_bytes(), ChunkId::of(&same).as_bytes());
        assert_ne!(SegmentId::of_canonical(&same).as_bytes(), ChunkId::of(&same).as_bytes());
        assert_eq!(recipe.as_bytes(), &blake3::derive_key(IMAGE_CONTEXT, &same));
    }
}
