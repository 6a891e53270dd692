//! Fetches a whole patch from a store, for flows that copy or check it.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use futures::stream::StreamExt;
use regrow_chunker::ImageId;
use regrow_patch::open;
use regrow_store::{ReadStore, Span, StoreError, patch_name};

use crate::SyncError;

/// Writes the patch from one image to another into `file`, which must be empty and lies in `folder`. Checks the patch's
/// checksum, and that its header names the two images.
pub(crate) async fn fetch_whole(
    (base, target): (&ImageId, &ImageId),
    store: &dyn ReadStore,
    (file, folder): (&mut File, &Path),
) -> Result<(), SyncError> {
    let (name, io) = (patch_name(base, target), || SyncError::io(folder));
    let mut body = store.get(&name, Span::Whole).await?.body;
    while let Some(piece) = body.next().await {
        file.write_all(&piece?).map_err(io())?;
    }
    let reason = match open(file) {
        Ok(header) if (&header.base, &header.target) == (base, target) => return Ok(()),
        Ok(_) => "it is a patch between other images".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(StoreError::Damaged { object: format!("{}/{name}", store.location()), reason }.into())
}
