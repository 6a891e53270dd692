//! The SHA-256 names of images that the catalog remembers, under the BLAKE3 digest of the image. ARCHITECTURE.md, invariant
//! 9: they count for bytes of which that digest was computed just now.

use regrow_catalog::Catalog;
use regrow_chunker::{Digest, PartName};
use regrow_image::WalkRules;
use regrow_local::{Ingested, Sha256Names};

/// The kind of the catalog's documents. The number changes with their form: the name of the image, and those of its parts
/// as they lie in it, 32 bytes each.
const KIND: &str = "sha256-names-1";

/// Remembers the names of an image that was read by these rules to be made.
pub(crate) fn remember_made(catalog: Option<&Catalog>, image: &Ingested, rules: WalkRules) {
    if let (Some(catalog), Some(names)) = (catalog, &image.names) {
        remember(catalog, (image.digest, rules.version(image.walk_findings())), names);
    }
}

/// Remembers the names of the image with this digest. What its parts are follows from this version of the walking rules.
pub(crate) fn remember(catalog: &Catalog, image: ([u8; 32], u32), names: &Sha256Names) {
    let mut bytes = names.image.to_vec();
    names.parts.iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
    catalog.put_document(KIND, &document(image), &bytes);
}

/// The names of the image with this digest, by this version of the walking rules, if they are remembered.
pub(crate) fn remembered(catalog: &Catalog, image: ([u8; 32], u32)) -> Option<Sha256Names> {
    let bytes = catalog.get_document(KIND, &document(image))?;
    let (names, rest) = bytes.as_chunks::<32>();
    let (image, parts) = names.split_first().filter(|_| rest.is_empty())?;
    Some(Sha256Names { image: *image, parts: parts.iter().copied().map(PartName::from_bytes).collect() })
}

fn document((digest, walk_version): ([u8; 32], u32)) -> String {
    format!("{} {walk_version}", Digest::from_bytes(digest))
}
