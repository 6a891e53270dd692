//! Other tools on the same pair: the cost of their update on the wire and on both machines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::chart::Point;
use crate::child::{Cost, flow, watched};
use crate::flows::{Update, text};
use crate::host;
use crate::table::{Table, commas, megabytes};

/// The cost of a tool's update.
struct UpdateCost {
    bytes: u64,
    requests: u64,
    make: Cost,
    apply: Cost,
}

/// A function that updates OLD to NEW with one tool, in an empty folder.
type Run = fn(&Path, &Path, &Path) -> Result<UpdateCost>;

const PEERS: [(&str, &str, Run); 4] = [
    ("casync", "casync, 16 KiB chunks, zstd", casync),
    ("xdelta3", "xdelta3 -9, window over all of OLD", xdelta3),
    ("zstd", "zstd -19 --patch-from", zstd_patch),
    (HDIFF_PYTHON, "HDiffPatch, with LZMA2", hdiffz),
];
/// An interpreter that has the module `hdiffpatch`, and a program for it.
const HDIFF_PYTHON: &str = "python3";
const HDIFF: &str = "
import sys, hdiffpatch
verb, *paths = sys.argv[1:]
one, other = [open(path, 'rb').read() for path in paths[:2]]
made = hdiffpatch.diff(one, other, compression=hdiffpatch.COMPRESSION_LZMA2) if verb == 'diff' else hdiffpatch.apply(one, other)
open(paths[2], 'wb').write(made)
";

/// The table of all tools that are installed, and what each took. Each runs once.
pub(crate) fn measure(old: &Path, new: &Path, folder: &Path, update: &Update) -> Result<(String, Vec<Point>)> {
    let columns = ["update of OLD to NEW", "fetched", "to regrow's", "requests", "make", "memory", "apply", "memory"];
    let mut rows = Table::new(&columns);
    let own = UpdateCost { bytes: update.bytes, requests: update.requests, make: update.make, apply: update.extract };
    let mut points = Vec::new();
    let mut add = |name: &str, found: &UpdateCost| {
        let (bytes, seconds) = (found.bytes, found.apply.time.as_secs_f64());
        let short = name.split_once(", 16").map_or(name, |(short, _)| short);
        let short = short.split_once(", w").map_or(short, |(short, _)| short);
        points.push(Point { name: short.into(), bytes, seconds, is_own: name.starts_with("regrow") });
        rows.row(&row(name, found, update.bytes));
    };
    add("regrow, chunks", &own);
    let work = tempfile::tempdir_in(folder)?;
    add("regrow, a patch", &regrow_patch(old, new, work.path())?);
    let mut missing = Vec::new();
    for (program, name, run) in PEERS {
        if !is_there(program) {
            missing.push(name);
            continue;
        }
        let work = tempfile::tempdir_in(folder)?;
        add(name, &run(old, new, work.path())?);
    }
    missing.iter().for_each(|name| rows.row(&[format!("{name}: not installed")]));
    Ok((rows.finish(), points))
}

fn row(name: &str, found: &UpdateCost, own_bytes: u64) -> [String; 8] {
    let seconds = |cost: Cost| format!("{:.2} s", cost.time.as_secs_f64());
    [
        name.into(),
        commas(found.bytes),
        format!("{:.2}", found.bytes as f64 / own_bytes as f64),
        commas(found.requests),
        seconds(found.make),
        megabytes(found.make.peak_bytes),
        seconds(found.apply),
        megabytes(found.apply.peak_bytes),
    ]
}

/// Whether a tool is installed.
fn is_there(program: &str) -> bool {
    if program != HDIFF_PYTHON {
        return on_path(program);
    }
    let found = Command::new(HDIFF_PYTHON).args(["-c", "import hdiffpatch"]).output();
    found.is_ok_and(|output| output.status.success())
}

pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs the update with a patch. The machine's catalog is empty.
fn regrow_patch(old: &Path, new: &Path, work: &Path) -> Result<UpdateCost> {
    let (store, old_index, new_index) = (work.join("store"), work.join("old.rgx"), work.join("new.rgx"));
    flow(&["make", text(&store)?, text(&old_index)?, text(old)?])?;
    let (_, make) = flow(&["make", text(&store)?, text(&new_index)?, text(new)?, text(&old_index)?, text(old)?])?;
    let url = format!("http://{}/new.rgx", host::serve(work)?);
    let (out, catalog) = (work.join("out"), work.join("catalog.sqlite"));
    let (report, apply) = flow(&["extract", &url, text(&out)?, text(&catalog)?, text(old)?])?;
    check(new, &out)?;
    let number = |name: &str| report.get(name).and_then(serde_json::Value::as_u64).ok_or("extract told no costs");
    Ok(UpdateCost { bytes: number("bytes_fetched")?, requests: number("requests")?, make, apply })
}

/// Runs the update with casync. Each chunk is one request, and the index is another.
fn casync(old: &Path, new: &Path, work: &Path) -> Result<UpdateCost> {
    let (store, index) = (work.join("store"), work.join("new.caibx"));
    let command = |verb: &str| {
        let mut command = Command::new("casync");
        command.arg(verb).arg("--store").arg(&store).args(["--chunk-size=16384", "--compression=zstd"]);
        command
    };
    watched(command("make").arg(work.join("old.caibx")).arg(old))?;
    let before = files_of(&store)?;
    let (_, make) = watched(command("make").arg(&index).arg(new))?;
    let new_chunks: Vec<u64> =
        files_of(&store)?.into_iter().filter(|(path, _)| !before.contains_key(path)).map(|(_, bytes)| bytes).collect();
    let out = work.join("out");
    let mut extract = command("extract");
    let (_, apply) = watched(extract.arg("--seed").arg(old).arg("--seed-output=no").arg(&index).arg(&out))?;
    check(new, &out)?;
    let bytes = index.metadata()?.len() + new_chunks.iter().sum::<u64>();
    Ok(UpdateCost { bytes, requests: 1 + new_chunks.len() as u64, make, apply })
}

fn files_of(folder: &Path) -> Result<BTreeMap<PathBuf, u64>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path(), entry.metadata()?.len());
            }
        }
    }
    Ok(found)
}

fn xdelta3(old: &Path, new: &Path, work: &Path) -> Result<UpdateCost> {
    let (patch, out) = (work.join("patch"), work.join("out"));
    let window = old.metadata()?.len().next_multiple_of(1 << 20).to_string();
    let command = |verb: &str, from: &Path, to: &Path| {
        let mut command = Command::new("xdelta3");
        command.args([verb, "-9", "-f", "-B", &window, "-s"]).args([old, from, to]);
        command
    };
    let (_, make) = watched(&mut command("-e", new, &patch))?;
    let (_, apply) = watched(&mut command("-d", &patch, &out))?;
    check(new, &out)?;
    Ok(UpdateCost { bytes: patch.metadata()?.len(), requests: 1, make, apply })
}

fn zstd_patch(old: &Path, new: &Path, work: &Path) -> Result<UpdateCost> {
    let (patch, out) = (work.join("patch"), work.join("out"));
    let command = |arguments: &[&str], from: &Path, to: &Path| {
        let mut command = Command::new("zstd");
        command.args(arguments).args(["-qq", "-f", "--long=31", "--patch-from"]).arg(old).arg(from).arg("-o").arg(to);
        command
    };
    let (_, make) = watched(&mut command(&["-19"], new, &patch))?;
    let (_, apply) = watched(&mut command(&["-d"], &patch, &out))?;
    check(new, &out)?;
    Ok(UpdateCost { bytes: patch.metadata()?.len(), requests: 1, make, apply })
}

fn hdiffz(old: &Path, new: &Path, work: &Path) -> Result<UpdateCost> {
    let (patch, out) = (work.join("patch"), work.join("out"));
    let command = |verb: &str, one: &Path, other: &Path, made: &Path| {
        let mut command = Command::new(HDIFF_PYTHON);
        command.args(["-c", HDIFF, verb]).args([one, other, made]);
        command
    };
    let (_, make) = watched(&mut command("diff", old, new, &patch))?;
    let (_, apply) = watched(&mut command("apply", old, &patch, &out))?;
    check(new, &out)?;
    Ok(UpdateCost { bytes: patch.metadata()?.len(), requests: 1, make, apply })
}

fn check(new: &Path, out: &Path) -> Result<()> {
    if std::fs::read(new)? == std::fs::read(out)? {
        Ok(())
    } else {
        Err(format!("{} is not NEW", out.display()).into())
    }
}
