//! Skeletons that no image has.

use crate::*;

#[test]
fn literals_in_the_place_of_contents_are_no_part_of_the_stream() {
    let mut header = [0; BLOCK];
    header[..4].copy_from_slice(b"name");
    header[124..136].copy_from_slice(b"00000001000\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut skeleton = Vec::new();
    for (literal, contents) in [(&header[..], 100), (&[7; 412][..], 50)] {
        put_op(&mut skeleton, Op::Literal(literal.len() as u32));
        skeleton.extend_from_slice(literal);
        put_op(&mut skeleton, Op::Contents(contents));
    }
    let (mut walker, mut ends) = (TreeWalker::default(), Vec::new());
    walker.push(&skeleton, &mut |entry: TreeEntry| ends.push(entry.contents.end)).unwrap();
    walker.finish(&mut |entry: TreeEntry| ends.push(entry.contents.end)).unwrap();
    assert_eq!(ends.last(), Some(&150), "{ends:?}");
}
