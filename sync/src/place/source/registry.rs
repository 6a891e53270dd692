//! An image in a registry (OCI distribution-spec).

use std::future::Future;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures::stream::StreamExt;
use regrow_store::{Descriptor as Wanted, Reference, RegistryClient, RegistryUrl, RetryPolicy, StoreError};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, channel};

use super::documents::{Descriptor, Document, MAX_DOCUMENT_BYTES};
use super::{Blobs, Found, digest};
use crate::{Network, SourceError};

/// The pieces of a blob that have come and were not read yet. Each has some ten kilobytes.
const PIECES_AHEAD: usize = 64;

/// The repository of an image.
struct Repository {
    client: RegistryClient,
    policy: RetryPolicy,
    runtime: Handle,
}

/// Finds an image in a registry.
pub(super) fn open(url: &RegistryUrl, network: &mut Network) -> Result<Found, SourceError> {
    let (client, policy) = network.registry_to_read(url).map_err(SourceError::of_flow)?;
    let repository = Repository { client, policy, runtime: network.runtime().handle().clone() };
    let fetched = repository.manifest(&url.reference_or_default())?;
    let descriptor = Descriptor { kind: fetched.media_type, digest: fetched.digest, bytes: fetched.bytes.len() as u64 };
    let root = Document { descriptor, bytes: fetched.bytes.into() };
    Ok(Found { blobs: Box::new(repository), root })
}

impl Repository {
    fn manifest(&self, reference: &Reference) -> Result<regrow_store::FetchedManifest, SourceError> {
        let asked = self.wait(self.policy.run(|| self.client.manifest(reference, None)))?;
        // Nothing was known of it, so it comes.
        asked.ok_or_else(|| SourceError::NotFound { there: Vec::new() })
    }

    fn wait<T>(&self, future: impl Future<Output = Result<T, StoreError>>) -> Result<T, SourceError> {
        Ok(self.runtime.block_on(future)?)
    }
}

impl Blobs for Repository {
    fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>, SourceError> {
        let name = wanted.digest.to_string();
        if wanted.bytes > MAX_DOCUMENT_BYTES {
            return Err(SourceError::TooMuch { document: name, most: MAX_DOCUMENT_BYTES, what: "bytes" });
        }
        let fetched = self.manifest(&Reference::Digest(wanted.digest))?;
        if fetched.bytes.len() as u64 != wanted.bytes {
            return Err(SourceError::Size { blob: name, wanted: wanted.bytes });
        }
        Ok(fetched.bytes.into())
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        let wanted = Wanted::new(&blob.kind, blob.digest, blob.bytes);
        if blob.bytes == 0 {
            return Ok(Box::new(io::empty()));
        }
        let mut body = self.wait(self.client.blob(&wanted, &self.policy))?.body;
        let (sender, pieces) = channel(PIECES_AHEAD);
        // A reader that is gone ends the task.
        self.runtime.spawn(async move {
            while let Some(piece) = body.next().await {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Ok(Box::new(Pieces { pieces, rest: Bytes::new() }))
    }
}

/// Reads a body that comes meanwhile.
struct Pieces {
    pieces: Receiver<Result<Bytes, StoreError>>,
    rest: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece.map_err(|error| digest::invalid(error.into()))?,
                None => return Ok(0),
            }
        }
        let read = out.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut out[..read]);
        Ok(read)
    }
}
