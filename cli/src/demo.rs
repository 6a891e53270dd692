//! An update from end to end on one machine. Two images are published; another machine that holds the old one gets
//! the new one over HTTP, and has nothing else in common with the first.

mod compare;
mod table;
mod trouble;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};

use regrow_catalog::Catalog;
use regrow_store::RetryPolicy;
use regrow_sync::{
    ExtractOptions, ExtractReport, HttpOptions, Location, MakeOptions, MakeReport, Network, Output, Progress, extract,
    make,
};
use serde::Serialize;

use crate::failure::{Code, Failure};
use crate::serve::{RequestLog, Served, Server};

pub(crate) use trouble::Trouble;

/// The images that are shipped.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    pub(crate) old: PathBuf,
    pub(crate) new: PathBuf,
}

/// The result of a demo.
#[derive(Debug, Serialize)]
pub(crate) struct DemoReport {
    /// The report of publishing the old image into an empty store.
    publish_old: MakeReport,
    /// The report of publishing the new image into the same store, with a patch from the old one.
    publish_new: MakeReport,
    /// The update of a machine that holds the old image, as the machine saw it.
    update: ExtractReport,
    /// The same update, as the server saw it.
    served: Served,
    /// The bytes that the same machine would fetch if there were no patch.
    as_chunks: ExtractReport,
    /// The bytes that a machine without seeds would fetch from the same store.
    whole: ExtractReport,
    /// The number of bytes that were sent, in percent of the new image.
    sent_percent: f64,
    /// Whether the result is the new image, byte for byte.
    is_identical: bool,
}

impl DemoReport {
    /// Checks that everything is as it must be.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if !self.is_identical {
            return Err(Failure::new(
                Code::Damaged,
                "the rebuilt image is not the new image; this is a fault of regrow",
            ));
        }
        let (counted, told) = (self.served, (self.update.requests, self.update.bytes_fetched));
        if (counted.requests, counted.body_bytes) != told {
            let message = format!(
                "the server counted {} bytes in {} requests, the machine {} in {}; this is a fault of regrow",
                counted.body_bytes, counted.requests, told.1, told.0
            );
            return Err(Failure::new(Code::General, message));
        }
        Ok(())
    }

    /// The report for people, in aligned columns.
    pub(crate) fn table(&self) -> String {
        table::table(self)
    }
}

/// Ships `images.new` to a machine that holds `images.old`. All files are written into `folder`, which must exist.
pub(crate) fn run(
    folder: &Path,
    images: &Images,
    log: RequestLog,
    progress: &dyn Progress,
) -> Result<DemoReport, Trouble> {
    let (site, machine) = (folder.join("www"), folder.join("machine"));
    std::fs::create_dir(&site).and_then(|()| std::fs::create_dir(&machine))?;
    let publish_old = publish(&site, ("old.rgx", &images.old), None, progress)?;
    let publish_new = publish(&site, ("new.rgx", &images.new), Some(("old.rgx", &images.old)), progress)?;
    let server = Server::start_on_loopback(&site, log)?;
    let index = Location::Url(format!("{}new.rgx", server.url()));
    let updated = machine.join("updated");
    let mut options = ExtractOptions {
        seeds: vec![images.old.clone()],
        catalog: Some(Catalog::open(&machine.join("catalog.sqlite"))),
        ..ExtractOptions::default()
    };
    let update = extract(&index, Output::File(updated.clone()), &options, &mut network(&machine)?, progress)?;
    let served = server.served();
    options.patches = false;
    options.dry_run = true;
    let as_chunks = extract(&index, Output::File(machine.join("chunks")), &options, &mut network(&machine)?, progress)?;
    options = ExtractOptions { dry_run: true, ..ExtractOptions::default() };
    let whole = extract(&index, Output::File(machine.join("whole")), &options, &mut network(&machine)?, progress)?;
    server.stop();
    let is_identical = compare::is_identical(&images.new, &updated)?;
    let sent_percent = percent(served.body_bytes, publish_new.image_bytes).unwrap_or(0.0);
    Ok(DemoReport { publish_old, publish_new, update, served, as_chunks, whole, sent_percent, is_identical })
}

/// Publishes an image under a name, with a patch from another image if one is given.
fn publish(
    site: &Path,
    (index, image): (&str, &Path),
    old: Option<(&str, &Path)>,
    progress: &dyn Progress,
) -> Result<MakeReport, Trouble> {
    let open = |error| Failure::new(Code::General, format!("{}: {error}", image.display()));
    let mut file = File::open(image).map_err(open)?;
    let bytes = file.metadata().map_err(open)?.len();
    let options = MakeOptions {
        patch_from: old.iter().map(|(index, _)| Location::Path(site.join(index)).into()).collect(),
        old_files: old.iter().map(|(_, file)| file.to_path_buf()).collect(),
        image_file: Some(file.try_clone().map_err(open)?),
        ..MakeOptions::new(site.join("store"), site.join(index))
    };
    Ok(make(&mut file, image, Some(bytes), &options, &mut network(site)?, progress)?)
}

/// A machine's network to the server, without any proxy. Each machine has its own, so that connections and counts
/// are its own, and so is its folder for temporary files.
fn network(scratch: &Path) -> Result<Network, Failure> {
    let options = HttpOptions { use_proxies: false, ..HttpOptions::default() };
    Ok(Network::new(options, RetryPolicy::default(), scratch)?)
}

/// The percentage of `part` in `whole`, or `None` if `whole` is 0.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}
