//! The statement: what an image is, and nothing about where it lies. docs/format/index-2.md, section 4.

use regrow_chunker::{ImageId, Params, PartKind, PartName, ReaderLimits, UnitId, varint};

use crate::check::{check_limits, check_streams};
use crate::primitives::{end, put_bytes, put_params, take, take_array, take_bytes, take_count, take_params, take_u8};
use crate::{BasePart, Claims, Index, IndexError, MAX_PARTS, Part, Unit, Units};

/// What a statement begins with. Nothing else that anybody signs does.
const LABEL: [u8; 28] = *b"regrow image statement v1\0\0\0";
/// The largest size of a channel's name in bytes.
const MAX_CHANNEL_BYTES: usize = 255;
/// The smallest size of a part's entry in bytes.
const SMALLEST_PART_BYTES: usize = 1 + 3 + 2 * 32;

/// What an image is. Signatures cover it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The claims of whoever publishes the image.
    pub claims: Claims,
    /// Size of the image in bytes.
    pub image_bytes: u64,
    /// BLAKE3 of the image.
    pub image_digest: [u8; 32],
    /// SHA-256 of the image.
    pub image_sha256: [u8; 32],
    /// Size of the plain image in bytes.
    pub plain_bytes: u64,
    /// The version of the walking rules that the image was made with.
    pub walk_version: u32,
    /// Chunking parameters.
    pub params: Params,
    /// The wrapper.
    pub wrapper: StatedUnit,
    /// The parts, in the image's order.
    pub parts: Vec<StatedPart>,
}

/// A unit as a statement names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatedUnit {
    /// The unit's id.
    pub id: UnitId,
    /// The number of bytes of its skeleton.
    pub skeleton_bytes: u64,
    /// The number of bytes of its contents.
    pub contents_bytes: u64,
}

/// A part as a statement names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatedPart {
    /// What the part is.
    pub kind: PartKind,
    /// The part's name.
    pub name: PartName,
    /// The number of its plain bytes.
    pub plain_bytes: u64,
    /// The part's recipe.
    pub unit: StatedUnit,
}

impl StatedUnit {
    fn of(unit: &Unit) -> Self {
        Self { id: unit.id, skeleton_bytes: unit.skeleton.bytes, contents_bytes: unit.contents.bytes }
    }
}

impl StatedPart {
    fn of(part: &Part) -> Self {
        Self { kind: part.kind, name: part.name, plain_bytes: part.plain_bytes, unit: StatedUnit::of(&part.unit) }
    }
}

impl Statement {
    pub(super) fn of(index: &Index, units: &Units) -> Self {
        Self {
            claims: units.claims.clone(),
            image_bytes: index.image_bytes,
            image_digest: index.image_digest,
            image_sha256: units.image_sha256,
            plain_bytes: units.plain_bytes,
            walk_version: index.walk_version,
            params: index.params,
            wrapper: StatedUnit::of(&units.wrapper),
            parts: units.parts.iter().map(StatedPart::of).collect(),
        }
    }

    /// The image's id, which follows from the units' ids.
    #[must_use]
    pub fn image_id(&self) -> ImageId {
        ImageId::of_units(self.wrapper.id, &self.parts.iter().map(|part| part.unit.id).collect::<Vec<_>>())
    }

    /// All parts, as announced patches name them.
    pub(super) fn own_parts(&self) -> Vec<BasePart> {
        self.parts.iter().map(|part| BasePart::new(&part.unit.id, &part.name)).collect()
    }

