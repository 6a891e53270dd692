//! Which images of an engine an index stands for. The catalog remembers it, so that a machine that has the newest image
//! asks only whether there is another one.

use regrow_catalog::Catalog;

use super::report::LoadedImage;

/// The kind of document in which the catalog remembers images, under the digest of their archive.
const KIND: &str = "loaded";

/// The images of an archive that was loaded before, with the names that they are to get.
pub(super) fn images_of(catalog: Option<&Catalog>, digest: &str, tag: Option<&str>) -> Option<Vec<LoadedImage>> {
    let document = catalog?.get_document(KIND, digest)?;
    let mut images: Vec<LoadedImage> = serde_json::from_slice(&document).ok()?;
    match (tag, &mut images[..]) {
        (None, [_, ..]) => {}
        (Some(tag), [one]) => one.names = vec![tag.to_owned()],
        _ => return None,
    }
    Some(images)
}

/// Remembers the images of an archive, with their own names.
pub(super) fn remember(catalog: Option<&Catalog>, digest: &str, images: &[LoadedImage]) {
    if let (Some(catalog), Ok(document)) = (catalog, serde_json::to_vec(images)) {
        catalog.put_document(KIND, digest, &document);
    }
}
