//! Archives whose files are put together in part. The images are made here: a few layers, or many.

mod by_chunks;
mod by_patch;
mod images;
mod server;

use super::{ArchiveFiles, FileSink, Wanted, open};
use crate::{ExtractOptions, Location, Network, NoProgress, SyncError};

pub(super) use images::image;

/// Opens an archive that the engine does not have.
pub(super) fn opened<'a>(
    location: &'a Location,
    options: &'a ExtractOptions,
    network: &'a mut Network,
) -> Box<dyn ArchiveFiles + 'a> {
    open(location, options, network, &NoProgress, &mut |_| Ok(false)).unwrap().unwrap()
}

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