    /// The bytes that are signed. A statement has one form, so what was decoded gives the same bytes again.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = LABEL.to_vec();
        put_bytes(&mut out, self.claims.channel.as_bytes());
        for number in [self.claims.counter, self.claims.signed_at, self.claims.expires_at, self.image_bytes] {
            varint::put(&mut out, number);
        }
        for hash in [&self.image_digest, &self.image_sha256, self.image_id().as_bytes()] {
            out.extend_from_slice(hash);
        }
        varint::put(&mut out, self.plain_bytes);
        put_params(&mut out, self.walk_version, &self.params);
        out.extend_from_slice(self.wrapper.id.as_bytes());
        varint::put(&mut out, self.wrapper.skeleton_bytes);
        varint::put(&mut out, self.wrapper.contents_bytes);
        varint::put(&mut out, self.parts.len() as u64);
        for part in &self.parts {
            out.push(part.kind.number());
            for number in [part.plain_bytes, part.unit.skeleton_bytes, part.unit.contents_bytes] {
                varint::put(&mut out, number);
            }
            out.extend_from_slice(part.name.as_bytes());
            out.extend_from_slice(part.unit.id.as_bytes());
        }
        out
    }

    /// Decodes a statement.
    ///
    /// # Errors
    /// [`IndexError::Malformed`] or [`IndexError::UnknownKind`].
    pub fn decode(bytes: &[u8]) -> Result<Self, IndexError> {
        let mut input = bytes.strip_prefix(&LABEL).ok_or(IndexError::Malformed("not a statement of version 1"))?;
        let input = &mut input;
        let claims = take_claims(input)?;
        let image_bytes = take(input)?;
        let (image_digest, image_sha256) = (take_array(input)?, take_array(input)?);
        let image_id = ImageId::from_bytes(take_array(input)?);
        let plain_bytes = take(input)?;
        let (walk_version, params) = take_params(input)?;
        let wrapper = StatedUnit {
            id: UnitId::from_bytes(take_array(input)?),
            skeleton_bytes: take(input)?,
            contents_bytes: take(input)?,
        };
        let parts = take_parts(input)?;
        end(input)?;
        let statement =
            Self { claims, image_bytes, image_digest, image_sha256, plain_bytes, walk_version, params, wrapper, parts };
        statement.check(image_id)?;
        Ok(statement)
    }

    /// Refuses an image that is well-formed, but that its reader does not want.
    ///
    /// # Errors
    /// [`IndexError::SmallChunks`] and [`IndexError::LargeImage`].
    pub fn check_limits(&self, limits: &ReaderLimits) -> Result<(), IndexError> {
        check_limits(self.image_bytes.max(self.plain_bytes), &self.params, limits)
    }

    fn check(&self, image_id: ImageId) -> Result<(), IndexError> {
        self.parts.iter().try_for_each(StatedPart::check)?;
        let units = || std::iter::once(&self.wrapper).chain(self.parts.iter().map(|part| &part.unit));
        let skeleton = checked_sum(units().map(|unit| unit.skeleton_bytes));
        let contents = checked_sum(units().map(|unit| unit.contents_bytes));
        let (Some(skeleton), Some(contents)) = (skeleton, contents) else {
            return Err(IndexError::Malformed("streams longer than the image"));
        };
        check_streams(self.plain_bytes, skeleton, contents)?;
        if checked_sum(self.parts.iter().map(|part| part.plain_bytes)).is_none_or(|bytes| bytes > self.plain_bytes) {
            return Err(IndexError::Malformed("parts larger than the image"));
        }
        if self.image_id() != image_id {
            return Err(IndexError::Malformed("image id does not follow from the units"));
        }
        Ok(())
    }
}

impl StatedPart {
    /// Checks that the part's streams can make its plain bytes.
    fn check(&self) -> Result<(), IndexError> {
        let (skeleton, contents) = (self.unit.skeleton_bytes, self.unit.contents_bytes);
        match self.kind {
            PartKind::Tar => check_streams(self.plain_bytes, skeleton, contents),
            PartKind::File if skeleton == 0 && contents == self.plain_bytes => Ok(()),
            PartKind::File => Err(IndexError::Malformed("a file's contents are not its plain bytes")),
        }
    }
}

fn take_claims(input: &mut &[u8]) -> Result<Claims, IndexError> {
    let channel = take_bytes(input, MAX_CHANNEL_BYTES, "channel")?;
    let channel = std::str::from_utf8(channel).ok().filter(|channel| !channel.contains(char::is_control));
    let channel = channel.ok_or(IndexError::Malformed("channel"))?.to_owned();
    Ok(Claims { channel, counter: take(input)?, signed_at: take(input)?, expires_at: take(input)? })
}

fn take_parts(input: &mut &[u8]) -> Result<Vec<StatedPart>, IndexError> {
    let count = take_count(input, SMALLEST_PART_BYTES)?;
    if count > MAX_PARTS {
        return Err(IndexError::Malformed("more than 1,024 parts"));
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = take_u8(input)?;
        let kind =
            PartKind::from_number(kind).ok_or(IndexError::UnknownKind { what: "a part", kind: u64::from(kind) })?;
        let (plain_bytes, skeleton_bytes, contents_bytes) = (take(input)?, take(input)?, take(input)?);
        let name = PartName::from_bytes(take_array(input)?);
        let unit = StatedUnit { id: UnitId::from_bytes(take_array(input)?), skeleton_bytes, contents_bytes };
        parts.push(StatedPart { kind, name, plain_bytes, unit });
    }
    Ok(parts)
}

fn checked_sum(mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
    numbers.try_fold(0u64, u64::checked_add)
}
