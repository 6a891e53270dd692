//! Shows how good the bases are that `--patch-from auto` picks. It makes patches between all pairs of some images, which
//! takes a while, and compares what is picked for each image with the best base.
//!
//! ```text
//! cargo run --release -p regrow-sync --example bases -- [--level N] IMAGE...
//! cargo run --release -p regrow-sync --example bases -- [--level N] --series OLD NEW
//! ```
//!
//! A series is nine releases between two image archives: root file systems, each with the new version of some more
//! files. Two of them are a branch.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use regrow_sync::{
    BaseChoice, HttpOptions, MakeOptions, Network, NoProgress, PatchLevel, PatchOptions, RetryPolicy, make, patch,
    patch_from,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;
/// The entries of a root file system, by path.
type Tree = BTreeMap<Vec<u8>, (tar::Header, Vec<u8>)>;

/// An image: its name, its file, and its id in the store.
struct Image {
    name: String,
    file: PathBuf,
    index: PathBuf,
    id: String,
}

#[expect(clippy::print_stdout, reason = "the table is what this is for")]
fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut level = PatchLevel::default();
    if arguments.first().is_some_and(|first| first == "--level") {
        level = arguments.get(1).ok_or("--level needs a number")?.parse()?;
        arguments.drain(..2);
    }
    let work = tempfile::tempdir()?;
    let files: Vec<PathBuf> = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--series", old, new] => series(Path::new(old), Path::new(new), work.path())?,
        [] | ["--series", ..] => return Err("give images, or --series OLD NEW".into()),
        images => images.iter().map(PathBuf::from).collect(),
    };
    let images = files.into_iter().map(|file| publish(file, work.path())).collect::<Result<Vec<_>>>()?;
    println!("| image | picks | the better one | patch | best | patch | ratio | choice |");
    println!("|---|--:|---|--:|---|--:|--:|--:|");
    for target in &images {
        let patches = patches_to(target, &images, level)?;
        let Some((best, least)) = patches.iter().min_by_key(|(_, bytes)| *bytes) else { continue };
        let start = Instant::now();
        let options = options(target, target, level);
        let report = patch_from(&[BaseChoice::Similar(1)], options, &mut network()?, &NoProgress)?;
        let seconds = start.elapsed().as_secs_f64();
        let picks = report.patches.len();
        let Some(report) = report.patches.iter().min_by_key(|patch| patch.bytes) else {
            println!("| {} | 0 | | | {} | {least} | | {seconds:.2} s |", target.name, best.name);
            continue;
        };
        let picked = images.iter().find(|image| image.id == report.base_id).map_or("?", |image| &image.name);
        let ratio = report.bytes as f64 / *least as f64;
        println!(
            "| {} | {picks} | {picked} | {} | {} | {least} | {ratio:.3} | {seconds:.2} s |",
            target.name, report.bytes, best.name
        );
    }
    Ok(())
}

fn network() -> Result<Network> {
    Ok(Network::new(HttpOptions::default(), RetryPolicy::default(), std::env::temp_dir())?)
}

/// Makes an image's index and packs.
fn publish(file: PathBuf, work: &Path) -> Result<Image> {
    let last: Vec<_> = file.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    let name = match last.as_slice() {
        [name, folder] if !file.starts_with(work) => format!("{folder}/{name}"),
        _ => last[0].to_string(),
    };
    let name = name.trim_end_matches(".tar").to_owned();
    let index = work.join(name.replace('/', "-") + ".rgx");
    let options = MakeOptions::new(work.join("store"), index.clone());
    let report = make(&mut File::open(&file)?, &file, None, &options, &mut network()?, &NoProgress)?;
    Ok(Image { name, file, index, id: report.image_id })
}

fn options(base: &Image, target: &Image, patch_level: PatchLevel) -> PatchOptions {
    PatchOptions {
        old_files: vec![base.file.clone()],
        new_file: Some(target.file.clone()),
        level: patch_level,
        least_saving: 0,
        announce: false,
        ..PatchOptions::new(base.index.clone(), target.index.clone())
    }
}

/// Makes a patch from each other image, and returns the sizes.
fn patches_to<'i>(target: &Image, images: &'i [Image], level: PatchLevel) -> Result<Vec<(&'i Image, u64)>> {
    let mut patches = Vec::new();
    for base in images.iter().filter(|base| base.id != target.id) {
        let report = patch(&options(base, target, level), &mut network()?, &NoProgress)?;
        patches.push((base, report.bytes));
    }
    Ok(patches)
}

/// Writes the releases of a series, and returns their files.
fn series(old: &Path, new: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let (old, new) = (tree(old)?, tree(new)?);
    let mut files = Vec::new();
    let mut write = |name: String, is_new: &dyn Fn(&[u8]) -> bool| -> Result<()> {
        let path = folder.join(name);
        let mut builder = tar::Builder::new(File::create(&path)?);
        let paths: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for entry in paths.into_iter().filter_map(|path| if is_new(path) { new.get(path) } else { old.get(path) }) {
            builder.append(&entry.0, entry.1.as_slice())?;
        }
        builder.finish()?;
        files.push(path);
        Ok(())
    };
    for release in 0..=6 {
        write(format!("r{release}.tar"), &|path| share(path, "main") < f64::from(release) / 6.0)?;
    }
    for release in 1..=2 {
        let branch = |path: &[u8]| share(path, "main") < 2.0 / 6.0 || share(path, "side") < f64::from(release) / 9.0;
        write(format!("b{release}.tar"), &branch)?;
    }
    Ok(files)
}

/// A number from 0 to 1 for a path.
fn share(path: &[u8], salt: &str) -> f64 {
    let hash = blake3::Hasher::new().update(salt.as_bytes()).update(path).finalize();
    f64::from(u32::from_le_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 4]))) / f64::from(u32::MAX)
}

/// The entries of all plain layers of an image archive.
fn tree(archive: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    for layer in tar::Archive::new(File::open(archive)?).entries()? {
        let mut layer = layer?;
        if !layer.path_bytes().ends_with(b".tar") || !layer.header().entry_type().is_file() {
            continue;
        }
        let mut bytes = Vec::new();
        layer.read_to_end(&mut bytes)?;
        for entry in tar::Archive::new(Cursor::new(bytes)).entries()? {
            let mut entry = entry?;
            let mut data = Vec::new();
            entry.read_to_end(&mut data)?;
            let (path, header) = (entry.path_bytes().into_owned(), entry.header().clone());
            tree.insert(path, (header, data));
        }
    }
    Ok(tree)
}
