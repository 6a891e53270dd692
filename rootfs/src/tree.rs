//! The root file system of an image: folders, and what they hold.

use std::collections::BTreeMap;
use std::io::Read;

use crate::apply::Layer;
use crate::budget::Budget;
use crate::error::RootfsError;
use crate::meta::{Metadata, Special};
use crate::path::FsPath;
use crate::tar::read::Reader;

/// The number of a file or folder in its tree. Hard links share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

/// The names in a folder, in their order.
pub(crate) type Names = BTreeMap<Box<[u8]>, NodeId>;

/// A file or folder.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) metadata: Metadata,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Folder(Folder),
    Special(Special),
}

/// What a folder holds.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) names: Names,
    /// Whether no layer describes the folder, but something lies in it. Engines choose its metadata.
    pub(crate) is_implied: bool,
}

impl Node {
    /// A folder that no layer describes.
    pub(crate) fn implied() -> Self {
        let folder = Folder { names: Names::new(), is_implied: true };
        Self { metadata: Metadata::of_implied(), kind: Kind::Folder(folder) }
    }

    pub(crate) fn folder(&self) -> Option<&Folder> {
        match &self.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::Special(_) => None,
        }
    }
}

/// The root file system that layers make together. It holds no contents, but their hashes and places.
///
/// It takes about 200 bytes for each entry of the layers.
#[derive(Debug, Clone)]
pub struct Tree {
    /// All nodes that layers brought. Some are in no folder any more.
    pub(crate) nodes: Vec<Node>,
    pub(crate) budget: Budget,
}

/// The root.
pub(crate) const ROOT: NodeId = NodeId(0);

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::implied()], budget: Budget::default() }
    }
}

impl Tree {
    /// Makes the empty root file system.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies the next layer, whose plain bytes `input` yields. Bytes behind the tar's end are not read. `layer` is
    /// the number that [`Place`](crate::Place) gives to the layer. After an error the tree is of no use.
    ///
    /// # Errors
    /// The layer cannot be read, or engines would refuse it or disagree about it.
    pub fn apply(&mut self, input: impl Read, layer: u32) -> Result<(), RootfsError> {
        let mut budget = std::mem::take(&mut self.budget);
        let mut reader = Reader::new(input, layer, &mut budget);
        let mut upper = Layer::new(self);
        while let Some(entry) = reader.next()? {
            upper.take(entry, reader.budget())?;
        }
        upper.merge()?;
        self.budget = budget;
        Ok(())
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    pub(crate) fn folder(&self, id: NodeId) -> Option<&Folder> {
        self.node(id).folder()
    }

    pub(crate) fn folder_mut(&mut self, id: NodeId) -> Option<&mut Folder> {
        match &mut self.node_mut(id).kind {
            Kind::Folder(folder) => Some(folder),
            Kind::Special(_) => None,
        }
    }

    /// Puts a node into a folder under this name, in the place of what had it.
    pub(crate) fn insert(&mut self, folder: NodeId, name: &[u8], id: NodeId) {
        if let Some(folder) = self.folder_mut(folder) {
            folder.names.insert(name.into(), id);
        }
    }

    /// Adds a node, which no folder holds yet.
    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        // The budget's limit of entries is far below.
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node);
        id
    }

    /// Finds what lies at a path beneath a folder. Links are not followed.
    pub(crate) fn find(&self, from: NodeId, path: &FsPath) -> Option<NodeId> {
        path.names().try_fold(from, |at, name| self.folder(at)?.names.get(name).copied())
    }

    /// Whether there is anything at a path. Links are not followed.
    #[must_use]
    pub fn has(&self, path: &FsPath) -> bool {
        self.find(ROOT, path).is_some()
    }
}
