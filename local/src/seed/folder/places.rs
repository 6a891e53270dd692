//! The places in a folder where files of an image may be. The folder may be the image's root, hold it somewhere, or be a
//! folder of the image itself.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::GuessedFiles;
use crate::seed::rooted::Rooted;
use crate::seed::roots;

/// The number of files that are looked for in a place.
const SAMPLE: usize = 64;
/// The most places that are guessed. Each missing chunk is looked for in all of them.
const MAX_PLACES: usize = 16;

/// The guess that files of the image below `image` are below `folder`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    folder: PathBuf,
    image: PathBuf,
}

impl Place {
    /// The path in the folder of a file of the image.
    pub(super) fn of(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.image).ok().map(|rest| self.folder.join(rest))
    }
}

/// The files of an image by which places are judged.
struct Sample<'f> {
    files: Vec<(&'f Path, u64)>,
    /// The number of files that the sample stands for.
    of: usize,
}

impl<'f> Sample<'f> {
    fn new(files: &'f GuessedFiles, below: &Path) -> Self {
        let all = || files.0.values().filter(|(_, path)| path.starts_with(below));
        let of = all().count();
        let taken = all().step_by(of.div_ceil(SAMPLE).max(1));
        Self { files: taken.map(|(range, path)| (path.as_path(), range.end - range.start)).collect(), of }
    }

    /// The number of files that these places have, by their sizes.
    fn found(&self, root: &Rooted, places: &[Place]) -> usize {
        let has = |path: Option<PathBuf>, bytes: u64| {
            let stat = path.and_then(|path| root.stat_file(&path).ok());
            stat.is_some_and(|stat| u64::try_from(stat.st_size).is_ok_and(|size| size == bytes))
        };
        let is_found = |(path, bytes): &&(&Path, u64)| places.iter().any(|place| has(place.of(path), *bytes));
        self.files.iter().filter(is_found).count()
    }
}

/// Finds the places that have files of an image, the best first. `large` has the large files of the folder. The result
/// also has how many of 1,000 files the places have.
pub(super) fn find(root: &Rooted, large: &[(PathBuf, u64)], files: &GuessedFiles) -> (Vec<Place>, usize) {
    let whole = Sample::new(files, Path::new(""));
    let share = |places: &[Place]| (whole.found(root, places) * 1000).checked_div(whole.files.len()).unwrap_or(1000);
    let own = [Place::default()];
    if share(&own) >= 900 {
        return (own.to_vec(), share(&own));
    }
    let below = roots::below(root).into_iter().map(|folder| Place { folder, ..Place::default() });
    let candidates = own.into_iter().chain(below).chain(voted(large, files));
    let judged = candidates.filter_map(|place| {
        let of_place;
        let sample = if place.image.as_os_str().is_empty() {
            &whole
        } else {
            of_place = Sample::new(files, &place.image);
            &of_place
        };
        let found = sample.found(root, std::slice::from_ref(&place));
        (found > 0).then(|| (found * sample.of / sample.files.len(), place))
    });
    let mut judged: Vec<(usize, Place)> = judged.collect();
    judged.sort_by(|one, other| other.cmp(one));
    judged.dedup();
    let places: Vec<Place> = judged.into_iter().take(MAX_PLACES).map(|(_, place)| place).collect();
    let share = share(&places);
    (places, share)
}

/// The places to which files of the same name and size point, those with the most files first.
fn voted(large: &[(PathBuf, u64)], files: &GuessedFiles) -> Vec<Place> {
    let mut by_name: HashMap<(Option<&OsStr>, u64), &Path> = HashMap::new();
    for (range, path) in files.0.values() {
        by_name.insert((path.file_name(), range.end - range.start), path);
    }
    let mut votes: HashMap<Place, usize> = HashMap::new();
    for (path, bytes) in large {
        let Some(image) = by_name.get(&(path.file_name(), *bytes)) else { continue };
        let (mut here, mut there) = (path.components(), image.components());
        while here.as_path().file_name() == there.as_path().file_name() && there.next_back().is_some() {
            here.next_back();
        }
        let place = Place { folder: here.as_path().to_owned(), image: there.as_path().to_owned() };
        *votes.entry(place).or_default() += 1;
    }
    let mut votes: Vec<(usize, Place)> = votes.into_iter().map(|(place, votes)| (votes, place)).collect();
    votes.sort_by(|one, other| other.cmp(one));
    votes.into_iter().take(MAX_PLACES).map(|(_, place)| place).collect()
}
