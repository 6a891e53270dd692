//! The command line.

use std::path::{Path, PathBuf};

use crate::Result;

pub(crate) const HELP: &str = "\
Usage: regrow-bench [--against OLDER NEWER] [--gzip] [--s3] [--peers] [--chart FILE] [--runs N] [--dir DIR] [OLD NEW]...

Measures regrow on pairs of images; with none, on the pair that `regrow demo` makes.

  --against OLDER NEWER
              run the commands of two binaries by turns instead, and print the ratios of their times
  --gzip      also encode deflate streams as known encoders do, and time the installed originals
  --s3        also publish into a bucket on the loopback, and update over a distant link
  --peers     also run casync, xdelta3, zstd --patch-from and HDiffPatch (Python's hdiffpatch), if they are installed
  --chart FILE
              do so, and draw an SVG image of the bytes that each takes against its time
  --runs N    runs of each measurement, whose median is reported [default: 5]
  --dir DIR   folder for stores and outputs [default: /dev/shm, or the temporary folder]
";

/// The choice of what to measure.
pub(crate) struct Options {
    /// An older binary, and a newer one.
    pub(crate) against: Option<(PathBuf, PathBuf)>,
    pub(crate) gzip: bool,
    pub(crate) s3: bool,
    pub(crate) peers: bool,
    pub(crate) chart: Option<PathBuf>,
    pub(crate) runs: usize,
    pub(crate) folder: PathBuf,
    pub(crate) pairs: Vec<(PathBuf, PathBuf)>,
}

impl Options {
    /// Parses the arguments. The result is `None` if help is asked for.
    pub(crate) fn parse(arguments: &[String]) -> Result<Option<Self>> {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let mut options = Self {
            against: None,
            gzip: false,
            s3: false,
            peers: false,
            chart: None,
            runs: 5,
            folder,
            pairs: Vec::new(),
        };
        let mut images = Vec::new();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--against" => options.against = Some((binary(value()?)?, binary(value()?)?)),
                "--gzip" => options.gzip = true,
                "--s3" => options.s3 = true,
                "--peers" => options.peers = true,
                "--chart" => options.chart = Some(value()?.into()),
                "--runs" => options.runs = value()?.parse::<usize>()?.max(1),
                "--dir" => options.folder = value()?.into(),
                flag if flag.starts_with('-') => return Err(format!("{flag} is not known; see --help").into()),
                path => images.push(Path::new(path).canonicalize().map_err(|error| format!("{path}: {error}"))?),
            }
        }
        if images.len() % 2 == 1 {
            return Err("images come in pairs: OLD NEW".into());
        }
        options.pairs = images.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        Ok(Some(options))
    }

    /// The command that makes the same tables. Images are named by their last folder and name.
    pub(crate) fn command(&self) -> String {
        let mut command = "cargo run --release -p regrow-bench --".to_owned();
        if self.against.is_some() {
            command += " --against OLDER NEWER";
        }
        if self.gzip {
            command += " --gzip";
        }
        if self.s3 {
            command += " --s3";
        }
        if self.peers {
            command += " --peers";
        }
        if let Some(chart) = &self.chart {
            command += &format!(" --chart {}", chart.display());
        }
        if self.runs != 5 {
            command += &format!(" --runs {}", self.runs);
        }
        for image in self.pairs.iter().flat_map(|(old, new)| [old, new]) {
            let mut last: Vec<_> = image.iter().rev().take(2).collect();
            last.reverse();
            command += &format!(" {}", last.iter().collect::<PathBuf>().display());
        }
        command
    }
}

fn binary(path: &str) -> Result<PathBuf> {
    Path::new(path).canonicalize().map_err(|error| format!("{path}: {error}").into())
}
