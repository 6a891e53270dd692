//! Bundles with a hash tree of dm-verity: the tree is computed where the image is written, and not sent.

use sha2::{Digest, Sha256};

use regrow_index::DiskPiece;

use super::{index_of, squashfs};
use crate::environment::TestEnvironment;
use crate::report::{check_extract, check_make, number};
use crate::server::Server;

const BLOCK: usize = 4096;

/// The tree of some blocks, as dm-verity lays it out.
fn tree(data: &[u8], salt: &[u8]) -> Vec<u8> {
    let hashes: Vec<u8> =
        data.chunks(BLOCK).flat_map(|block| Sha256::new().chain_update(salt).chain_update(block).finalize()).collect();
    let mut level = hashes;
    level.resize(level.len().next_multiple_of(BLOCK), 0);
    if level.len() == BLOCK { level } else { [tree(&level, salt), level].concat() }
}

/// A bundle around a squashfs, with a salt of its own.
fn bundle(mut squashfs: Vec<u8>, salt: &[u8; 32]) -> (Vec<u8>, usize) {
    squashfs.resize(squashfs.len().next_multiple_of(BLOCK), 0);
    let tree = tree(&squashfs, salt);
    let hex: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("[bundle]\nformat=verity\nverity-salt={hex}\nverity-size={}\n", tree.len()).into_bytes();
    let size = (signature.len() as u64).to_be_bytes();
    ([squashfs, tree.clone(), signature, size.to_vec()].concat(), tree.len())
}

#[test]
fn a_hash_tree_is_computed_and_not_sent() {
    let env = TestEnvironment::new();
    let made = [("old.img", 1), ("new.img", 2)].map(|(name, version)| squashfs(&env, name, version, &["gzip"]));
    let [Some(old), Some(new)] = made else { return };
    let ((old, _), (new, tree_bytes)) = (bundle(old, &[0x5a; 32]), bundle(new, &[0xc3; 32]));
    assert!(tree_bytes > BLOCK, "the tree has several levels");
    env.write("old.img", &old);
    env.write("new.img", &new);
    env.json("make old.rgx old.img");
    let made = env.json("make --patch-from old.rgx --old old.img new.rgx new.img");
    check_make(&made, &new);
    let index = index_of(&env, "new.rgx");
    let disk = index.codings[0].disk().unwrap();
    let tree = disk.pieces.iter().find(|piece| matches!(piece, DiskPiece::HashTree(_))).unwrap();
    assert_eq!((tree.stored_bytes(), tree.plain_bytes(), index.walk_version), (tree_bytes as u64, 0, 6));
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    let extracted = env.json(&format!("extract --seed old.img {url} out"));
    check_extract(&extracted, &new);
    assert!(env.read("out") == new && number(&extracted, "chunks_patch") > 0, "{extracted}");
    assert_eq!(env.json("verify new.rgx out")["ok"], true);
    // By chunks, with the bundle as a seed and without, to a file and to a pipe. A scan finds all of it.
    for (seed, most) in [("--seed old.img", new.len() as u64 / 4), ("", u64::MAX), ("--seed out", 0)] {
        let extracted = env.json(&format!("extract --no-patch {seed} {url} again"));
        assert!(env.read("again") == new && number(&extracted, "bytes_store") <= most, "{seed}: {extracted}");
        env.remove("again");
    }
    assert!(env.run(&format!("extract --seed old.img {url} -")).success().stdout == new);
    // Without the images, both are put together from the store.
    env.json("patch --replace old.rgx new.rgx");
    // A tree that is not the squashfs' is sent like anything else.
    let mut other = new.clone();
    let place = new.len() - tree_bytes;
    other[place] ^= 1;
    env.write("other.img", &other);
    env.json("make other.rgx other.img");
    let index = index_of(&env, "other.rgx");
    assert_eq!(index.walk_version, 5);
    env.json("extract other.rgx again");
    assert!(env.read("again") == other);
}
