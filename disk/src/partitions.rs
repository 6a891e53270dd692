//! Tables of partitions, GPT or MBR, with file systems in the partitions. docs/format/disk.md, section 9.

mod table;

use crate::assembly::{Assembly, Part};
use crate::input::Input;
use crate::{DiskError, DiskKind, Divided, ReadAt, StretchKind};

use table::Table;

/// The partitions that are described for people.
const MAX_DESCRIBED: usize = 8;

/// Divides a disk with partitions, each by `inner`. `None` stands for an image that is none.
pub(crate) fn divide(image: &dyn ReadAt, inner: impl Fn(&dyn ReadAt) -> Divided) -> Divided {
    let input = Input::new(image, DiskKind::Partitions);
    let Some(table) = Table::read(&input)? else { return Ok(None) };
    let mut disk = Assembly::new(DiskKind::Partitions);
    let mut described = Vec::new();
    for partition in &table.partitions {
        disk.plain(partition.at - disk.image_at(), StretchKind::System);
        let division = match inner(&Part { image, at: partition.at, bytes: partition.bytes }) {
            Err(DiskError::Read(error)) => return Err(error.into()),
            Ok(division) => division,
            // It is not divided, and the others are.
            Err(_) => None,
        };
        let Some(division) = division else {
            disk.plain(partition.bytes, StretchKind::System);
            continue;
        };
        let name = format!("p{}", partition.number);
        described.push(format!("{name}: {}", division.details));
        disk.image(name.as_bytes(), division)?;
    }
    disk.plain(image.bytes() - disk.image_at(), StretchKind::System);
    described.truncate(MAX_DESCRIBED);
    let count = table.partitions.len();
    let details = format!("{}, {count} partition{}", table.name, if count == 1 { "" } else { "s" });
    let details = std::iter::once(details).chain(described).collect::<Vec<_>>().join("; ");
    Ok(Some(disk.division(details)))
}
