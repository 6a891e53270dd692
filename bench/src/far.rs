//! Publishing into a bucket on the loopback compared with a folder, and an update over a long and narrow link.

use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::child::{Cost, ENDPOINT, flow, flow_with};
use crate::delay_proxy::{DelayProxy, Distance};
use crate::flows::{digest, text};
use crate::host;
use crate::s3server::S3Server;
use crate::table::{self, Table, commas};
use crate::timing::Rate;

/// The distant link: its round trip, and its bits per second.
const ROUND_TRIP: Duration = Duration::from_millis(50);
const BITS_PER_SECOND: u64 = 20_000_000;

/// The best of several runs.
#[derive(Default)]
struct Best {
    time: Option<Duration>,
    peak_bytes: u64,
    sent_bytes: u64,
    requests: u64,
}

impl Best {
    fn add(&mut self, report: &serde_json::Value, cost: Cost) {
        let number = |name: &str| report.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        self.time = Some(self.time.map_or(cost.time, |time| time.min(cost.time)));
        self.peak_bytes = self.peak_bytes.max(cost.peak_bytes);
        (self.sent_bytes, self.requests) = (number("bytes_sent"), number("requests"));
    }

    fn time(&self) -> Duration {
        self.time.unwrap_or_default()
    }
}

/// The table of what publishing costs, in a folder and in a bucket in turn. This process is the server.
pub(crate) fn publish(old: &Path, new: &Path, folder: &Path, runs: usize) -> Result<String> {
    let root = tempfile::tempdir_in(folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let server = runtime.block_on(S3Server::start(root.path()));
    let mut found: [[Best; 2]; 2] = Default::default();
    for run in 0..runs {
        // Each run uses a new bucket and a new folder.
        let name = format!("bucket-{run}");
        server.create_bucket(&name);
        let disk = root.path().join(format!("folder-{run}"));
        std::fs::create_dir(&disk)?;
        for (image, kept, best) in [(old, "old.rgx", 0), (new, "new.rgx", 1)] {
            let places = [text(&disk)?.to_owned(), format!("s3://{name}")];
            for (place, best) in places.iter().zip(&mut found[best]) {
                let arguments = ["make", &format!("{place}/store"), &format!("{place}/{kept}"), text(image)?];
                let (report, cost) =
                    flow_with(&arguments, &[(ENDPOINT, server.endpoint()), ("TMPDIR", text(root.path())?)])?;
                best.add(&report, cost);
            }
        }
        std::fs::remove_dir_all(&disk)?;
        std::fs::remove_dir_all(root.path().join(&name))?;
    }
    let mut rows =
        Table::new(&["publish", "folder", "bucket", "rate", "of the folder's", "peak memory", "sent", "requests"]);
    for (what, image, [disk, bucket]) in [("OLD, the first", old, &found[0]), ("NEW after OLD", new, &found[1])] {
        let bytes = image.metadata()?.len();
        let (in_folder, in_bucket) = (Rate::new(bytes, disk.time()), Rate::new(bytes, bucket.time()));
        rows.row(&[
            what.into(),
            seconds(disk.time()),
            seconds(bucket.time()),
            table::rate(in_bucket),
            table::share(in_bucket, in_folder),
            table::megabytes(bucket.peak_bytes),
            commas(bucket.sent_bytes),
            commas(bucket.requests),
        ]);
    }
    Ok(rows.finish())
}

/// The table of an update over the distant link, compared with the time that the link takes for the bytes alone.
pub(crate) fn update(old: &Path, new: &Path, folder: &Path, runs: usize) -> Result<String> {
    let root = tempfile::tempdir_in(folder)?;
    let root = root.path();
    for (index, image) in [("old.rgx", old), ("new.rgx", new)] {
        flow(&["make", text(&root.join("store"))?, text(&root.join(index))?, text(image)?])?;
    }
    let host = host::serve(root)?;
    let distance = Distance { round_trip: ROUND_TRIP, bytes_per_second: BITS_PER_SECOND / 8 };
    let (out, catalog) = (root.join("out"), root.join("catalog.sqlite"));
    let title = format!("update at {} ms and {} Mbit/s", ROUND_TRIP.as_millis(), BITS_PER_SECOND / 1_000_000);
    let mut rows =
        Table::new(&[&title, "time", "fetched", "requests", "the link alone", "over it", "with no distance"]);
    for (what, seed, known) in
        [("no seed", None, false), ("seed OLD", Some(old), false), ("seed OLD known to the catalog", Some(old), true)]
    {
        let (mut far, mut near, mut fetched) = (Best::default(), Best::default(), 0);
        for _ in 0..runs {
            let proxy = DelayProxy::start(host, distance)?;
            for (base, best) in [(format!("http://{host}"), &mut near), (proxy.url(), &mut far)] {
                if !known && catalog.exists() {
                    std::fs::remove_file(&catalog)?;
                }
                let url = format!("{base}/new.rgx");
                let mut arguments = vec!["extract", &url, text(&out)?, text(&catalog)?];
                arguments.extend(seed.map(text).transpose()?);
                let (report, cost) = flow(&arguments)?;
                best.add(&report, cost);
                fetched = report.get("bytes_fetched").and_then(serde_json::Value::as_u64).unwrap_or(0);
                if digest(&out)? != digest(new)? {
                    return Err("extract gave another image".into());
                }
                std::fs::remove_file(&out)?;
            }
        }
        let alone = Duration::from_secs_f64(fetched as f64 * 8.0 / BITS_PER_SECOND as f64);
        rows.row(&[
            what.into(),
            seconds(far.time()),
            commas(fetched),
            commas(far.requests),
            seconds(alone),
            format!("{:+.0} %", 100.0 * (far.time().as_secs_f64() / alone.as_secs_f64().max(1e-9) - 1.0)),
            seconds(near.time()),
        ]);
    }
    Ok(rows.finish())
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
