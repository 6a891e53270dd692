//! The report of a demo, for people.

use regrow_sync::MakeReport;

use super::{DemoReport, percent};
use crate::size::{commas, show};

/// The space between columns.
const GAP: &str = "   ";

/// The report as three small tables, the first column to the left and numbers to the right.
pub(super) fn table(report: &DemoReport) -> String {
    let publish = aligned(&[
        row(["PUBLISHED", "image", "time", "chunks", "new to the store", "stored"]),
        published("old image", &report.publish_old),
        published("new image", &report.publish_new),
    ]);
    let update = &report.update;
    // Together this is a little more than the image, since the order of a tar's parts is stated in chunks too.
    let rebuilt_bytes = update.bytes_seed + update.bytes_patch + update.bytes_store;
    let mut origins = vec![row(["UPDATED old -> new", "chunks", "bytes", "share"])];
    let old = ("from the old image", update.chunks_seed, update.bytes_seed);
    let patch = ("from the patch", update.chunks_patch, update.bytes_patch);
    let store = ("from the store", update.chunks_store, update.bytes_store);
    for (name, chunks, bytes) in [old, patch, store].into_iter().filter(|origin| origin.1 > 0) {
        origins.push(row([name, &commas(chunks), &show(bytes), &share(bytes, rebuilt_bytes)]));
    }
    let (served, as_chunks, whole) = (&report.served, &report.as_chunks, &report.whole);
    let sent = aligned(&[
        row(["SENT", "bytes", "", "of the image", "requests"]),
        cost("whole image, as it is", update.image_bytes, update.image_bytes, 1),
        cost("whole image, from the store", whole.bytes_fetched, update.image_bytes, whole.requests),
        cost("this update, as chunks", as_chunks.bytes_fetched, update.image_bytes, as_chunks.requests),
        cost("this update, by patch", served.body_bytes, update.image_bytes, served.requests),
    ]);
    [publish, "\n".to_owned(), aligned(&origins), "\n".to_owned(), sent, "\n".to_owned(), verdict(report)].concat()
}

fn row<const CELLS: usize>(cells: [&str; CELLS]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

fn published(name: &str, report: &MakeReport) -> Vec<String> {
    let seconds = format!("{:.2} s", report.elapsed.as_secs_f64());
    let patches: u64 = report.patches.iter().map(|patch| patch.bytes).sum();
    let stored = report.bytes_stored + patches + report.index_bytes;
    row([name, &show(report.image_bytes), &seconds, &commas(report.chunks), &commas(report.chunks_new), &show(stored)])
}

fn cost(name: &str, bytes: u64, image_bytes: u64, requests: u64) -> Vec<String> {
    row([name, &commas(bytes), &show(bytes), &share(bytes, image_bytes), &commas(requests)])
}

fn share(bytes: u64, image_bytes: u64) -> String {
    percent(bytes, image_bytes).map_or_else(|| "-".to_owned(), |percent| format!("{percent:.2} %"))
}

fn verdict(report: &DemoReport) -> String {
    let result = if report.is_identical { "the same as the new image, byte for byte" } else { "NOT the new image" };
    format!("The update took {:.2} s; its result is {result}.\n", report.update.elapsed.as_secs_f64())
}

/// The lines of a table whose rows have equal lengths.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width_of(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [row(["A", "bytes"]), row(["longer", "1"])];
        assert_eq!(aligned(&rows), "A        bytes\nlonger       1\n");
        assert_eq!(share(1, 0), "-");
        assert_eq!(share(1, 3), "33.33 %");
    }
}
