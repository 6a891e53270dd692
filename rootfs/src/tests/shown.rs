//! Trees and layers in forms that tests compare, and layers as tests write them.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;

use crate::budget::Budget;
use crate::tar::read::{Entry, Found, Reader};
use crate::tar::write::{Head, Writer};
use crate::tree::{Kind, NodeId, ROOT};
use crate::*;

/// The plain bytes of layers, by their numbers.
#[derive(Default)]
pub(super) struct Layers(pub(super) Vec<Vec<u8>>);

impl Layers {
    pub(super) fn add(&mut self, layer: Vec<u8>) -> u32 {
        self.0.push(layer);
        self.0.len() as u32 - 1
    }

    /// The tree of these layers, which get numbers here.
    pub(super) fn tree(&mut self, layers: impl IntoIterator<Item = Vec<u8>>) -> Tree {
        let mut tree = Tree::new();
        for layer in layers {
            let number = self.add(layer);
            tree.apply(self.0[number as usize].as_slice(), number).unwrap();
        }
        tree
    }

    /// The layer that makes `new` of `old`, and the tree that it makes.
    pub(super) fn between(&mut self, old: &Tree, new: &Tree, options: &DifferenceOptions) -> (Vec<u8>, Tree) {
        let mut layer = Vec::new();
        write_layer(&Difference::new(old, new, options.clone()), self, &mut layer).unwrap();
        let mut made = old.clone();
        let number = self.add(layer.clone());
        made.apply(layer.as_slice(), number).unwrap();
        assert!(Difference::new(&made, new, options.clone()).is_empty());
        (layer, made)
    }
}

impl ContentsSource for Layers {
    fn copy(&mut self, place: Place, bytes: u64, out: &mut dyn Write) -> std::io::Result<()> {
        let at = place.at as usize;
        out.write_all(&self.0[place.layer as usize][at..at + bytes as usize])
    }
}

/// Everything about each path, as text. Hard links show the first path of their file.
pub(super) fn shown(tree: &Tree) -> BTreeMap<String, String> {
    let mut all = Vec::new();
    let mut todo = vec![(String::new(), ROOT)];
    while let Some((path, id)) = todo.pop() {
        if let Some(folder) = tree.folder(id) {
            let names = folder.names.iter();
            todo.extend(names.map(|(name, &id)| (format!("{path}/{}", String::from_utf8_lossy(name)), id)));
        }
        all.push((path, id));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let mut first: HashMap<NodeId, String> = HashMap::new();
    let show = |(path, id): (String, NodeId)| {
        let first = first.entry(id).or_insert_with(|| path.clone()).clone();
        let node = tree.node(id);
        let text = match &node.kind {
            Kind::Folder(folder) if folder.is_implied => "implied".to_owned(),
            Kind::Folder(_) => format!("folder {:?}", node.metadata),
            Kind::Special(Special::File(contents)) => {
                format!("{first} {} {:?} {:?}", contents.bytes, contents.hash, node.metadata)
            }
            Kind::Special(special) => format!("{first} {special:?} {:?}", node.metadata),
        };
        (path, text)
    };
    all.into_iter().map(show).collect()
}

/// The entries of a layer.
pub(super) fn entries(layer: &[u8]) -> Vec<Entry> {
    let mut budget = Budget::default();
    let mut reader = Reader::new(layer, 0, &mut budget);
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

/// The paths of a layer's entries, with a slash behind folders and the target behind hard links.
pub(super) fn paths(layer: &[u8]) -> Vec<String> {
    let text = |path: &FsPath| String::from_utf8_lossy(path.as_bytes()).into_owned();
    let show = |entry: Entry| match entry.found {
        Found::Folder => format!("{}/", text(&entry.path)),
        Found::Link(target) => format!("{} = {}", text(&entry.path), text(&target)),
        Found::Special(_) => text(&entry.path),
    };
    entries(layer).into_iter().map(show).collect()
}

/// A layer that a test writes.
pub(super) struct Made(Writer<Vec<u8>>);

pub(super) fn metadata(mode: u16, seconds: i64) -> Metadata {
    Metadata { mode, uid: 0, gid: 0, modified: Time { seconds, nanos: 0 }, xattrs: None }
}

pub(super) fn with_xattr(metadata: Metadata, name: &str, value: &[u8]) -> Metadata {
    let xattrs = Xattrs::from([(name.as_bytes().to_vec(), value.to_vec())]);
    Metadata { xattrs: Some(Arc::new(xattrs)), ..metadata }
}

impl Made {
    pub(super) fn new() -> Self {
        Self(Writer::new(Vec::new()))
    }

    fn entry(mut self, flag: u8, path: &str, link: &str, metadata: &Metadata) -> Self {
        let (path, link_name, device) = (path.as_bytes(), link.as_bytes(), None);
        self.0.entry(&Head { flag, path, link_name, metadata, device }).unwrap();
        self
    }

    pub(super) fn folder(self, path: &str) -> Self {
        self.folder_with(path, &metadata(0o755, 1))
    }

    pub(super) fn folder_with(self, path: &str, metadata: &Metadata) -> Self {
        self.entry(b'5', path, "", metadata)
    }

    pub(super) fn file(self, path: &str, contents: &str) -> Self {
        self.file_with(path, contents, &metadata(0o644, 1))
    }

    pub(super) fn file_with(mut self, path: &str, contents: &str, metadata: &Metadata) -> Self {
        let (bytes, place) = (contents.len() as u64, Place { layer: 0, at: 0 });
        let data = Contents { hash: meta::ContentsHash([0; 32]), bytes, place, runs: None };
        let head = Head { flag: b'0', path: path.as_bytes(), link_name: b"", metadata, device: None };
        self.0.file(&head, &data, |out| out.write_all(contents.as_bytes())).unwrap();
        self
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        self.entry(b'1', path, target, &metadata(0o644, 1))
    }

    pub(super) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(b'2', path, target, &metadata(0o777, 1))
    }

    pub(super) fn device(mut self, path: &str, flag: u8, major: u32, minor: u32) -> Self {
        let device = (flag != b'6').then_some(DeviceNumber { major, minor });
        let metadata = metadata(0o600, 1);
        self.0.entry(&Head { flag, path: path.as_bytes(), link_name: b"", metadata: &metadata, device }).unwrap();
        self
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.0.finish().unwrap()
    }
}
