//! `LayoutBuilder` and `TreeWalker` on hostile skeleton streams. They must agree on what is well-formed, and a
//! layout must cover its image exactly.

use regrow_image::{
    ImagePiece, Layout, LayoutBuilder, LayoutError, Op, SkeletonPart, TreeEntry, TreeWalker, op_len, put_op,
};

use crate::input::{Input, pieces};
use crate::tar_walk;

const MAX_IMAGE_BYTES: u64 = 1 << 40;

/// The first two bytes give the sizes of the pieces in which the rest is read.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let seed = input.number();
    let skeleton = input.0;
    let tree = walk_tree(skeleton, seed);
    let layout = build_layout(skeleton, seed);
    match (&layout, &tree) {
        (Ok(layout), Ok(end)) => {
            assert!(*end <= layout.contents_bytes(), "an entry ends at {end}, behind the contents");
            check(layout, skeleton);
        }
        (Err(LayoutError::Op(a)), Err(b)) => assert_eq!(a, b),
        // The tree walker expects sound skeletons: it neither counts bytes nor pairs marks.
        (Err(LayoutError::TooMuch | LayoutError::Marks), _) => {}
        _ => panic!("layout {:?}, tree {:?}", layout.err(), tree.err()),
    }
}

pub(crate) fn build_layout(skeleton: &[u8], seed: u16) -> Result<Layout, LayoutError> {
    let mut builder = LayoutBuilder::new(MAX_IMAGE_BYTES);
    pieces(skeleton, seed).try_for_each(|piece| builder.push(piece))?;
    builder.finish()
}

/// Returns the end of the last entry in the contents. Each entry must lie behind the one before.
pub(crate) fn walk_tree(skeleton: &[u8], seed: u16) -> Result<u64, regrow_image::OpError> {
    let mut end = 0;
    let mut sink = |entry: TreeEntry| {
        assert!(end <= entry.contents.start && entry.contents.start <= entry.contents.end, "{entry:?} after {end}");
        end = entry.contents.end;
    };
    let mut walker = TreeWalker::default();
    pieces(skeleton, seed).try_for_each(|piece| walker.push(piece, &mut sink))?;
    walker.finish(&mut sink)?;
    Ok(end)
}

/// Checks the properties of every layout of a skeleton.
pub(crate) fn check(layout: &Layout, skeleton: &[u8]) {
    assert_eq!(layout.skeleton_bytes(), skeleton.len() as u64);
    let mut ops = Vec::new();
    layout.ops().for_each(|op| put_op(&mut ops, op));
    assert_eq!(ops.len(), layout.ops().map(op_len).sum::<usize>());
    let literals: u64 = layout.image_bytes() - layout.contents_bytes();
    assert_eq!(ops.len() as u64 + literals, layout.skeleton_bytes());
    let (end, middle) = (layout.image_bytes(), layout.image_bytes() / 2);
    check_pieces(layout, 0, middle);
    check_pieces(layout, middle, end);
    let contents = layout.contents_bytes();
    let found: u64 = layout.contents_in_image(contents / 3..contents).map(|range| range.end - range.start).sum();
    assert_eq!(found, contents - contents / 3);
    let parts = layout.skeleton_parts(0..layout.skeleton_bytes()).map(|part| match part {
        SkeletonPart::Number(bytes) => bytes.len() as u64,
        SkeletonPart::InImage(range) => range.end - range.start,
    });
    assert_eq!(parts.sum::<u64>(), layout.skeleton_bytes());
}

fn check_pieces(layout: &Layout, start: u64, end: u64) {
    let mut at = start;
    for piece in layout.pieces(start..end) {
        let (image, stream_at, stream_bytes) = match piece {
            ImagePiece::Skeleton { image, skeleton_at } => (image, skeleton_at, layout.skeleton_bytes()),
            ImagePiece::Contents { image, contents_at } => (image, contents_at, layout.contents_bytes()),
        };
        assert!(image.start == at && image.end > at, "a gap at {at}");
        assert!(stream_at + (image.end - image.start) <= stream_bytes);
        at = image.end;
    }
    assert_eq!(at, end);
}

/// Seeds: skeletons of tars, and one with more contents than 64 bits can count, followed by a literal.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut endless = vec![3, 1];
    (0..5).for_each(|_| put_op(&mut endless, Op::Contents((1 << 62) - 1)));
    put_op(&mut endless, Op::Literal(1));
    endless.push(0);
    let mut coded = vec![3, 1];
    let ops = [Op::Contents(5), Op::BeginCoded, Op::Contents(7), Op::EndCoded, Op::Contents(2)];
    ops.into_iter().for_each(|op| put_op(&mut coded, op));
    let tars = tar_walk::seeds();
    let skeletons = tars.iter().map(|seed| [&[3, 1], tar_walk::skeleton_of(seed).as_slice()].concat());
    skeletons.chain([endless, coded]).collect()
}
