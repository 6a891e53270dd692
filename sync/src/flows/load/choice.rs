//! Which layers of an image are sent to an engine, and in which form.

use std::collections::HashSet;

use regrow_engine::{Form, Layer, Sent, Sha256};

use super::archive::{ArchiveFiles, Wanted};
use super::documents::ArchivedImage;
use super::report::{LoadReport, LoadedLayer};
use crate::SyncError;

/// The layers of some images, divided into those that an engine has and those that are sent.
pub(super) struct Choice {
    form: Form,
    location: String,
    /// The layers that are sent, each once.
    pub(super) sent: Vec<(Wanted, Sent)>,
    layers: Vec<LoadedLayer>,
    known: HashSet<(Sha256, bool)>,
}

impl Choice {
    pub(super) fn new(form: Form, location: &str) -> Self {
        Self { form, location: location.to_owned(), sent: Vec::new(), layers: Vec::new(), known: HashSet::new() }
    }

    /// Adds the layers of an image, of which the engine has those that `held` says.
    pub(super) fn add(
        &mut self,
        archived: &ArchivedImage,
        held: &[bool],
        files: &dyn ArchiveFiles,
    ) -> Result<(), SyncError> {
        for ((layer, &entry), &is_held) in archived.image.layers.iter().zip(&archived.entries).zip(held) {
            let name = match self.form {
                Form::Plain => layer.diff_id,
                Form::Blob => layer.blob.digest,
            };
            // A layer may stand in an image twice.
            if !self.known.insert((name, is_held)) {
                continue;
            }
            let mut bytes = layer.blob.bytes;
            if !is_held {
                let (wanted, sent) = self.source(layer, entry, files)?;
                bytes = sent.bytes;
                self.sent.push((wanted, sent));
            }
            self.layers.push(LoadedLayer { digest: name.to_string(), bytes, sent: !is_held });
        }
        Ok(())
    }

    /// Where the bytes of a layer come from.
    fn source(
        &self,
        layer: &Layer,
        entry: Option<usize>,
        files: &dyn ArchiveFiles,
    ) -> Result<(Wanted, Sent), SyncError> {
        let sent = |digest, bytes| Sent { layer: layer.clone(), digest, bytes };
        let parts = || files.parts().iter().enumerate();
        let plain = parts().find(|(_, part)| part.name == *layer.diff_id.as_bytes());
        let stored = entry.and_then(|entry| Some((entry, files.entries().get(entry)?)));
        let is_plain = self.form == Form::Plain || layer.blob.digest == layer.diff_id;
        if let Some((number, part)) = plain.filter(|_| is_plain) {
            return Ok((Wanted::Plain(number), sent(Some(layer.diff_id), part.plain_bytes)));
        }
        let Some((number, entry)) = stored else {
            let reason = format!("it has no layer {}, which the engine lacks, too", layer.blob.digest);
            return Err(SyncError::NoImage { location: self.location.clone(), reason });
        };
        // An engine that asks for tars takes compressed ones, too, and checks what they hold. A layer without a digest
        // of its stored form is either of the two.
        let is_checked_here = self.form == Form::Blob || layer.blob.digest != layer.diff_id;
        let digest = Some(layer.blob.digest).filter(|_| is_checked_here);
        Ok((Wanted::Stored(number), sent(digest, entry.stored_bytes)))
    }

    /// The wanted files of the archive, in the order in which they are sent.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        self.sent.iter().map(|(wanted, _)| *wanted).collect()
    }

    /// Whether this sends layers that an earlier choice did not.
    pub(super) fn asks_more_than(&self, earlier: &Self) -> bool {
        let earlier: HashSet<Wanted> = earlier.wanted().into_iter().collect();
        self.sent.iter().any(|(wanted, _)| !earlier.contains(wanted))
    }

    /// Writes the layers into a report.
    pub(super) fn count(&self, report: &mut LoadReport) {
        report.layers = self.layers.clone();
        let count = |is_sent: bool| {
            let layers = self.layers.iter().filter(move |layer| layer.sent == is_sent);
            layers.fold((0, 0), |(count, bytes), layer| (count + 1, bytes + layer.bytes))
        };
        (report.layers_held, report.bytes_held) = count(false);
        (report.layers_sent, report.bytes_sent) = count(true);
    }
}
