//! Small images of every kind.

use crate::archive::{docker_save, oci};
use crate::gzip::{GNU_GZIP, GO, PGZIP, gzip};
use crate::noise::noise;
use crate::tree::Tree;

/// The layers of [`versions`].
pub fn version_layers() -> [Vec<Tree>; 2] {
    let (base, app) = (Tree::sample("base", 120), Tree::sample("app", 60));
    [vec![base.clone(), app.clone()], vec![base, app.changed(12)]]
}

/// Two versions of an image like an application's, about 2 MB each: a base that stays, and a layer that changes.
pub fn versions() -> (Vec<u8>, Vec<u8>) {
    let (base, app) = (Tree::sample("base", 120), Tree::sample("app", 60));
    (docker_save(&[base.clone(), app.clone()], 1_700_000_000), docker_save(&[base, app.changed(12)], 1_700_500_000))
}

/// Every kind of image, with its name.
pub fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let (old, _) = versions();
    let mut cut = old.clone();
    cut.truncate(old.len() - 70_001);
    let mut trailing = Tree::sample("tail", 20).tar(1);
    trailing.extend_from_slice(&noise("behind the end", 3333));
    vec![
        ("empty", Vec::new()),
        ("one-byte", vec![7]),
        ("zeros", vec![0; 1_500_000]),
        ("noise", noise("image", 2_345_678)),
        ("tar", Tree::sample("plain", 100).tar(1_600_000_000)),
        ("empty-tar", vec![0; 10_240]),
        ("docker", old),
        ("cut-tar", cut),
        ("tar-and-more", trailing),
        ("oci-pgzip", oci(&version_layers()[0], 1_700_000_000, |layer| gzip(layer, PGZIP))),
        ("oci-gnu", oci(&version_layers()[1], 1_700_000_000, |layer| gzip(layer, GNU_GZIP))),
        ("gzip-members", docker_gzip()),
    ]
}

/// A whole image as a gzip file of many members, with bytes behind it.
fn docker_gzip() -> Vec<u8> {
    let (image, _) = versions();
    let mut out: Vec<u8> = image.chunks(150_000).flat_map(|piece| gzip(piece, GO)).collect();
    out.extend_from_slice(&gzip(b"", GO));
    out.extend_from_slice(&[0; 500]);
    out
}
