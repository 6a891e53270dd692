//! The memory of which channels and counters this machine has seen.
//!
//! The folder has two kinds of files, each a small JSON object that is replaced as a whole:
//!
//! ```text
//! channel-<hash of its name>.json    {"channel":"stable","counter":7}      the highest counter of a channel
//! index-<hash of its place>.json     {"channel":"stable","counter":0}      the channel of the last image from there
//! ```
//!
//! The counter belongs to the channel wherever its index lies, so that a mirror cannot serve an older one. An image
//! without a channel has its counter in the second file. The query of a URL does not count, since it often holds a
//! signature that changes with each request.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use regrow_index::Claims;
use regrow_paths::{Access, Ownership, Place, PrivateProblem, open_private};
use serde::{Deserialize, Serialize};

use crate::Location;

/// The largest size of a file of the folder. Names of channels have at most 255 bytes.
const MAX_BYTES: u64 = 4096;

/// What a file of the folder says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    channel: String,
    counter: u64,
}

/// What was seen of an index's place and of a channel until now, and what will be remembered.
#[derive(Debug)]
pub(super) struct State {
    folder: PathBuf,
    index: Known,
    channel: Known,
    claims: Claims,
    /// The problems of reading, each once.
    problems: Vec<String>,
}

/// A file of the folder, and what it said.
#[derive(Debug)]
struct Known {
    name: OsString,
    record: Option<Record>,
}

/// A reason why the folder cannot be used.
#[derive(Debug)]
pub(super) enum StateProblem {
    /// The folder or a file in it cannot be used.
    Private(PrivateProblem),
    /// A file says nothing that is known.
    Damaged(PathBuf),
}

impl From<PrivateProblem> for StateProblem {
    fn from(problem: PrivateProblem) -> Self {
        Self::Private(problem)
    }
}

impl fmt::Display for StateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(problem) => problem.fmt(f),
            Self::Damaged(path) => write!(f, "{}: is damaged", path.display()),
        }
    }
}

impl State {
    /// Reads what is known of this place and this channel. A file that cannot be read is a problem, but no error.
    pub(super) fn read(folder: &Path, location: &Location, claims: &Claims) -> Self {
        let mut problems = Vec::new();
        let mut read = |kind, of: &str| {
            let name = file_name(kind, of);
            let record = open_private(folder, false).map_err(StateProblem::from).and_then(|place| match place {
                Some(place) => read_record(&place, &name),
                None => Ok(None),
            });
            let record = record.unwrap_or_else(|problem| {
                problems.push(problem.to_string());
                None
            });
            Known { name, record }
        };
        let (index, channel) = (read("index", &place_of(location)), read("channel", &claims.channel));
        problems.dedup();
        Self { folder: folder.to_owned(), index, channel, claims: claims.clone(), problems }
    }

    /// The problems of reading, in words.
    pub(super) fn problems(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(String::as_str)
    }

    /// Whether this problem was met when the state was read.
    pub(super) fn is_told(&self, problem: &StateProblem) -> bool {
        self.problems.contains(&problem.to_string())
    }

    /// The channel of the last image from the same place.
    pub(super) fn last_channel(&self) -> Option<&str> {
        self.index.record.as_ref().map(|record| record.channel.as_str())
    }

    /// The highest counter that was seen, or 0.
    pub(super) fn highest_counter(&self) -> u64 {
        let known = if self.claims.channel.is_empty() { &self.index } else { &self.channel };
        known.record.as_ref().map_or(0, |record| record.counter)
    }

    /// Remembers the image. If it is older than one that was seen, the user wanted that, and its counter counts.
    pub(super) fn write(&self) -> Result<(), StateProblem> {
        let Some(place) = open_private(&self.folder, true)? else { return Ok(()) };
        // Other runs of this user wait here. On a file system without locks they do not.
        let lock = place.as_file().map_err(|error| PrivateProblem::Io(self.folder.clone(), error))?;
        let _ = lock.lock();
        let Claims { channel, counter, .. } = &self.claims;
        if channel.is_empty() {
            return write_record(&place, &self.index, channel, *counter);
        }
        write_record(&place, &self.index, channel, 0)?;
        write_record(&place, &self.channel, channel, *counter)
    }
}

fn write_record(place: &Place, known: &Known, channel: &str, counter: u64) -> Result<(), StateProblem> {
    let mut record = Record { channel: channel.to_owned(), counter };
    // Another run may have seen a newer image meanwhile.
    let now = read_record(place, &known.name).unwrap_or_default();
    if let Some(now) = now.as_ref().filter(|now| Some(*now) != known.record.as_ref() && now.channel == channel) {
        record.counter = counter.max(now.counter);
    }
    if now.as_ref() == Some(&record) {
        return Ok(());
    }
    replace(place, &known.name, &record).map_err(|error| PrivateProblem::Io(place.path(&known.name), error).into())
}

/// The place of an index in one form.
fn place_of(location: &Location) -> String {
    match location {
        Location::Path(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            format!("file {}", path.display())
        }
        Location::Url(url) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        Location::Bucket(url) => url.to_string(),
        Location::Registry(url) => url.to_string(),
    }
}

fn file_name(kind: &str, of: &str) -> OsString {
    format!("{kind}-{}.json", &blake3::hash(of.as_bytes()).to_hex()[..32]).into()
}

fn read_record(place: &Place, name: &OsStr) -> Result<Option<Record>, StateProblem> {
    let io = |error| PrivateProblem::Io(place.path(name), error);
    let file = match place.find_file(name, Access::Read).map_err(io)? {
        Ownership::Absent => return Ok(None),
        Ownership::Foreign => return Err(PrivateProblem::Foreign(place.path(name)).into()),
        Ownership::Own(file) => file,
    };
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(io)?;
    serde_json::from_slice(&text).map(Some).map_err(|_| StateProblem::Damaged(place.path(name)))
}

/// Puts a record in the place of the one before it. A power cut leaves the old one or the new one.
fn replace(place: &Place, name: &OsStr, record: &Record) -> io::Result<()> {
    let mut new = OsString::from(name);
    new.push(".new");
    // Whoever holds the lock makes these files, so an old one is left over.
    place.remove_file(&new)?;
    let mut file: File = place.new_file(&new)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    file.sync_all()?;
    place.rename(&new, name)?;
    place.sync()
}
