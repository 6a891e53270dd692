//! Writes the layer that makes one root file system of another.

use std::io::{self, Write};

use crate::difference::{Change, Difference, Why};
use crate::error::RootfsError;
use crate::meta::{Metadata, Place, Special};
use crate::path::{FsPath, WHITEOUT};
use crate::tar::write::{Head, Writer};

/// The mode of a whiteout, of which only the name counts.
const WHITEOUT_MODE: u16 = 0o644;

/// A reader of files' contents in the layers of the new tree.
pub trait ContentsSource {
    /// Writes the bytes at a place to `out`.
    ///
    /// # Errors
    /// They cannot be read or written.
    fn copy(&mut self, place: Place, bytes: u64, out: &mut dyn Write) -> io::Result<()>;
}

/// What a layer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerSummary {
    /// The number of entries that hide something.
    pub whiteouts: u64,
    /// The number of other entries.
    pub entries: u64,
    /// The number of entries that are new, or of another kind than before.
    pub new: u64,
    /// The number of entries that hold something else than before.
    pub contents: u64,
    /// The number of entries whose metadata or hard links alone differ.
    pub metadata: u64,
    /// The number of entries whose time alone differs.
    pub times: u64,
    /// The number of folders that are there only because of what is in them.
    pub within: u64,
    /// The bytes of contents.
    pub bytes_contents: u64,
}

impl LayerSummary {
    /// Whether the layer would be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries + self.whiteouts == 0
    }

    /// Counts a change.
    pub fn count(&mut self, change: &Change<'_>) {
        let Some(why) = change.why() else {
            self.whiteouts += 1;
            return;
        };
        if let Change::Special { special: Special::File(contents), link_to: None, .. } = change {
            self.bytes_contents += contents.bytes;
        }
        self.entries += 1;
        match why {
            Why::New | Why::Kind => self.new += 1,
            Why::Contents => self.contents += 1,
            Why::Links | Why::Metadata => self.metadata += 1,
            Why::Times => self.times += 1,
            Why::Within => self.within += 1,
        }
    }
}

/// Writes the layer that makes the new tree of the old one, as a tar.
///
/// # Errors
/// Contents cannot be read, or `out` cannot be written.
pub fn write_layer<W: Write>(
    difference: &Difference<'_>,
    source: &mut dyn ContentsSource,
    out: W,
) -> Result<LayerSummary, RootfsError> {
    let (mut writer, mut summary) = (Writer::new(out), LayerSummary::default());
    difference.for_each(|path, change| {
        summary.count(&change);
        write_change(&mut writer, path, &change, source)
    })?;
    writer.finish()?;
    Ok(summary)
}

fn write_change<W: Write>(
    writer: &mut Writer<W>,
    path: &FsPath,
    change: &Change<'_>,
    source: &mut dyn ContentsSource,
) -> Result<(), RootfsError> {
    match change {
        Change::Gone { above } => {
            let metadata = Metadata { mode: WHITEOUT_MODE, xattrs: None, ..(*above).clone() };
            let Some((folder, name)) = path.split() else { return Ok(()) };
            let mut hiding = folder;
            hiding.push(&[WHITEOUT, name].concat());
            let path = hiding.as_bytes();
            writer.entry(&Head { flag: b'0', path, link_name: b"", metadata: &metadata, device: None })?;
        }
        Change::Folder { metadata, .. } => {
            let path = if path.is_root() { b"./".to_vec() } else { [path.as_bytes(), b"/"].concat() };
            writer.entry(&Head { flag: b'5', path: &path, link_name: b"", metadata, device: None })?;
        }
        Change::Special { metadata, link_to: Some(first), .. } => {
            let (path, link_name) = (path.as_bytes(), first.as_bytes());
            writer.entry(&Head { flag: b'1', path, link_name, metadata, device: None })?;
        }
        Change::Special { metadata, special, .. } => {
            let mut head = Head { flag: b'0', path: path.as_bytes(), link_name: b"", metadata, device: None };
            match special {
                Special::File(contents) => {
                    let stored = contents.stored_bytes();
                    writer.file(&head, contents, |out| source.copy(contents.place, stored, out))?;
                    return Ok(());
                }
                Special::Symlink(target) => (head.flag, head.link_name) = (b'2', target),
                Special::CharDevice(number) => (head.flag, head.device) = (b'3', Some(*number)),
                Special::BlockDevice(number) => (head.flag, head.device) = (b'4', Some(*number)),
                Special::Fifo => head.flag = b'6',
            }
            writer.entry(&head)?;
        }
    }
    Ok(())
}
