//! The difference of two trees: the entries of the layer that makes one of the other.

use std::collections::HashMap;
use std::vec::IntoIter;

use crate::links::Links;
use crate::meta::{Metadata, Special};
use crate::path::FsPath;
use crate::tree::{Folder, Kind, Node, NodeId, ROOT, Tree};

/// What counts as a difference.
#[derive(Debug, Clone, Default)]
pub struct DifferenceOptions {
    /// Compare only what lies at this path and beneath it. The root stands for everything.
    pub below: FsPath,
    /// Take entries that differ by nothing but their times as equal.
    pub ignore_times: bool,
}

/// The reason why an entry is in the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// There was nothing at its path.
    New,
    /// There was something of another kind.
    Kind,
    /// It holds something else: contents, a target, a device.
    Contents,
    /// Its names as hard links are others.
    Links,
    /// Its mode, owner or extended attributes differ.
    Metadata,
    /// Nothing but its time differs.
    Times,
    /// Something in the folder differs. The folder itself is the same, and the layer says so: else engines make up its
    /// metadata.
    Within,
}

/// An entry of the layer that makes the new tree of the old one.
#[derive(Debug)]
pub enum Change<'t> {
    /// What the old tree has at the path is not there any more.
    Gone {
        /// The metadata of the folder around it.
        above: &'t Metadata,
    },
    /// A folder.
    Folder {
        /// Its metadata.
        metadata: &'t Metadata,
        /// The reason.
        why: Why,
    },
    /// Something else.
    Special {
        /// Its metadata.
        metadata: &'t Metadata,
        /// What it is.
        special: &'t Special,
        /// The reason.
        why: Why,
        /// The path of the same file that came before, if it has several names.
        link_to: Option<FsPath>,
    },
}

impl Change<'_> {
    /// The reason why the entry is in the layer. A whiteout has none.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        match self {
            Self::Gone { .. } => None,
            Self::Folder { why, .. } | Self::Special { why, .. } => Some(*why),
        }
    }
}

/// The difference of two trees.
pub struct Difference<'t> {
    old: &'t Tree,
    new: &'t Tree,
    options: DifferenceOptions,
    links: Links,
}

/// A folder that is being compared.
struct Level<'t> {
    /// The folder of the old tree.
    old: Option<NodeId>,
    /// The names that are still to be compared, and what the new tree has there.
    names: IntoIter<(&'t [u8], Option<NodeId>)>,
    /// The reason why the folder is told, until it is told.
    untold: Option<Why>,
    /// The metadata that the folder gets.
    metadata: &'t Metadata,
    /// The number of bytes of the present path that are the folder's path.
    path_bytes: usize,
}

impl<'t> Difference<'t> {
    /// Prepares to compare two trees.
    #[must_use]
    pub fn new(old: &'t Tree, new: &'t Tree, options: DifferenceOptions) -> Self {
        let links = Links::of((old, old.find(ROOT, &options.below)), (new, new.find(ROOT, &options.below)));
        Self { old, new, options, links }
    }

    /// Tells each change with its path: a folder before what is in it, names in the order of their bytes, but whiteouts
    /// of a folder first.
    ///
    /// # Errors
    /// What `tell` returns.
    pub fn for_each<E>(&self, mut tell: impl FnMut(&FsPath, Change<'t>) -> Result<(), E>) -> Result<(), E> {
        let mut walk = Walk { difference: self, levels: Vec::new(), path: FsPath::default(), first: HashMap::new() };
        let mut above = (Some(ROOT), Some(ROOT));
        let mut names = self.options.below.names().peekable();
        if names.peek().is_none() {
            walk.enter(above, &mut tell)?;
        }
        while let Some(name) = names.next() {
            walk.pass(above);
            above = (name_in(self.old, above.0, name), name_in(self.new, above.1, name));
            match names.peek() {
                None => walk.compare(name, above, &mut tell)?,
                Some(_) => walk.path.push(name),
            }
        }
        walk.run(&mut tell)
    }

    /// Whether there is no difference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.for_each(|_, _| Err(())).is_ok()
    }

    /// The reason why something other than a folder must be written, if there is one.
    fn reason(&self, old: Option<NodeId>, new: NodeId) -> Option<Why> {
        let Some(old) = old else { return Some(Why::New) };
        let (old_node, new_node) = (self.old.node(old), self.new.node(new));
        let (Kind::Special(old_special), Kind::Special(new_special)) = (&old_node.kind, &new_node.kind) else {
            return Some(Why::Kind);
        };
        if std::mem::discriminant(old_special) != std::mem::discriminant(new_special) {
            return Some(Why::Kind);
        }
        if !old_special.is_same(new_special) {
            return Some(Why::Contents);
        }
        if !self.links.are_same(old, new) {
            return Some(Why::Links);
        }
        self.reason_of_metadata(old_node, new_node)
    }

    fn reason_of_metadata(&self, old: &Node, new: &Node) -> Option<Why> {
        if !old.metadata.is_same_but_for_times(&new.metadata) {
            return Some(Why::Metadata);
        }
        (old.metadata.modified != new.metadata.modified && !self.options.ignore_times).then_some(Why::Times)
    }
}

/// The changes on their way.
struct Walk<'d, 't> {
    difference: &'d Difference<'t>,
    /// The folders around the present path.
    levels: Vec<Level<'t>>,
    path: FsPath,
    /// The paths at which files with several names were told first.
    first: HashMap<NodeId, FsPath>,
}

