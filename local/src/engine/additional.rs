//! Additional image stores of containers/storage: storages that several machines or users share, named in
//! `storage.conf` (containers-storage.conf(5), `additionalimagestores`).

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{EngineStorage, StorageKind};

/// The ends of usual storages, and of the configurations that belong to them. Of several, the first one that is there
/// counts. The system's are its own, wherever it is mounted.
const SYSTEM: (&str, [&str; 2]) =
    ("var/lib/containers/storage", ["etc/containers/storage.conf", "usr/share/containers/storage.conf"]);
const USER: (&str, &str) = (".local/share/containers/storage", ".config/containers/storage.conf");
/// The largest configuration that is read.
const MAX_BYTES: u64 = 1 << 20;
/// The most stores that are looked at.
const MAX_STORES: usize = 16;
const KEY: &str = "additionalimagestores";

impl EngineStorage {
    /// The storages that the configuration of this one names beside it.
    pub fn additional(&self) -> Vec<Self> {
        let is_containers = self.kind == StorageKind::Containers;
        let Some(root) = std::path::absolute(&self.root).ok().filter(|_| is_containers) else { return Vec::new() };
        let above = |end: &str| {
            let mut above = root.as_path();
            root.ends_with(end).then(|| {
                Path::new(end).components().for_each(|_| above = above.parent().unwrap_or(above));
                above.to_owned()
            })
        };
        let (text, system) = if let Some(system) = above(SYSTEM.0) {
            (SYSTEM.1.iter().find_map(|conf| read(&system.join(conf))), system)
        } else if let Some(home) = above(USER.0) {
            (read(&home.join(USER.1)), PathBuf::from("/"))
        } else {
            return Vec::new();
        };
        let roots = stores(&text.unwrap_or_default());
        let roots = roots.into_iter().map(|root| system.join(root.strip_prefix("/").unwrap_or(&root)));
        roots.take(MAX_STORES).map(|root| Self { kind: StorageKind::Containers, root }).collect()
    }
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The absolute paths in the list of stores, which is a list of strings in TOML.
fn stores(text: &str) -> Vec<PathBuf> {
    let lines = text.lines().map(|line| line.trim_start()).filter(|line| !line.starts_with('#'));
    let mut list =
        lines.skip_while(|line| !line.strip_prefix(KEY).is_some_and(|rest| rest.trim_start().starts_with('=')));
    let mut found = Vec::new();
    let mut first = list.next().and_then(|line| line.split_once('=')).map(|(_, value)| value);
    while let Some(line) = first.take().or_else(|| list.next()) {
        let mut rest = line;
        while let Some(at) = rest.find(['"', '\'', ']', '#']) {
            let (mark, behind) = (&rest[at..=at], &rest[at + 1..]);
            match (mark, behind.split_once(mark)) {
                ("]", _) => return found,
                ("#", _) | (_, None) => break,
                (_, Some((store, behind))) => {
                    found.extend(Some(PathBuf::from(store)).filter(|store| store.is_absolute()));
                    rest = behind;
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_listed() {
        let check = |text: &str, expected: &[&str]| {
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(stores(text), expected, "{text}");
        };
        check("[storage.options]\nadditionalimagestores = [ \"/a/b\", '/c' ]\n", &["/a/b", "/c"]);
        check(
            "additionalimagestores=[\n# \"/no\",\n\"/a\", # \"/no\"\n  \"/b]\",\n]\nother = [\"/no\"]",
            &["/a", "/b]"],
        );
        check("# additionalimagestores = [\"/no\"]\nadditionalimagestoresx = [\"/no\"]", &[]);
        check("additionalimagestores = [\n]\nother = [\"/no\"]", &[]);
        check("additionalimagestores = [\"relative\", \"\", \"/open", &[]);
        check("additionalimagestores", &[]);
    }
}
