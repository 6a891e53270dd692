//! The tree of what an update costs: layers, folders, files.

use std::collections::HashSet;

use regrow_sync::DiffReport;

/// Folders in deeper ones than this are not told apart.
const MOST_LEVELS: usize = 24;

/// The two ways of an update, each of which has its own map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Chunks,
    Patch,
}

impl Measure {
    /// The measure's name in the ids of elements.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Chunks => "chunks",
            Self::Patch => "patch",
        }
    }

    /// The measure's name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chunks => "By chunks",
            Self::Patch => "By a patch",
        }
    }
}

/// A layer, a folder or a file, with its cost.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) chunks: u64,
    pub(super) patch: u64,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn bytes(&self, measure: Measure) -> u64 {
        match measure {
            Measure::Chunks => self.chunks,
            Measure::Patch => self.patch,
        }
    }

    /// The files below, with their paths from here, most expensive first.
    pub(super) fn leaves(&self) -> Vec<(String, &Self)> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.children.is_empty() {
                found.push((child.name.clone(), child));
            } else {
                found.extend(child.leaves().into_iter().map(|(path, node)| (joined(&child.name, &path), node)));
            }
        }
        found.sort_by_key(|found| std::cmp::Reverse((found.1.chunks, found.1.patch)));
        found
    }

    /// A node of these children, most expensive first.
    fn of(name: String, mut children: Vec<Self>) -> Self {
        children.sort_by_key(|child| std::cmp::Reverse((child.chunks, child.patch)));
        let sum = |bytes: fn(&Self) -> u64| children.iter().map(bytes).sum();
        Self { name, chunks: sum(|node| node.chunks), patch: sum(|node| node.patch), children }
    }
}

fn joined(folder: &str, path: &str) -> String {
    format!("{}/{path}", folder.trim_end_matches('/'))
}

/// A path of the report, in its parts.
struct Item<'r> {
    archive: &'r str,
    parts: Vec<&'r str>,
    chunks: u64,
    patch: u64,
}

/// Makes the tree of a report. What belongs to no path stands beside the layers, so that the whole is the update.
pub(super) fn tree(report: &DiffReport) -> Node {
    let archives: HashSet<&str> = report.archives.iter().map(|archive| archive.path.as_str()).collect();
    let mut items: Vec<Item<'_>> = report
        .paths
        .iter()
        .map(|cost| {
            let (archive, path) = split(&cost.path, &archives);
            let parts = path.splitn(MOST_LEVELS, '/').filter(|part| !part.is_empty() && *part != ".").collect();
            Item { archive, parts, chunks: cost.bytes, patch: cost.bytes_patch.unwrap_or(0) }
        })
        .collect();
    items.sort_by(|a, b| (a.archive, &a.parts).cmp(&(b.archive, &b.parts)));
    let mut layers: Vec<Node> = items
        .chunk_by(|a, b| a.archive == b.archive)
        .map(|of_layer| {
            let archive = of_layer[0].archive;
            let name = if archive.is_empty() { "(the image itself)" } else { archive };
            Node::of(name.to_owned(), grow(of_layer, 0))
        })
        .collect();
    let other = |name: &str, chunks, patch: Option<u64>| Node {
        name: name.to_owned(),
        chunks,
        patch: patch.unwrap_or(0),
        children: Vec::new(),
    };
    layers.push(other("(headers: names, times, owners)", report.bytes_headers, report.bytes_patch_headers));
    layers.push(other("(index, tables and the like)", report.bytes_other, report.bytes_patch_other));
    Node::of(String::new(), layers)
}

/// Divides a path of the report into the path of its archive and its own path there. A `!` may also be part of a name,
/// so the longest known archive is taken.
fn split<'r>(path: &'r str, archives: &HashSet<&str>) -> (&'r str, &'r str) {
    let mut ends = path.match_indices('!').map(|(at, _)| (at, at + 1)).chain([(path.len(), path.len())]);
    let known = ends.rfind(|(end, _)| archives.contains(&path[..*end]));
    known.map_or(("", path), |(end, next)| (&path[..end], &path[next..]))
}

/// Makes nodes of sorted items that agree in their first `level` parts.
fn grow(items: &[Item<'_>], level: usize) -> Vec<Node> {
    items
        .chunk_by(|a, b| a.parts.get(level).is_some() && a.parts.get(level) == b.parts.get(level))
        .map(|alike| match alike {
            [item] => {
                let rest = item.parts.get(level..).unwrap_or_default().join("/");
                let name = if rest.is_empty() { "(contents)".to_owned() } else { rest };
                Node { name, chunks: item.chunks, patch: item.patch, children: Vec::new() }
            }
            alike => {
                let folder = alike[0].parts.get(level).copied().unwrap_or_default();
                let mut children = grow(alike, level + 1);
                match children.len() {
                    // A folder with one folder in it is shown as one.
                    1 if !children[0].children.is_empty() => {
                        let only = children.remove(0);
                        Node { name: joined(folder, &only.name), ..only }
                    }
                    _ => Node::of(folder.to_owned(), children),
                }
            }
        })
        .collect()
}
