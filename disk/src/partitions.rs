//! Tables of partitions, GPT or MBR, with file systems in the partitions. docs/format/disk.md, section 9.

mod table;

use std::io;

use crate::input::Input;
use crate::{
    DiskError, DiskFile, DiskKind, Divided, Division, ReadAt, StoredForm, StoredPiece, StretchKind, StretchList,
};

use table::{Partition, Table};

/// The partitions that are described for people.
const MAX_DESCRIBED: usize = 8;

/// Divides a disk with partitions, each by `inner`. `None` stands for an image that is none.
pub(crate) fn divide(image: &dyn ReadAt, inner: impl Fn(&dyn ReadAt) -> Divided) -> Divided {
    let input = Input::new(image, DiskKind::Partitions);
    let Some(table) = Table::read(&input)? else { return Ok(None) };
    let mut disk = Disk { image_at: 0, pieces: Vec::new(), list: StretchList::default(), files: Vec::new() };
    let mut described = Vec::new();
    for partition in &table.partitions {
        disk.plain(partition.at - disk.image_at);
        let division = match inner(&Part { image, partition }) {
            Err(DiskError::Read(error)) => return Err(error.into()),
            Ok(division) => division,
            // It is not divided, and the others are.
            Err(_) => None,
        };
        let Some(division) = division else {
            disk.plain(partition.bytes);
            continue;
        };
        described.push(format!("p{}: {}", partition.number, division.details));
        disk.add(partition, division)?;
    }
    disk.plain(image.bytes() - disk.image_at);
    described.truncate(MAX_DESCRIBED);
    let count = table.partitions.len();
    let details = format!("{}, {count} partition{}", table.name, if count == 1 { "" } else { "s" });
    let details = std::iter::once(details).chain(described).collect::<Vec<_>>().join("; ");
    let Disk { pieces, list, files, .. } = disk;
    Ok(Some(Division { kind: DiskKind::Partitions, details, pieces, stretches: list.finish(), files }))
}

/// What the partitions make together.
struct Disk {
    /// The bytes of the image so far.
    image_at: u64,
    pieces: Vec<StoredPiece>,
    list: StretchList,
    files: Vec<DiskFile>,
}

impl Disk {
    /// Adds bytes that are no file system's.
    fn plain(&mut self, bytes: u64) {
        self.piece(StoredPiece { bytes, form: StoredForm::Plain });
        self.list.push(bytes, StretchKind::System);
    }

    fn piece(&mut self, piece: StoredPiece) {
        self.image_at += piece.bytes;
        match self.pieces.last_mut() {
            _ if piece.bytes == 0 => {}
            Some(last) if (last.form, piece.form) == (StoredForm::Plain, StoredForm::Plain) => {
                last.bytes += piece.bytes
            }
            _ => self.pieces.push(piece),
        }
    }

    fn add(&mut self, partition: &Partition, division: Division) -> Result<(), DiskError> {
        let too_many = |limit| DiskError::TooLarge { kind: DiskKind::Partitions, limit, what: "files" };
        let before = u32::try_from(self.files.len()).map_err(|_| too_many(u32::MAX.into()))?;
        for stretch in division.stretches {
            let kind = match stretch.kind {
                StretchKind::File(number) => {
                    let number = number.checked_add(before).ok_or_else(|| too_many(u32::MAX.into()))?;
                    StretchKind::File(number)
                }
                kind => kind,
            };
            self.list.push(stretch.bytes, kind);
        }
        division.pieces.into_iter().for_each(|piece| self.piece(piece));
        let prefix = format!("p{}/", partition.number).into_bytes();
        self.files.extend(division.files.into_iter().map(|file| DiskFile { path: [&prefix[..], &file.path].concat() }));
        Ok(())
    }
}

/// A partition, read at random.
struct Part<'i> {
    image: &'i dyn ReadAt,
    partition: &'i Partition,
}

impl ReadAt for Part<'_> {
    fn bytes(&self) -> u64 {
        self.partition.bytes
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let end = at.checked_add(out.len() as u64).filter(|&end| end <= self.partition.bytes);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.image.read_exact_at(out, self.partition.at + at)
    }
}
