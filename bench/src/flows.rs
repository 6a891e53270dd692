//! Whole flows through the library, in processes of their own.

use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::child::{Cost, flow};
use crate::host;
use crate::stages::Limits;
use crate::table::{self, Table, commas};
use crate::timing::{Rate, median};

/// The cost of the update, with which other tools are compared.
pub(crate) struct Update {
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    pub(crate) make: Cost,
    pub(crate) extract: Cost,
}

/// The runs of one flow.
#[derive(Default)]
struct Runs {
    costs: Vec<Cost>,
    wire: Option<(u64, u64)>,
}

impl Runs {
    fn add(&mut self, (report, cost): (serde_json::Value, Cost)) {
        let number = |name: &str| report.get(name).and_then(serde_json::Value::as_u64);
        self.wire = number("bytes_fetched").zip(number("requests"));
        self.costs.push(cost);
    }

    fn cost(&self) -> Cost {
        let time: Duration = median(self.costs.iter().map(|cost| cost.time).collect());
        Cost { time, peak_bytes: self.costs.iter().map(|cost| cost.peak_bytes).max().unwrap_or(0) }
    }
}

/// The table of flows, and the cost of the update.
pub(crate) fn measure(old: &Path, new: &Path, folder: &Path, runs: usize, limits: &Limits) -> Result<(String, Update)> {
    let root = tempfile::tempdir_in(folder)?;
    let [first, update, same] = measure_make(old, new, root.path(), runs)?;
    let [cold, seeded, known] = measure_extract(old, new, root.path(), runs)?;
    let mut rows = Table::new(&["flow", "time", "rate", "limit", "of it", "peak memory", "fetched", "requests"]);
    let (old_bytes, new_bytes) = (old.metadata()?.len(), new.metadata()?.len());
    for (name, runs, bytes, limit, what) in [
        ("make OLD, the first", &first, old_bytes, limits.compress, "zstd 9, all cores"),
        ("make NEW after OLD", &update, new_bytes, limits.read, "reading"),
        ("make NEW again", &same, new_bytes, limits.read, "reading"),
        ("extract NEW, no seed", &cold, new_bytes, limits.copy, "copying"),
        ("extract NEW, seed OLD", &seeded, new_bytes, limits.copy, "copying"),
        ("extract NEW, seed OLD known to the catalog", &known, new_bytes, limits.copy, "copying"),
    ] {
        let cost = runs.cost();
        let rate = Rate::new(bytes, cost.time);
        let (fetched, requests) =
            runs.wire.map_or_else(Default::default, |(bytes, requests)| (commas(bytes), commas(requests)));
        rows.row(&[
            name.into(),
            format!("{:.2} s", cost.time.as_secs_f64()),
            table::rate(rate),
            format!("{what} {}", table::rate(limit)),
            table::share(rate, limit),
            table::megabytes(cost.peak_bytes),
            fetched,
            requests,
        ]);
    }
    let (bytes, requests) = known.wire.ok_or("extract told no costs")?;
    Ok((rows.finish(), Update { bytes, requests, make: update.cost(), extract: seeded.cost() }))
}

fn measure_make(old: &Path, new: &Path, root: &Path, runs: usize) -> Result<[Runs; 3]> {
    let store = root.join("store");
    let mut found: [Runs; 3] = Default::default();
    for _ in 0..runs {
        if store.exists() {
            std::fs::remove_dir_all(&store)?;
        }
        for (runs, (index, image)) in found.iter_mut().zip([("old.rgx", old), ("new.rgx", new), ("new.rgx", new)]) {
            runs.add(flow(&["make", text(&store)?, text(&root.join(index))?, text(image)?])?);
        }
    }
    Ok(found)
}

fn measure_extract(old: &Path, new: &Path, root: &Path, runs: usize) -> Result<[Runs; 3]> {
    let url = format!("http://{}/new.rgx", host::serve(root)?);
    let (out, catalog) = (root.join("out"), root.join("catalog.sqlite"));
    let mut found: [Runs; 3] = Default::default();
    for _ in 0..runs {
        if catalog.exists() {
            std::fs::remove_file(&catalog)?;
        }
        for (runs, seed) in found.iter_mut().zip([None, Some(old), Some(old)]) {
            let mut arguments = vec!["extract", &url, text(&out)?, text(&catalog)?];
            arguments.extend(seed.map(text).transpose()?);
            runs.add(flow(&arguments)?);
            if digest(&out)? != digest(new)? {
                return Err("extract gave another image".into());
            }
            std::fs::remove_file(&out)?;
        }
    }
    Ok(found)
}

pub(crate) fn digest(path: &Path) -> Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path)?)?;
    Ok(hasher.finalize())
}

pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| format!("{}: not UTF-8", path.display()).into())
}
