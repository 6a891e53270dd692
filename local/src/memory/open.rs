//! Makes remembered parts again, from the files of a folder: an unpacked image, or the folders in which an engine keeps
//! layers apart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Memory, PartFile};
use crate::engine::{EngineStorage, OpenedStorage, StorageKind, WantedLayers};
use crate::seed::layer::{LayerData, OpenFiles, SplitLayer};
use crate::seed::rooted::Rooted;
use crate::seed::{SeedContext, Seeds, layered, roots};
use crate::{FileSeed, LocalError, StorageFault};

/// The number of a part's files that are looked for in a folder first.
const SAMPLE: usize = 64;
/// The most folders that are read for a part, where several have files of the right sizes.
const MAX_READ: usize = 3;

/// The folders in which files are looked for.
struct Roots {
    folder: PathBuf,
    /// Their paths in the folder.
    roots: Vec<(PathBuf, Rooted)>,
    /// Whether the folders below were searched.
    is_searched: bool,
}

/// A folder that has files of a part.
#[derive(Clone, Copy)]
struct Match {
    part: PartFile,
    root: usize,
    /// Of 1,000 files of the part, how many are there.
    share: usize,
}

/// What came of the parts.
#[derive(Default)]
struct Outcome {
    /// The parts of bases that some folder has files of, and how many of them are not what they were.
    seen: usize,
    changed: usize,
    /// A file that is not there any more, or has another size.
    missing: Option<PathBuf>,
}

impl Memory {
    /// Opens the wanted parts of which the files are in a folder, or in the folders below it in which engines keep
    /// layers, as seeds. One line tells of parts that are not what they were; they serve as seeds all the same.
    ///
    /// # Errors
    /// The folder cannot be opened, or the time is over.
    pub fn open_parts(
        &self,
        folder: &Path,
        wanted: &mut WantedLayers,
        seeds: &mut Seeds,
        context: &SeedContext<'_>,
    ) -> Result<OpenedStorage, LocalError> {
        let root = Rooted::open(folder).map_err(LocalError::io(folder))?;
        let mut roots = Roots { folder: folder.to_owned(), roots: vec![(PathBuf::new(), root)], is_searched: false };
        let storage = EngineStorage { kind: StorageKind::Folder, root: folder.to_owned() };
        let (mut opened, mut outcome) = (OpenedStorage { storage, layers: 0, bytes: 0 }, Outcome::default());
        let open = Arc::default();
        let mut parts: Vec<PartFile> = self.parts().into_iter().filter(|part| wanted.wants(&part.name)).collect();
        parts.sort_by_key(|part| !wanted.is_of_base(&part.name));
        for variants in parts.chunk_by(|one, other| one.name == other.name) {
            if wanted.is_enough() {
                break;
            }
            let (matches, mut kept) = (self.matches(variants, &mut roots, &open), None);
            // Those of the new image may be remembered, too, and need not be here.
            let is_of_base = wanted.is_of_base(&variants[0].name);
            outcome.seen += usize::from(is_of_base && !matches.is_empty());
            for found in matches.into_iter().take(MAX_READ) {
                let bytes = wanted.size_of(&found.part.name);
                match self.open_part_in(&found, &roots, (&open, bytes, context), &mut outcome) {
                    Ok(seed) => {
                        let units = seed.scan().units(context.params);
                        let is_whole = wanted.take(&found.part.name, &units.map_or_else(Vec::new, |units| units.parts));
                        if is_whole {
                            opened.layers += 1;
                            let parts = seed.scan().parts().iter();
                            opened.bytes += parts.map(|part| part.plain.end - part.plain.start).sum::<u64>();
                        }
                        if is_whole || kept.is_none() {
                            kept = Some((seed, is_whole));
                        }
                        if is_whole {
                            break;
                        }
                    }
                    Err(error @ (LocalError::TimeUp { .. } | LocalError::Worker | LocalError::Threads(_))) => {
                        return Err(error);
                    }
                    Err(error) => context.progress.warn(&format!("seed: {error}")),
                }
            }
            if let Some((seed, is_whole)) = kept {
                outcome.changed += usize::from(is_of_base && !is_whole);
                seeds.seeds.push(Box::new(seed));
            }
        }
        if outcome.changed > 0 && !wanted.is_enough() {
            outcome.warn(folder, context);
        }
        Ok(opened)
    }

