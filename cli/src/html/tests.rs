//! The whole page.

use regrow_sync::{DiffReport, PathCost};

use super::*;

fn cost(path: &str, bytes: u64, patch: u64) -> PathCost {
    PathCost { path: path.to_owned(), bytes, bytes_plain: bytes * 2, bytes_patch: Some(patch) }
}

fn report(paths: Vec<PathCost>, archives: &[&str]) -> DiffReport {
    let sum = |bytes: fn(&PathCost) -> u64| paths.iter().map(bytes).sum::<u64>();
    let (bytes, patch) = (sum(|path| path.bytes) + 300, sum(|path| path.bytes_patch.unwrap_or(0)) + 30);
    DiffReport {
        old_bytes: 1 << 20,
        new_bytes: 2 << 20,
        old_disk: None,
        new_disk: None,
        bytes,
        requests: 7,
        formats_differ: false,
        rebuilt: Vec::new(),
        bytes_index: 50,
        bytes_tables: 100,
        bytes_frames: bytes - 150,
        chunks: 9,
        bytes_plain: 2 * bytes,
        archives: archives.iter().map(|path| cost(path, 1, 1)).collect(),
        paths,
        bytes_headers: 100,
        bytes_other: 200,
        bytes_patch: None,
        patch_present: false,
        bytes_patch_made: Some(patch),
        bytes_patch_headers: Some(10),
        bytes_patch_other: Some(20),
    }
}

#[test]
fn the_tree_has_layers_and_folders_and_adds_up() {
    let paths = vec![
        cost("a!b/layer.tar!usr/lib/x/one", 1000, 100),
        cost("a!b/layer.tar!usr/lib/x/two", 500, 50),
        cost("a!b/layer.tar!etc/odd!name", 50, 5),
        cost("a!b/layer.tar", 7, 0),
        cost("manifest.json", 70, 7),
    ];
    let root = tree(&report(paths, &["", "a!b/layer.tar"]));
    assert_eq!((root.chunks, root.patch), (1927, 192));
    let names: Vec<&str> = root.children.iter().map(|node| node.name.as_str()).collect();
    let others = ["(index, tables and the like)", "(headers: names, times, owners)", "(the image itself)"];
    assert_eq!(names, ["a!b/layer.tar", others[0], others[1], others[2]]);
    let leaves: Vec<String> = root.children[0].leaves().into_iter().map(|(path, _)| path).collect();
    assert_eq!(leaves, ["usr/lib/x/one", "usr/lib/x/two", "etc/odd!name", "(contents)"]);
    assert_eq!(root.children[0].children[0].name, "usr/lib/x");
}

#[test]
fn paths_cannot_leave_their_place_in_the_page() {
    let bad = "</text></svg><script>alert(1)</script>\u{1b}\u{202e}\"'&<img src=x onerror=alert(1)>";
    let page = page(&report(vec![cost(bad, 9000, 900), cost("ok", 10, 1)], &[""]), bad, bad);
    assert!(page.starts_with(BEGINNING));
    assert!(
        !page.contains("<script") && !page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\u{202e}')
    );
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\u{1b}"));
    // Nothing is fetched, and no address stands anywhere.
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("url("));
}

#[test]
fn every_path_has_a_row_or_is_counted_in_one() {
    let paths = (0..1000).map(|n| cost(&format!("dir/{n}"), 1000 - n % 10, 1)).collect();
    let page = page(&report(paths, &[""]), "old.rgx", "new.rgx");
    assert!(page.contains("<th scope=\"row\">700 more</th>"));
    assert_eq!(page.matches("<figure>").count(), 4);
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
}

#[test]
fn paths_of_any_depth_are_taken() {
    let deep = "d/".repeat(2000);
    let page = page(&report(vec![cost(&format!("{deep}a"), 9, 1), cost(&format!("{deep}b"), 8, 1)], &[""]), "o", "n");
    assert!(page.ends_with("</html>\n"));
}
