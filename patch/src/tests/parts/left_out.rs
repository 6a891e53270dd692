//! Targets without their held parts, from bases whose held parts are not read.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use regrow_image::{ImagePiece, Layout, StreamKind};
use regrow_local::{FileSeed, Spool};

use super::*;
use crate::apply::apply;
use crate::base::{BasePart, ClosedPart, OpenPart};
use crate::target::{LeftOut, PatchTarget, TargetPart, TargetSink, TargetSizes};

/// Takes the target as it comes.
#[derive(Default)]
struct Taken {
    left_out: Vec<LeftOut>,
    skeleton: Option<(Spool, Layout)>,
    contents: Vec<u8>,
}

impl TargetSink for Taken {
    fn left_out(&mut self, parts: Vec<LeftOut>) -> io::Result<()> {
        self.left_out = parts;
        Ok(())
    }

    fn skeleton(&mut self, spool: Spool, layout: Layout) -> io::Result<()> {
        self.skeleton = Some((spool, layout));
        Ok(())
    }

    fn contents(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.contents.extend_from_slice(bytes);
        Ok(())
    }
}

/// A part that counts how often it is opened.
struct Counted<'a> {
    part: LocalPart<'a>,
    opened: AtomicU64,
}

impl OpenPart for Counted<'_> {
    fn open(&self) -> Option<LocalPart<'_>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Some(self.part)
    }

    fn is_open(&self) -> bool {
        self.opened.load(Ordering::Relaxed) > 0
    }
}

/// The plain bytes of an image.
fn plain(seed: &FileSeed) -> Vec<u8> {
    let layout = &seed.scan().layout;
    let mut plain = vec![0; layout.image_bytes() as usize];
    for piece in layout.pieces(0..layout.image_bytes()) {
        let (stream, image, at) = match piece {
            ImagePiece::Skeleton { image, skeleton_at } => (StreamKind::Skeleton, image, skeleton_at),
            ImagePiece::Contents { image, contents_at } => (StreamKind::Contents, image, contents_at),
        };
        seed.read_stream(stream, at, &mut plain[image.start as usize..image.end as usize]).unwrap();
    }
    plain
}

/// Applies the patch between these archives without held parts. Returns how often one was opened, with and without the
/// numbers of their files.
fn opened(old: &[u8], new: &[u8], is_coded: bool) -> [u64; 2] {
    let mut parted = Parted::new(old, new);
    let target = parted.pair.target.seed();
    let stated = TargetPart::all_of(target, params());
    let layout = &target.scan().layout;
    let sizes = TargetSizes {
        image: layout.image_bytes(),
        skeleton: layout.skeleton_bytes(),
        contents: layout.contents_bytes(),
    };
    assert_eq!(layout.coded().len() > 0, is_coded);
    let base_parts = LocalPart::base_of(parted.pair.base.seed(), params());
    [true, false].map(|counts| {
        let counted: Vec<Counted<'_>> =
            base_parts.iter().map(|part| Counted { part: *part, opened: AtomicU64::new(0) }).collect();
        let of = |counted: &'_ Counted<'_>| stated.iter().find(|part| part.id == counted.part.id).copied();
        let base = PatchBase::of_held(counted.iter().map(|counted| match of(counted) {
            None => BasePart::Open(counted.part),
            Some(part) => {
                let scan = counted.part.seed.scan();
                let contents = scan.parts()[counted.part.number].contents.bytes.clone();
                BasePart::Closed(ClosedPart {
                    id: part.id,
                    kind: part.kind,
                    skeleton_bytes: part.skeleton_bytes,
                    contents_bytes: part.contents_bytes,
                    files: counts.then(|| scan.layout.files_in(contents).count() as u64),
                    place: counted,
                })
            }
        }));
        let target = PatchTarget { sizes, parts: &stated, leaves_out_held: true };
        let mut taken = Taken::default();
        let scratch = parted.pair.scratch();
        apply(&mut parted.patch, &parted.header, &base, &target, scratch, &mut taken).unwrap();
        check_taken(taken, &plain(parted.pair.target.seed()), parted.pair.target.seed());
        counted.iter().map(|counted| counted.opened.load(Ordering::Relaxed)).sum()
    })
}

/// Checks all bytes but those of the parts that were left out.
fn check_taken(taken: Taken, wanted: &[u8], seed: &FileSeed) {
    let (spool, layout) = taken.skeleton.unwrap();
    assert_eq!(layout.image_bytes(), wanted.len() as u64);
    let parts = seed.scan().parts();
    let (mut contents, mut left_out) = (&taken.contents[..], taken.left_out.iter().peekable());
    for piece in layout.pieces(0..layout.image_bytes()) {
        let (found, image) = match piece {
            ImagePiece::Skeleton { image, skeleton_at } => {
                let mut bytes = vec![0; (image.end - image.start) as usize];
                spool.read(skeleton_at, &mut bytes).unwrap();
                (bytes, image)
            }
            ImagePiece::Contents { image, .. } => {
                if let Some(part) = left_out.next_if(|part| part.image == image) {
                    assert_eq!(parts[part.part].plain, image);
                    continue;
                }
                let (now, rest) = contents.split_at((image.end - image.start) as usize);
                contents = rest;
                (now.to_vec(), image)
            }
        };
        assert!(found == wanted[image.start as usize..image.end as usize], "{image:?}");
    }
    assert!(contents.is_empty() && left_out.next().is_none());
}

#[test]
fn held_parts_are_not_opened() {
    let [a, b, c] = [1, 2, 3].map(layer);
    let large = noise(50, 64).repeat(20_000);
    for (old, new) in [
        (vec![a.clone(), b.clone(), c.clone()], vec![a.clone(), updated(2), c.clone()]),
        (vec![c.clone(), b.clone(), a.clone()], vec![updated(1), b.clone(), noise(9, 2 << 20), c.clone()]),
        (vec![a.clone(), b.clone(), large.clone()], vec![large.clone(), updated(1), b.clone(), large.clone()]),
        (vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]),
        (vec![a.clone()], vec![layer(7)]),
    ] {
        assert_eq!(opened(&archive("old", &old), &archive("new", &new), false), [0, 0], "{} layers", old.len());
    }
    let new = archive("new", &[gz(&a), gz(&updated(2))]);
    assert_eq!(opened(&archive("old", &[a.clone(), b]), &new, true), [0, 0]);
}

/// Files are counted over all parts, so a member in a later one needs the number of files in those before.
#[test]
fn members_need_no_more_than_the_number_of_files() {
    let doc = |words| tar(&[file("a", text(4, 900)), file("doc/changelog.gz", gz(&text(1, words)))]);
    let old = archive("old", &[layer(2), layer(3), doc(30_000), layer(1)]);
    let new = archive("new", &[layer(3), layer(1), file_part(), layer(2), doc(30_010)]);
    let [with, without] = opened(&old, &new, false);
    assert_eq!(with, 0);
    assert!(without > 0);
}

/// Where something is copied from a held part, that part is read, and no other.
#[test]
fn a_held_part_is_opened_where_something_is_made_from_it() {
    let old = archive("old", &[layer(1), layer(2)]);
    let new = archive("new", &[layer(1), layer(2), tar(&[file("usr/bin/copy", noise(1, 20_000))])]);
    let opened = opened(&old, &new, false);
    assert!(opened[0] > 0, "{opened:?}");
}
