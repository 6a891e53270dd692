//! Applies a layer to a tree. The layer's entries first make a tree of their own, which is then laid over the one
//! below, as overlay file systems do it. So the order of whiteouts and entries within the layer does not matter, as the OCI's
//! layer format demands.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::budget::Budget;
use crate::error::{RootfsError, shown};
use crate::path::{FsPath, Meaning, WHITEOUT, meaning};
use crate::tar::read::{Entry, Found};
use crate::tree::{Folder, Kind, Names, Node, NodeId, ROOT, Tree};

/// The entries of a layer, before they are laid over the tree.
pub(crate) struct Layer<'t> {
    /// The tree below. The layer's own nodes are in its list already, but in none of its folders.
    tree: &'t mut Tree,
    root: NodeId,
    whiteouts: HashMap<NodeId, BTreeSet<Box<[u8]>>>,
    opaque: HashSet<NodeId>,
}

impl<'t> Layer<'t> {
    pub(crate) fn new(tree: &'t mut Tree) -> Self {
        let root = tree.add(Node::implied());
        Self { tree, root, whiteouts: HashMap::new(), opaque: HashSet::new() }
    }

    /// Takes in an entry.
    pub(crate) fn take(&mut self, entry: Entry, budget: &mut Budget) -> Result<(), RootfsError> {
        let Entry { path, metadata, found } = entry;
        let Some((above, name)) = path.split() else {
            let Found::Folder = found else { return Err(RootfsError::Root) };
            self.describe(self.root, Node { metadata, kind: described() });
            return Ok(());
        };
        if let Some(hidden) = above.names().find(|name| name.starts_with(WHITEOUT)) {
            return match meaning(hidden, &path)? {
                Meaning::Nothing => Ok(()),
                _ => Err(RootfsError::Whiteout { path: shown(path.as_bytes()) }),
            };
        }
        match meaning(name, &path)? {
            Meaning::Nothing => return Ok(()),
            Meaning::Opaque if above.is_root() => return Err(RootfsError::OpaqueRoot),
            Meaning::Opaque => {
                let above = self.folder_at(&above, &path, budget)?;
                self.opaque.insert(above);
                return Ok(());
            }
            Meaning::Whiteout(hidden) => {
                let above = self.folder_at(&above, &path, budget)?;
                self.whiteouts.entry(above).or_default().insert(hidden.into());
                return Ok(());
            }
            Meaning::Entry => {}
        }
        let above = self.folder_at(&above, &path, budget)?;
        let kind = match found {
            Found::Folder => described(),
            Found::Special(special) => Kind::Special(special),
            Found::Link(target) => {
                let id = self.target(&path, &target)?;
                self.tree.insert(above, name, id);
                return Ok(());
            }
        };
        let node = Node { metadata, kind };
        let is_folder = |id: &NodeId| self.tree.folder(*id).is_some();
        match self.tree.folder(above).and_then(|folder| folder.names.get(name)).copied().filter(is_folder) {
            Some(known) if node.folder().is_some() => self.describe(known, node),
            _ => {
                let id = self.tree.add(node);
                self.tree.insert(above, name, id);
            }
        }
        Ok(())
    }

    /// Gives a folder its metadata.
    fn describe(&mut self, id: NodeId, stated: Node) {
        self.tree.node_mut(id).metadata = stated.metadata;
        if let Some(folder) = self.tree.folder_mut(id) {
            folder.is_implied = false;
        }
    }

    /// The file that a hard link leads to: in this layer, or below it.
    fn target(&self, path: &FsPath, target: &FsPath) -> Result<NodeId, RootfsError> {
        let found = self.tree.find(self.root, target).or_else(|| self.tree.find(ROOT, target));
        found
            .filter(|&id| self.tree.folder(id).is_none())
            .ok_or_else(|| RootfsError::Target { path: shown(path.as_bytes()), target: shown(target.as_bytes()) })
    }

    /// The folder at a path of the layer, which is made where it is missing. `path` is for errors.
    fn folder_at(&mut self, above: &FsPath, path: &FsPath, budget: &mut Budget) -> Result<NodeId, RootfsError> {
        let (mut at, mut reached) = (self.root, FsPath::default());
        for name in above.names() {
            reached.push(name);
            let known = self.tree.folder(at).and_then(|folder| folder.names.get(name)).copied();
            at = match known {
                Some(known) if self.tree.folder(known).is_none() => return Err(below_no_folder(path, &reached)),
                Some(known) => known,
                None => {
                    budget.take_implied()?;
                    let implied = self.tree.add(Node::implied());
                    self.tree.insert(at, name, implied);
                    implied
                }
            };
        }
        Ok(at)
    }

    /// Lays the layer over the tree.
    pub(crate) fn merge(mut self) -> Result<(), RootfsError> {
        let mut folders = vec![(ROOT, self.root, FsPath::default())];
        while let Some((below, above, path)) = folders.pop() {
            self.merge_folder(below, above, &path, &mut folders)?;
        }
        Ok(())
    }

    /// Lays a folder over another. Pairs of folders in them are added to `folders`.
    fn merge_folder(
        &mut self,
        below: NodeId,
        above: NodeId,
        path: &FsPath,
        folders: &mut Vec<(NodeId, NodeId, FsPath)>,
    ) -> Result<(), RootfsError> {
        let upper = std::mem::replace(self.tree.node_mut(above), Node::implied());
        let Kind::Folder(upper_folder) = upper.kind else { return Ok(()) };
        if !upper_folder.is_implied {
            self.describe(below, Node { metadata: upper.metadata, kind: described() });
        }
        let mut names = self.tree.folder_mut(below).map(|folder| std::mem::take(&mut folder.names)).unwrap_or_default();
        if self.opaque.contains(&above) {
            names.clear();
        }
        for hidden in self.whiteouts.remove(&above).into_iter().flatten() {
            names.remove(&hidden);
        }
        for (name, upper) in upper_folder.names {
            let lower = names.get(&name).copied();
            let (Some(lower), Some(folder)) = (lower, self.tree.folder(upper)) else {
                names.insert(name, upper);
                continue;
            };
            let mut path = path.clone();
            path.push(&name);
            if self.tree.folder(lower).is_some() {
                folders.push((lower, upper, path));
            } else if folder.is_implied {
                let mut within = path.clone();
                folder.names.keys().take(1).for_each(|name| within.push(name));
                return Err(below_no_folder(&within, &path));
            } else {
                names.insert(name, upper);
            }
        }
        if let Some(folder) = self.tree.folder_mut(below) {
            folder.names = names;
        }
        Ok(())
    }
}

/// The kind of a folder that a layer describes.
fn described() -> Kind {
    Kind::Folder(Folder { names: Names::new(), is_implied: false })
}

fn below_no_folder(path: &FsPath, above: &FsPath) -> RootfsError {
    RootfsError::BelowNoFolder { path: shown(path.as_bytes()), above: shown(above.as_bytes()) }
}
