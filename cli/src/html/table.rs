//! Tables with a row for each layer or path. They have the same numbers as the maps, for those who do not see them.

use super::tree::Node;
use crate::size::commas;

/// The largest number of rows. What is left out has a row of its own, so that rows add up.
const MOST_ROWS: usize = 300;

/// A table of nodes, whose names are escaped already. Their sum is `whole`.
pub(super) fn table(caption: &str, what: &str, rows: &[(String, &Node)], whole: &Node) -> String {
    let has_patch = whole.patch > 0;
    let head = |name: &str| format!("<th scope=\"col\">{name}</th>");
    let patch_head = if has_patch { format!("{}{}", head("in a patch, bytes"), head("share")) } else { String::new() };
    let mut out = format!(
        "<table>\n<caption>{caption}</caption>\n<thead><tr>{}{}{}{patch_head}</tr></thead>\n<tbody>\n",
        head(what),
        head("in chunks, bytes"),
        head("share"),
    );
    let mut row = |name: &str, chunks: u64, patch: u64| {
        out += &format!("<tr><th scope=\"row\">{name}</th>");
        let patch = has_patch.then_some((patch, whole.patch));
        for (bytes, all) in [(chunks, whole.chunks)].into_iter().chain(patch) {
            out += &format!("<td class=\"n\">{}</td><td>{}</td>", commas(bytes), bar(bytes, all));
        }
        out += "</tr>\n";
    };
    let (shown, left) = rows.split_at(rows.len().min(MOST_ROWS));
    shown.iter().for_each(|(name, node)| row(name, node.chunks, node.patch));
    if !left.is_empty() {
        let sum = |bytes: fn(&Node) -> u64| left.iter().map(|(_, node)| bytes(node)).sum();
        row(&format!("{} more", commas(left.len() as u64)), sum(|node| node.chunks), sum(|node| node.patch));
    }
    row("all", whole.chunks, whole.patch);
    out += "</tbody>\n</table>\n";
    out
}

/// A bar, with its percentage for those who do not see it.
pub(super) fn bar(bytes: u64, all: u64) -> String {
    let percent = if all == 0 { 0.0 } else { bytes as f64 * 100.0 / all as f64 };
    format!("<span class=\"bar\"><span style=\"width:{percent:.2}%\"></span></span> {percent:.1} %")
}