    /// The folders that have at least half of the files of a part, the likeliest first.
    fn matches(&self, variants: &[PartFile], roots: &mut Roots, open: &Arc<OpenFiles>) -> Vec<Match> {
        let load = |&part: &PartFile| Some((part, self.load(&part, &roots.roots[0].1, PathBuf::new(), open).ok()?));
        let layers: Vec<(PartFile, SplitLayer)> = variants.iter().filter_map(load).collect();
        let (mut matches, mut number) = (Vec::<Match>::new(), 0);
        while let Some((_, root)) = roots.roots.get(number) {
            let matched = |(part, layer): &(PartFile, SplitLayer)| Match {
                part: *part,
                root: number,
                share: layer.share_in(root, SAMPLE),
            };
            matches.extend(layers.iter().map(matched));
            number += 1;
            if number == 1 && !matches.iter().any(|found| found.share == 1000) {
                roots.search();
            }
        }
        matches.retain(|found| found.share >= 500);
        matches.sort_by_key(|found| std::cmp::Reverse(found.share));
        let likeliest = matches.first().map_or(0, |found| found.share);
        matches.retain(|found| found.share == likeliest);
        matches
    }

    /// Reads the description of a part whose files are in a folder.
    fn load(
        &self,
        part: &PartFile,
        root: &Rooted,
        place: PathBuf,
        open: &Arc<OpenFiles>,
    ) -> Result<SplitLayer, StorageFault> {
        let file = self.open_part(part).map_err(StorageFault::Unreadable)?;
        let copy = file.try_clone().map_err(StorageFault::Unreadable)?;
        let root = root.folder(Path::new(".")).map_err(StorageFault::Unreadable)?;
        let mut layer = SplitLayer::empty(copy, root, place, Arc::clone(open));
        Self::read_part(part, file, &mut layer)?;
        Ok(layer)
    }

    fn open_part_in(
        &self,
        found: &Match,
        roots: &Roots,
        (open, bytes, context): (&Arc<OpenFiles>, Option<u64>, &SeedContext<'_>),
        outcome: &mut Outcome,
    ) -> Result<FileSeed, LocalError> {
        let (path, root) = &roots.roots[found.root];
        let shown = self.folder().join(found.part.file_name());
        let fault = |fault| LocalError::Storage { path: shown.clone(), fault };
        let mut layer = self.load(&found.part, root, roots.folder.join(path), open).map_err(fault)?;
        // The files of an unpacked image may change. So what the catalog remembers goes by the state of all of them.
        let missing = layer.look_at_files();
        outcome.missing = outcome.missing.take().or(missing);
        layered::open(LayerData::Split(layer), &shown, bytes, context)
    }
}

impl Roots {
    /// Adds the folders below in which engines keep layers.
    fn search(&mut self) {
        if !std::mem::replace(&mut self.is_searched, true) {
            let (_, folder) = &self.roots[0];
            let found = roots::below(folder);
            let found = found.into_iter().filter_map(|path| Some((folder.folder(&path).ok()?, path)));
            let found: Vec<_> = found.map(|(root, path)| (path, root)).collect();
            self.roots.extend(found);
        }
    }
}

impl Outcome {
    fn warn(&self, folder: &Path, context: &SeedContext<'_>) {
        let (folder, changed, seen) = (folder.display(), self.changed, self.seen);
        let such = self.missing.as_ref().map_or_else(String::new, |path| format!(", such as {}", path.display()));
        context.progress.warn(&format!(
            "seed: {folder}: files of {changed} of the {seen} layers there changed or are gone{such}; no patch can start \
             from those layers"
        ));
    }
}