/// What both trees have at a path.
type Both = (Option<NodeId>, Option<NodeId>);

impl<'t> Walk<'_, 't> {
    fn run<E>(&mut self, tell: &mut impl FnMut(&FsPath, Change<'t>) -> Result<(), E>) -> Result<(), E> {
        while let Some(level) = self.levels.last_mut() {
            let Some((name, new)) = level.names.next() else {
                self.levels.pop();
                self.path.pop();
                continue;
            };
            let old = name_in(self.difference.old, level.old, name);
            self.compare(name, (old, new), tell)?;
        }
        Ok(())
    }

    /// Compares what has this name in the present folder.
    fn compare<E>(
        &mut self,
        name: &[u8],
        (old, new): Both,
        tell: &mut impl FnMut(&FsPath, Change<'t>) -> Result<(), E>,
    ) -> Result<(), E> {
        let difference = self.difference;
        self.path.push(name);
        match new.map(|new| (new, difference.new.node(new))) {
            None if old.is_none() => {}
            None => {
                self.tell_folders(tell)?;
                if let Some(level) = self.levels.last() {
                    tell(&self.path, Change::Gone { above: level.metadata })?;
                }
            }
            Some((_, Node { kind: Kind::Folder(_), .. })) => return self.enter((old, new), tell),
            Some((new, Node { kind: Kind::Special(special), metadata })) => {
                if let Some(why) = difference.reason(old, new) {
                    self.tell_folders(tell)?;
                    let link_to = self.first.get(&new).cloned();
                    if link_to.is_none() && difference.links.is_linked(new) {
                        self.first.insert(new, self.path.clone());
                    }
                    tell(&self.path, Change::Special { metadata, special, why, link_to })?;
                }
            }
        }
        self.path.pop();
        Ok(())
    }

    /// Begins with a folder of the new tree, whose path is the present one.
    fn enter<E>(
        &mut self,
        (old, new): Both,
        tell: &mut impl FnMut(&FsPath, Change<'t>) -> Result<(), E>,
    ) -> Result<(), E> {
        let old_folder = folder(self.difference.old, old);
        let Some((new_node, new_folder)) = folder(self.difference.new, new) else { return Ok(()) };
        let (metadata, why) = match old_folder {
            // Engines make up what no layer states, so the old metadata does as well.
            Some((old_node, _)) if new_folder.is_implied => (&old_node.metadata, None),
            Some((old_node, _)) => (&new_node.metadata, self.difference.reason_of_metadata(old_node, new_node)),
            None => (&new_node.metadata, Some(if old.is_some() { Why::Kind } else { Why::New })),
        };
        let gone = old_folder.into_iter().flat_map(|(_, folder)| folder.names.keys());
        let gone = gone.filter(|name| !new_folder.names.contains_key(*name)).map(|name| (&**name, None));
        let names = gone.chain(new_folder.names.iter().map(|(name, &id)| (&**name, Some(id))));
        let names = Vec::from_iter(names).into_iter();
        self.push_level(old_folder.and(old), names, metadata, (new_folder.is_implied, why.unwrap_or(Why::Within)));
        if why.is_some() { self.tell_folders(tell) } else { Ok(()) }
    }

    /// Passes through a folder on the way to the only path that is compared. It stays as it was.
    fn pass(&mut self, (old, new): Both) {
        let old_folder = folder(self.difference.old, old);
        let Some((node, known)) = old_folder.or(folder(self.difference.new, new)) else { return };
        let why = match old_folder {
            Some(_) => Why::Within,
            None if old.is_some() => Why::Kind,
            None => Why::New,
        };
        self.push_level(None, Vec::new().into_iter(), &node.metadata, (known.is_implied, why));
    }

    fn push_level(
        &mut self,
        old: Option<NodeId>,
        names: IntoIter<(&'t [u8], Option<NodeId>)>,
        metadata: &'t Metadata,
        (is_implied, why): (bool, Why),
    ) {
        // If no layer describes the root, this one does not either.
        let is_told = self.path.is_root() && is_implied;
        let path_bytes = self.path.as_bytes().len();
        self.levels.push(Level { old, names, untold: (!is_told).then_some(why), metadata, path_bytes });
    }

    /// Tells the folders around the present path that were not told yet.
    fn tell_folders<E>(&mut self, tell: &mut impl FnMut(&FsPath, Change<'t>) -> Result<(), E>) -> Result<(), E> {
        let first = self.levels.iter().rposition(|level| level.untold.is_none()).map_or(0, |told| told + 1);
        for level in &mut self.levels[first..] {
            if let Some(why) = level.untold.take() {
                let path = self.path.prefix(level.path_bytes);
                tell(&path, Change::Folder { metadata: level.metadata, why })?;
            }
        }
        Ok(())
    }
}

/// A node that is a folder, and what it holds.
fn folder(tree: &Tree, id: Option<NodeId>) -> Option<(&Node, &Folder)> {
    let node = tree.node(id?);
    Some((node, node.folder()?))
}

/// What a folder has under a name.
fn name_in(tree: &Tree, folder_id: Option<NodeId>, name: &[u8]) -> Option<NodeId> {
    folder(tree, folder_id)?.1.names.get(name).copied()
}
