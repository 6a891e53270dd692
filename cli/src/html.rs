//! The page that `diff --html` writes: an update's cost as maps and tables, for the people who decide what to rebuild.
//!
//! The page is one file without scripts, fonts or images, and fetches nothing. All text in it comes from images and
//! so from strangers; `escape` is the only way into the page.

mod escape;
mod file;
mod layout;
mod map;
mod table;
mod tree;

use regrow_sync::DiffReport;

use crate::size::{commas, counted, show};
use escape::text;
pub(crate) use file::{check_place, write};
use map::map;
use table::table;
use tree::{Measure, Node, tree};

/// The beginning of each page, by which a page is known as one of ours.
const BEGINNING: &str = "<!DOCTYPE html>\n<!-- regrow diff -->\n";
const STYLE: &str = include_str!("html/page.css");

/// Makes the page of a report. The names of both indexes are shown.
pub(crate) fn page(report: &DiffReport, old: &str, new: &str) -> String {
    let root = tree(report);
    let mut out = format!(
        "{BEGINNING}<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>What an update to {} costs</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        text(new)
    );
    out += &format!(
        "<header>\n<h1>What an update costs</h1>\n<p>From <b>{}</b> to <b>{}</b></p>\n</header>\n<main>\n",
        text(old),
        text(new)
    );
    out += &summary(report);
    out += "<section aria-labelledby=\"all\">\n<h2 id=\"all\">The whole update</h2>\n";
    out += &maps(&root, "all");
    out += &layers(&root);
    out += "</section>\n";
    for (number, layer) in layers_of(&root) {
        out += &section(number, layer);
    }
    out += "</main>\n</body>\n</html>\n";
    out
}

/// The top nodes that have paths of their own.
fn layers_of(root: &Node) -> impl Iterator<Item = (usize, &Node)> {
    root.children.iter().enumerate().filter(|(_, node)| !node.children.is_empty())
}

fn summary(report: &DiffReport) -> String {
    let mut rows = vec![
        ("By chunks, from a store that serves any pair", report.bytes, counted(report.requests, "request")),
        ("New image", report.new_bytes, String::new()),
    ];
    if let Some(bytes) = report.bytes_patch_made {
        let all = bytes + report.bytes_index;
        let saved = if all < report.bytes { (report.bytes - all) as f64 * 100.0 / report.bytes as f64 } else { 0.0 };
        rows.insert(1, ("By a patch, with the index", all, format!("2 requests, saves {saved:.0} %")));
    }
    let most = rows.iter().map(|row| row.1).max().unwrap_or(0);
    let row = |(name, bytes, more): (&str, u64, String)| {
        let exact = commas(bytes);
        let bar = table::bar(bytes, most);
        format!("<tr><th scope=\"row\">{name}</th><td class=\"n\">{exact}</td><td>{bar}</td><td>{more}</td></tr>\n")
    };
    let rows: String = rows.into_iter().map(row).collect();
    format!(
        "<table>\n<caption>Bytes that a machine with the old image downloads</caption>\n<tbody>\n{rows}</tbody>\n</table>\n"
    )
}

/// The maps of a node, side by side.
fn maps(node: &Node, id: &str) -> String {
    let figures: String = [Measure::Chunks, Measure::Patch]
        .into_iter()
        .filter(|&measure| node.bytes(measure) > 0)
        .map(|measure| map(node, measure, &format!("{id}-{}", measure.key())))
        .collect();
    format!("<div class=\"maps\">\n{figures}</div>\n")
}

/// The table of layers, with links to their sections.
fn layers(root: &Node) -> String {
    let name = |(number, node): (usize, &Node)| match node.children.is_empty() {
        true => text(&node.name),
        false => format!("<a href=\"#layer-{number}\">{}</a>", text(&node.name)),
    };
    let rows: Vec<(String, &Node)> =
        root.children.iter().enumerate().map(|(number, node)| (name((number, node)), node)).collect();
    table("By layer", "Layer", &rows, root)
}

/// The maps and the largest paths of one layer.
fn section(number: usize, layer: &Node) -> String {
    let id = format!("layer-{number}");
    let paths = layer.leaves();
    let rows: Vec<(String, &Node)> = paths.iter().map(|(path, node)| (text(path), *node)).collect();
    let count = commas(rows.len() as u64);
    let mut out = format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n", text(&layer.name));
    out +=
        &format!("<p>{count} paths, {} as chunks. <a href=\"#all\">Back to all layers</a></p>\n", show(layer.chunks));
    out += &maps(layer, &id);
    out += &table("By path, most expensive first", "Path", &rows, layer);
    out += "</section>\n";
    out
}

#[cfg(test)]
mod tests;
