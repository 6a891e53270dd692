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
use regrow_paths::{Access, LinkError, Ownership, Place, Trust as LinkTrust, is_sticky, walk};
use rustix::fs::{Mode, Stat};
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
    /// A folder or file belongs to others, or they may write to it.
    Foreign(PathBuf),
    /// A file says nothing that is known.
    Damaged(PathBuf),
    /// A file operation failed.
    Io(PathBuf, io::Error),
}

impl fmt::Display for StateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(path) => write!(f, "{}: others could have written it, so it is not used", path.display()),
            Self::Damaged(path) => write!(f, "{}: is damaged", path.display()),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl State {
    /// Reads what is known of this place and this channel. A file that cannot be read is a problem, but no error.
    pub(super) fn read(folder: &Path, location: &Location, claims: &Claims) -> Self {
        let mut problems = Vec::new();
        let mut read = |kind, of: &str| {
            let name = file_name(kind, of);
            let record = open(folder, Make::No).and_then(|place| match place {
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
        let Some(place) = open(&self.folder, Make::Yes)? else {
            return Err(StateProblem::Foreign(self.folder.clone()));
        };
        // Other runs of this user wait here. On a file system without locks they do not.
        let lock = place.as_file().map_err(|error| StateProblem::Io(self.folder.clone(), error))?;
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
    replace(place, &known.name, &record).map_err(|error| StateProblem::Io(place.path(&known.name), error))
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

/// Whether to make the folder if there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Make {
    Yes,
    No,
}

/// Opens the folder, if there is one or it may be made. It must be this user's alone.
fn open(folder: &Path, make: Make) -> Result<Option<Place>, StateProblem> {
    let io = |error| StateProblem::Io(folder.to_owned(), error);
    let foreign = || StateProblem::Foreign(folder.to_owned());
    let path = std::path::absolute(folder).map_err(io)?;
    let walked = walk(&path, LinkTrust::OwnLinks).map_err(|error| match error {
        LinkError::Io { path, source } => StateProblem::Io(path, source),
        _ => foreign(),
    })?;
    let (rest, obstacle) = (walked.rest.clone(), walked.obstacle.as_ref().map(io::Error::kind));
    let mut place = walked.into_place().map_err(io)?;
    let stat = place.stat_folder().map_err(io)?;
    if rest.is_empty() {
        return if is_private(&stat) { Ok(Some(place)) } else { Err(foreign()) };
    }
    match (obstacle, make) {
        (Some(io::ErrorKind::NotFound), Make::No) => return Ok(None),
        (Some(io::ErrorKind::NotFound), Make::Yes) if may_make_in(&stat) => {}
        (Some(io::ErrorKind::NotFound), Make::Yes) => return Err(foreign()),
        (Some(kind), _) => return Err(io(kind.into())),
        (None, _) => return Err(io(io::ErrorKind::NotADirectory.into())),
    }
    for name in rest {
        place = place.own_folder(&name).map_err(io)?;
    }
    Ok(Some(place))
}

fn mode_of(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode)
}

/// Whether users other than the owner may write. A group that has the owner's number is the owner's own.
fn others_write(stat: &Stat) -> bool {
    let mode = mode_of(stat);
    mode.contains(Mode::WOTH) || (mode.contains(Mode::WGRP) && stat.st_gid != stat.st_uid)
}

fn is_private(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() && !others_write(stat)
}

/// Whether nobody else can put another folder in the place of one that is made in this folder.
fn may_make_in(stat: &Stat) -> bool {
    let is_trusted = [0, rustix::process::geteuid().as_raw()].contains(&stat.st_uid);
    is_trusted && (!others_write(stat) || is_sticky(stat))
}

fn read_record(place: &Place, name: &OsStr) -> Result<Option<Record>, StateProblem> {
    let io = |error| StateProblem::Io(place.path(name), error);
    let file = match place.find_file(name, Access::Read).map_err(io)? {
        Ownership::Absent => return Ok(None),
        Ownership::Foreign => return Err(StateProblem::Foreign(place.path(name))),
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
