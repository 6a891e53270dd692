//! Hard links: which files have several names, and whether they have the same names in two trees.

use std::collections::HashMap;

use crate::tree::{Folder, NodeId, Tree};

/// The number of names of each node in a part of a tree.
struct Counts(Vec<u32>);

impl Counts {
    fn of(tree: &Tree, from: Option<NodeId>) -> Self {
        let mut counts = vec![0u32; tree.nodes.len()];
        let mut todo: Vec<NodeId> = from.into_iter().collect();
        while let Some(at) = todo.pop() {
            counts[at.0 as usize] += 1;
            if let Some(folder) = tree.folder(at) {
                todo.extend(folder.names.values());
            }
        }
        Self(counts)
    }

    fn get(&self, id: NodeId) -> u32 {
        self.0[id.0 as usize]
    }
}

/// The file of the old tree that has a new file's names.
struct Partner {
    old: NodeId,
    /// The number of names that both have.
    shared: u32,
    /// Whether there is only this one.
    is_only: bool,
}

/// The hard links of two trees.
pub(crate) struct Links {
    old: Counts,
    new: Counts,
    /// For each file of the new tree that has several names, and shares one with a file of the old tree.
    partners: HashMap<NodeId, Partner>,
}

impl Links {
    /// Compares the hard links beneath two places.
    pub(crate) fn of(old: (&Tree, Option<NodeId>), new: (&Tree, Option<NodeId>)) -> Self {
        let mut links = Self { old: Counts::of(old.0, old.1), new: Counts::of(new.0, new.1), partners: HashMap::new() };
        let mut todo: Vec<(NodeId, NodeId)> = old.1.zip(new.1).into_iter().collect();
        while let Some((old_id, new_id)) = todo.pop() {
            match (old.0.folder(old_id), new.0.folder(new_id)) {
                (Some(old), Some(new)) => todo.extend(pairs(old, new)),
                (None, None) => links.pair(old_id, new_id),
                _ => {}
            }
        }
        links
    }

    /// Notes that two files have a name in common.
    fn pair(&mut self, old: NodeId, new: NodeId) {
        if self.new.get(new) > 1 {
            let partner = self.partners.entry(new).or_insert(Partner { old, shared: 0, is_only: true });
            partner.shared += 1;
            partner.is_only &= partner.old == old;
        }
    }

    /// Whether a file of the new tree has several names there.
    pub(crate) fn is_linked(&self, new: NodeId) -> bool {
        self.new.get(new) > 1
    }

    /// Whether both files, which have a name in common, have all their names in common.
    pub(crate) fn are_same(&self, old: NodeId, new: NodeId) -> bool {
        let (old_names, new_names) = (self.old.get(old), self.new.get(new));
        if new_names <= 1 {
            return old_names <= 1;
        }
        let partner = self.partners.get(&new);
        old_names == new_names && partner.is_some_and(|partner| partner.is_only && partner.shared == new_names)
    }
}

/// The nodes that have the same name in both folders.
fn pairs<'t>(old: &'t Folder, new: &'t Folder) -> impl Iterator<Item = (NodeId, NodeId)> + 't {
    new.names.iter().filter_map(|(name, &new)| old.names.get(name).map(|&old| (old, new)))
}
