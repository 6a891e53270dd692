//! FAT12, FAT16 and FAT32. docs/format/disk.md, section 8.

mod boot;
mod directory;

use std::collections::VecDeque;

use crate::claims::Claims;
use crate::input::{Input, NumberSet, u16_at, u32_at};
use crate::names::{Name, Names};
use crate::{DiskError, DiskKind, Division, DivisionRules, ReadAt, StoredPiece, StretchKind};

use boot::{Boot, Width};
use directory::Entry;

/// Divides an image of FAT. `None` stands for an image that is none.
pub(crate) fn divide(image: &dyn ReadAt) -> Result<Option<Division>, DiskError> {
    let input = Input::new(image, DiskKind::Fat);
    let Some(boot) = Boot::read(&input)? else { return Ok(None) };
    let details = boot.details();
    let mut walk = Walk::new(&input, boot)?;
    walk.all()?;
    let mut files = walk.names.into_files(image.most_bytes())?;
    walk.claims.give_runs(&mut files);
    Ok(Some(Division {
        kind: DiskKind::Fat,
        details,
        pieces: StoredPiece::plain_image(image.bytes()),
        stretches: walk.claims.into_stretches().finish(),
        files,
        rules: DivisionRules::V5,
        tree: None,
    }))
}

/// The walk through the directories.
struct Walk<'i> {
    input: &'i Input<'i>,
    boot: Boot,
    /// The table that says which cluster follows which.
    table: Vec<u8>,
    claims: Claims,
    names: Names,
    /// The clusters that were met. None of them may have two uses, so that the walk takes time in proportion to the
    /// image.
    met: NumberSet,
    /// Directories with their first clusters.
    directories: VecDeque<(u32, Name)>,
}

impl<'i> Walk<'i> {
    fn new(input: &'i Input<'i>, boot: Boot) -> Result<Self, DiskError> {
        let table = input.read(boot.table_at, boot.table_bytes, "the table of clusters")?;
        let met = NumberSet::new(u64::from(boot.clusters) + 2);
        let (claims, names) = (Claims::new(DiskKind::Fat, input.image.bytes()), Names::new(DiskKind::Fat));
        Ok(Self { input, boot, table, claims, names, met, directories: VecDeque::new() })
    }

    fn all(&mut self) -> Result<(), DiskError> {
        match self.boot.root {
            boot::Root::Cluster(cluster) => self.directories.push_back((cluster, Name::ROOT)),
            boot::Root::Place { at, bytes } => {
                let root = self.input.read(at, bytes, "the root directory")?;
                self.entries(&root, Name::ROOT)?;
            }
        }
        while let Some((cluster, folder)) = self.directories.pop_front() {
            let mut bytes = Vec::new();
            for (at, len) in self.chain(cluster, None)? {
                self.claims.push(at, len, StretchKind::Skeleton)?;
                bytes.extend(self.input.read(at, len, "a directory")?);
            }
            self.entries(&bytes, folder)?;
        }
        Ok(())
    }

    fn entries(&mut self, bytes: &[u8], folder: Name) -> Result<(), DiskError> {
        for entry in directory::entries(bytes, self.boot.width == Width::Bits32) {
            let Entry { name, is_directory, cluster, bytes } = entry;
            if cluster == 0 || !is_directory && bytes == 0 {
                continue;
            }
            let name = self.names.add(folder, &name)?;
            if is_directory {
                self.directories.push_back((cluster, name));
            } else {
                self.names.file(name);
                self.claims.begin_file(bytes.into());
                self.data(cluster, bytes.into())?;
            }
        }
        Ok(())
    }

    /// Claims the bytes of a file, and the rest of its last cluster.
    fn data(&mut self, cluster: u32, bytes: u64) -> Result<(), DiskError> {
        let mut left = bytes;
        for (at, len) in self.chain(cluster, Some(bytes))? {
            let here = left.min(len);
            self.claims.push_file(bytes - left, at, here)?;
            self.claims.push(at + here, len - here, StretchKind::Skeleton)?;
            left -= here;
        }
        Ok(())
    }

    /// The places of the clusters from one on, up to the last one or to that which has the last byte of a file.
    fn chain(&mut self, first: u32, bytes: Option<u64>) -> Result<Vec<(u64, u64)>, DiskError> {
        let cluster_bytes = self.boot.cluster_bytes;
        let mut left = bytes.map_or(u64::MAX, |bytes| bytes.div_ceil(cluster_bytes));
        let (mut found, mut cluster) = (Vec::<(u64, u64)>::new(), first);
        while left > 0 {
            if bytes.is_none() && self.boot.width.is_end(cluster) {
                return Ok(found);
            }
            let number = cluster.checked_sub(2).filter(|&number| number < self.boot.clusters);
            let number = number.ok_or_else(|| self.input.damaged("a chain of clusters"))?;
            if !self.met.insert(cluster.into()) {
                return Err(self.input.damaged("a cluster that has two uses"));
            }
            let at = self.boot.data_at + u64::from(number) * cluster_bytes;
            match found.last_mut() {
                Some(last) if last.0 + last.1 == at => last.1 += cluster_bytes,
                _ => found.push((at, cluster_bytes)),
            }
            cluster = self.next(cluster);
            left -= 1;
        }
        Ok(found)
    }

    /// What the table says of a cluster.
    fn next(&self, cluster: u32) -> u32 {
        let number = cluster as usize;
        match self.boot.width {
            Width::Bits32 => u32_at(&self.table, number * 4) & 0x0fff_ffff,
            Width::Bits16 => u16_at(&self.table, number * 2).into(),
            Width::Bits12 => {
                let pair = u16_at(&self.table, number + number / 2);
                u32::from(if number % 2 == 1 { pair >> 4 } else { pair & 0xfff })
            }
        }
    }
}
