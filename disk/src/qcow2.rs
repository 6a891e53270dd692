//! qcow2, the disks of virtual machines. docs/format/disk.md, section 13.
//!
//! The tables say where the guest's clusters lie, and which of them are compressed. The guest's disk is an image itself. It
//! is read through the tables, and divided; what its stretches are, its clusters claim.

mod clusters;
mod header;

use crate::claims::Claims;
use crate::codec::measure;
use crate::input::Input;
use crate::nested::{self, Run, Source};
use crate::pieces::{Block, Blocks};
use crate::{DiskError, DiskKind, Divided, Division, DivisionRules, ReadAt, StoredForm};

use clusters::Mapped;
use header::Header;

/// Divides a disk of a virtual machine, and by `inner` the image that its guest sees. `None` stands for an image that is
/// none.
pub(crate) fn divide(image: &dyn ReadAt, inner: impl Fn(&dyn ReadAt) -> Divided) -> Divided {
    let input = Input::new(image, DiskKind::Qcow2);
    let Some(header) = Header::read(&input)? else { return Ok(None) };
    let mapped = clusters::read(&input, &header)?;
    let blocks = Blocks::new(&input, compressed(&input, &header, &mapped)?)?;
    let runs = runs(&input, &header, &mapped, &blocks)?;
    let pieces = blocks.pieces(header.codec);
    let mut details = header.details(pieces.iter().filter(|piece| piece.form != StoredForm::Plain).count());
    let mut claims = Claims::new(DiskKind::Qcow2, blocks.plain_bytes());
    let guest = nested::File::thin(image, header.guest_bytes, &runs);
    // Another file has the rest of the guest's disk.
    let guest = if header.has_backing_file { None } else { guest.divided(inner)? };
    let mut files = Vec::new();
    if let Some(guest) = guest {
        nested::claim(&mut claims, &runs, &guest, 0)?;
        details = format!("{details}; guest: {}", guest.details);
        files = guest.files.iter().map(|file| nested::in_image(file, &runs)).collect();
    }
    let stretches = claims.into_stretches().finish();
    Ok(Some(Division {
        kind: DiskKind::Qcow2,
        details,
        pieces,
        stretches,
        files,
        rules: DivisionRules::V6,
        tree: None,
    }))
}

/// The compressed clusters. The tables tell only in which sector each ends, and another one may begin there.
fn compressed(input: &Input<'_>, header: &Header, mapped: &[Mapped]) -> Result<Vec<Block>, DiskError> {
    let mut places: Vec<_> = mapped.iter().filter(|cluster| cluster.is_compressed).collect();
    places.sort_by_key(|cluster| (cluster.at, std::cmp::Reverse(cluster.bytes)));
    places.dedup_by_key(|cluster| cluster.at);
    let (mut blocks, mut end) = (Vec::with_capacity(places.len()), 0);
    for &Mapped { at, bytes, .. } in places {
        // So that decoding takes time in proportion to the image.
        if at < end {
            return Err(input.damaged("compressed clusters that overlap"));
        }
        let stored = input.read(at, bytes, "a compressed cluster")?;
        let bytes = measure(header.codec, &stored, header.cluster_bytes as usize);
        let bytes = bytes.map_err(|_| input.damaged("a compressed cluster"))? as u64;
        // Clusters have at most 2 MiB.
        blocks.push(Block { at, bytes, plain_bytes: header.cluster_bytes as u32 });
        end = at + bytes;
    }
    Ok(blocks)
}

/// Where the guest's bytes are, in the guest's order.
fn runs(input: &Input<'_>, header: &Header, mapped: &[Mapped], blocks: &Blocks) -> Result<Vec<Run>, DiskError> {
    let mut runs: Vec<Run> = Vec::new();
    for cluster in mapped {
        let bytes = header.cluster_bytes.min(header.guest_bytes - cluster.guest_at);
        let bytes = if cluster.is_compressed { bytes } else { bytes.min(cluster.bytes) };
        let plain_at = blocks.plain_at(cluster.at);
        let source = match cluster.is_compressed {
            true => {
                let (stored, plain_bytes) = (blocks.stored_bytes(cluster.at), header.cluster_bytes as u32);
                Source::Block { at: cluster.at, bytes: stored, plain_bytes, codec: header.codec, from: 0 }
            }
            false if blocks.is_plain(cluster.at, bytes) => Source::Image(cluster.at),
            false => return Err(input.damaged("a cluster that overlaps a compressed one")),
        };
        let next = Run { at: cluster.guest_at, bytes, plain_at, source };
        match runs.last_mut() {
            Some(last) if last.goes_on_in(&next) => last.bytes += bytes,
            _ => runs.push(next),
        }
    }
    Ok(runs)
}
