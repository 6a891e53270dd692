//! The patches that are committed.

use super::*;

/// A patch of version 1 must give the same image as when it was written, and making it again must give the same
/// bytes.
#[test]
fn golden_patches_mean_what_they_meant() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sync/tests/golden/v1/patch");
    let read = |name: &str| std::fs::read(golden.join(name)).unwrap();
    let pair = Pair::with_params(&read("old.tar"), &read("new.tar"), Params::default());
    let ids = [&pair.base, &pair.target].map(|image| image.seed().scan().image_id(Params::default()));
    let mut file = std::fs::File::open(golden.join("old-to-new.patch")).unwrap();
    let header = crate::apply::open(&mut file).unwrap();
    assert_eq!([header.base, header.target], ids);
    let between = Between { ids: (ids[0], ids[1]), chunk_cost: header.chunk_cost, ..pair.between() };
    crate::check::check(&between, &mut file).unwrap();
    let mut patch = tempfile::tempfile().unwrap();
    made(write(&between, &mut patch).unwrap());
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut patch).unwrap();
    std::io::Read::read_to_end(&mut patch, &mut bytes).unwrap();
    assert!(bytes == read("old-to-new.patch"), "patches are written in another way: that needs a new version");
}
