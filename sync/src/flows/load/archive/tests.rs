//! Makers of archives, and a sink for their files.

use super::{FileSink, Wanted};
use crate::SyncError;

/// The files that came.
#[derive(Default)]
pub(super) struct Gathered {
    begun: Option<(Wanted, u64, Vec<u8>)>,
    pub(super) ended: Vec<(Wanted, Vec<u8>)>,
}

impl FileSink for Gathered {
    fn begin(&mut self, wanted: Wanted, bytes: u64) -> Result<(), SyncError> {
        assert!(self.begun.is_none());
        self.begun = Some((wanted, bytes, Vec::new()));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SyncError> {
        self.begun.as_mut().unwrap().2.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyncError> {
        let (wanted, stated, bytes) = self.begun.take().unwrap();
        assert_eq!(stated, bytes.len() as u64);
        self.ended.push((wanted, bytes));
        Ok(())
    }
}

/// An archive with a manifest and these layers. `more` appends to it.
pub(super) fn image(layers: &[Vec<u8>], more: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut put = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    put("manifest.json", b"[{}]\n");
    for (number, layer) in layers.iter().enumerate() {
        put(&format!("layer-{number}.tar"), layer);
    }
    more(&mut tar);
    tar.into_inner().unwrap()
}
