//! Images that no tool makes.

use StretchKind::{File, Skeleton, System};

use super::*;

const NODE: usize = 4096;
/// Where the one chunk is, in the file system and in the image, and its bytes.
const LOGICAL: u64 = 1 << 20;
const PHYSICAL: usize = 128 << 10;
const CHUNK: usize = 512 << 10;
/// Where its second copy is, if there is one.
const TWIN: usize = PHYSICAL + CHUNK;
const FSID: [u8; 16] = *b"a file system id";

type Item = ((u64, u8, u64), Vec<u8>);

fn key((object, kind, offset): (u64, u8, u64)) -> Vec<u8> {
    [&object.to_le_bytes()[..], &[kind], &offset.to_le_bytes()].concat()
}

fn inode(mode: u32, bytes: u64) -> Vec<u8> {
    let mut item = vec![0; 160];
    item[16..24].copy_from_slice(&bytes.to_le_bytes());
    item[52..56].copy_from_slice(&mode.to_le_bytes());
    item
}

fn directory() -> Vec<u8> {
    inode(0x41ed, 0)
}

fn entry(target: u64, kind: u8, name: &[u8]) -> Vec<u8> {
    [&key((target, kind, 0)), &[0; 10][..], &(name.len() as u16).to_le_bytes(), &[1], name].concat()
}

fn extent(kind: u8, compression: u8, [place, from, bytes]: [u64; 3]) -> Vec<u8> {
    let head = [&[0; 8][..], &bytes.to_le_bytes(), &[compression, 0, 0, 0, kind]].concat();
    [&head[..], &place.to_le_bytes(), &bytes.to_le_bytes(), &from.to_le_bytes(), &bytes.to_le_bytes()].concat()
}

fn root((at, level): (u64, u8), top: u64) -> Vec<u8> {
    let mut item = vec![0; 439];
    item[168..176].copy_from_slice(&top.to_le_bytes());
    item[176..184].copy_from_slice(&at.to_le_bytes());
    item[216] = 1;
    item[238] = level;
    item
}

fn chunk(bytes: u64, profile: u64, places: &[usize]) -> Vec<u8> {
    let mut item = [&bytes.to_le_bytes()[..], &[0; 16], &(profile | 7).to_le_bytes(), &[0; 8]].concat();
    item.extend(4096u32.to_le_bytes());
    item.extend((places.len() as u16).to_le_bytes());
    item.extend([1, 0]);
    for &place in places {
        item.extend([&1u64.to_le_bytes()[..], &(place as u64).to_le_bytes(), &[7; 16]].concat());
    }
    item
}

/// An image with nodes from the chunk's beginning on.
struct Image {
    bytes: Vec<u8>,
    nodes: u64,
}

impl Image {
    fn new() -> Self {
        Self { bytes: vec![0; TWIN + CHUNK], nodes: 0 }
    }

    /// Where the next node comes to stand.
    fn next(&self) -> u64 {
        LOGICAL + self.nodes * NODE as u64
    }

    fn node(&mut self, level: u8, heads: &[Vec<u8>]) -> (u64, u8) {
        let (at, physical) = (self.next(), PHYSICAL + self.nodes as usize * NODE);
        let node = &mut self.bytes[physical..physical + NODE];
        node[32..48].copy_from_slice(&FSID);
        node[48..56].copy_from_slice(&at.to_le_bytes());
        node[96..100].copy_from_slice(&(heads.len() as u32).to_le_bytes());
        node[100] = level;
        let heads = heads.concat();
        node[101..101 + heads.len()].copy_from_slice(&heads);
        self.nodes += 1;
        (at, level)
    }

    fn leaf(&mut self, items: &[Item]) -> (u64, u8) {
        let (mut end, mut heads) = (NODE, Vec::new());
        let physical = PHYSICAL + self.nodes as usize * NODE;
        for (of, item) in items {
            end -= item.len();
            self.bytes[physical + end..][..item.len()].copy_from_slice(item);
            heads.push([&key(*of)[..], &(end as u32 - 101).to_le_bytes(), &(item.len() as u32).to_le_bytes()].concat());
        }
        self.node(0, &heads)
    }

    fn above(&mut self, level: u8, children: &[u64]) -> (u64, u8) {
        let heads = children.iter().map(|child| [&key((0, 0, 0))[..], &child.to_le_bytes(), &[0; 8]].concat());
        self.node(level, &heads.collect::<Vec<_>>())
    }

    /// The image with these trees, and these chunks. The first subvolume is the default one.
    fn with(mut self, subvolumes: &[(u64, (u64, u8))], chunks: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let mut items = vec![((6, DIR_ITEM, 1), entry(subvolumes[0].0, ROOT_ITEM, b"default"))];
        items.extend(subvolumes.iter().map(|&(number, at)| ((number, ROOT_ITEM, 0), root(at, 256))));
        items.sort();
        let root = self.leaf(&items).0;
        let chunks: Vec<Item> = chunks.iter().map(|(at, chunk)| ((256, 228, *at), chunk.clone())).collect();
        let chunk_root = self.leaf(&chunks).0;
        let (of, first) = (key((256, 228, LOGICAL)), chunk(CHUNK as u64, 0, &[PHYSICAL]));
        let superblock = &mut self.bytes[64 << 10..];
        let total = (TWIN + CHUNK) as u64;
        for (at, number) in [(48, 65_536), (80, root), (88, chunk_root), (112, total), (128, 6), (136, 1), (201, 1)] {
            superblock[at..at + 8].copy_from_slice(&u64::to_le_bytes(number));
        }
        for (at, number) in [(144, 4096), (148, NODE as u32), (160, (of.len() + first.len()) as u32)] {
            superblock[at..at + 4].copy_from_slice(&u32::to_le_bytes(number));
        }
        superblock[32..48].copy_from_slice(&FSID);
        superblock[64..72].copy_from_slice(b"_BHRfS_M");
        superblock[811..811 + of.len()].copy_from_slice(&of);
        superblock[811 + of.len()..][..first.len()].copy_from_slice(&first);
        self.bytes
    }

    /// The image of one subvolume.
    fn of(self, tree: (u64, u8)) -> Vec<u8> {
        self.with(&[(5, tree)], &[(LOGICAL, chunk(CHUNK as u64, 0, &[PHYSICAL]))])
    }
}

fn divided(image: &[u8]) -> Division {
    divide(&image).expect("understood").expect("an image")
}

/// The reason why an image is not divided.
fn reason(image: &[u8]) -> String {
    divide(&image).expect_err("not divided").to_string()
}

/// A file of this many bytes, in these extents.
fn file(bytes: u64, extents: &[(u64, Vec<u8>)]) -> Vec<Item> {
    let mut items =
        vec![((256, 1, 0), directory()), ((256, 96, 2), entry(257, 1, b"file")), ((257, 1, 0), inode(0x81a4, bytes))];
    items.extend(extents.iter().map(|(at, extent)| ((257, 108, *at), extent.clone())));
    items
}

const DATA: u64 = LOGICAL + (256 << 10);
const DATA_AT: u64 = PHYSICAL as u64 + (256 << 10);

#[test]
fn extents_of_all_kinds() {
    let inline = [&extent(0, 0, [0; 3])[..21], b"some bytes"].concat();
    let (hole, aside) = (extent(1, 0, [0, 0, 8192]), extent(2, 0, [DATA, 0, 4096]));
    let (first, second) = (extent(1, 0, [DATA, 4096, 8192]), extent(1, 0, [DATA, 0, 4096]));
    let mut image = Image::new();
    let tree = image.leaf(&file(
        28_000,
        &[(0, inline), (4096, hole), (12_288, aside), (16_384, first.clone()), (24_576, second.clone())],
    ));
    let division = divided(&image.of(tree));
    assert_eq!(division.details, "btrfs, 1 subvolume, nodes of 4096 bytes");
    let runs: Vec<_> = division.files[0].runs.iter().map(|run| (run.file_at, run.plain_at, run.bytes)).collect();
    let inline_at = PHYSICAL as u64 + NODE as u64 - 160 - 34 - 160 - 10;
    assert_eq!(runs, [(0, inline_at, 10), (16_384, DATA_AT + 4096, 8192), (24_576, DATA_AT, 3424)]);
    let kinds: Vec<_> = division.stretches.iter().map(|stretch| (stretch.bytes, stretch.kind)).collect();
    let before = PHYSICAL as u64 - 4096;
    let behind = 2 * CHUNK as u64 - (256 << 10) - 12_288;
    let system = [(before, System), (4096, Skeleton), (256 << 10, System)];
    let files = [(3424, File(0)), (672, Skeleton), (8192, File(0)), (behind, System)];
    assert_eq!(kinds, [&system[..], &files].concat());

    // With an encoded one, the file's bytes are not known.
    let mut image = Image::new();
    let encoded = extent(1, 2, [DATA + 65_536, 0, 8192]);
    let tree = image.leaf(&file(28_000, &[(0, first), (8192, encoded), (24_576, second)]));
    let division = divided(&image.of(tree));
    assert_eq!((division.files[0].bytes, division.files[0].runs.len()), (0, 0));
    assert!(division.stretches.iter().any(|stretch| (stretch.bytes, stretch.kind) == (8192, File(0))));
}

#[test]
fn subvolumes_stand_where_they_are_named() {
    let mut image = Image::new();
    let extent = (0, extent(1, 0, [DATA, 0, 4096]));
    let system = image.leaf(&file(4096, std::slice::from_ref(&extent)));
    let mut items = file(4096, &[extent]);
    items.insert(2, ((256, 96, 3), entry(300, ROOT_ITEM, b"system")));
    items.insert(3, ((256, 96, 4), entry(301, ROOT_ITEM, b"old")));
    items.insert(4, ((256, 96, 5), entry(301, ROOT_ITEM, b"again")));
    items.insert(5, ((256, 96, 6), entry(999, ROOT_ITEM, b"removed")));
    let top = image.leaf(&items);
    // A snapshot, which shares the only leaf.
    let chunks = [(LOGICAL, chunk(CHUNK as u64, PROFILE_DUP, &[PHYSICAL, TWIN]))];
    let image = image.with(&[(300, system), (5, top), (301, system)], &chunks);
    let division = divided(&image);
    let paths: Vec<_> = division.files.iter().map(|file| String::from_utf8_lossy(&file.path)).collect();
    assert_eq!(paths, ["file", "file", "old/file"]);
    assert!(division.details.starts_with("btrfs, two copies of metadata, 3 subvolumes"));
    // The first one has the bytes, in both copies.
    let of_files: Vec<_> = division.stretches.iter().filter(|stretch| matches!(stretch.kind, File(_))).collect();
    assert!(of_files.iter().all(|stretch| (stretch.bytes, stretch.kind) == (4096, File(0))));
    assert_eq!(of_files.len(), 2);
    for end in (0..image.len()).step_by(4096) {
        assert!(!matches!(divide(&&image[..end]), Ok(Some(_))), "{end}");
    }
}

const PROFILE_DUP: u64 = 0x20;

#[test]
fn trees_that_do_not_fit_are_damaged() {
    let good = file(10, &[]);
    let reason_of = |make: &dyn Fn(&mut Image) -> (u64, u8)| {
        let mut image = Image::new();
        let tree = make(&mut image);
        reason(&image.of(tree))
    };
    // A node that points at itself, and one that points at one above it.
    assert!(reason_of(&|image| image.above(1, &[LOGICAL])).contains("the header of a node"));
    assert!(
        reason_of(&|image| {
            let at = image.next();
            image.above(1, &[at + NODE as u64]);
            image.above(2, &[at])
        })
        .contains("the header of a node")
    );
    let order = reason_of(&|image| {
        let leaf = image.leaf(&good).0;
        image.above(1, &[leaf, leaf])
    });
    assert!(order.contains("the order of items"), "{order}");
    assert!(reason_of(&|image| (image.leaf(&good).0, 8)).contains("too many levels"));
    assert!(reason_of(&|_| (LOGICAL - 1, 0)).contains("the place of a node"));
    assert!(reason_of(&|_| (u64::MAX - 10, 0)).contains("the place of a node"));
    // Empty leaves, again and again.
    let large = reason_of(&|image| {
        let mut at = image.leaf(&[]).0;
        for level in 1..=7 {
            at = image.above(level, &[at; 100]).0;
        }
        (at, 7)
    });
    assert!(large.contains("bytes of trees"), "{large}");
    for (from, value, what) in [(96, 200, "the items of a node"), (118, 0x20, "an item that leaves its leaf")] {
        let mut image = Image::new();
        let tree = image.leaf(&good);
        let mut image = image.of(tree);
        image[PHYSICAL + from..PHYSICAL + from + 2].fill(value);
        assert!(reason(&image).contains(what), "{}", reason(&image));
    }
}

#[test]
fn items_that_do_not_fit_are_damaged() {
    let at = |[place, from, bytes]: [u64; 3]| extent(1, 0, [place, from, bytes]);
    for extents in [
        vec![(0, at([LOGICAL + CHUNK as u64, 0, 4096]))],
        vec![(0, at([u64::MAX, 1, 4096]))],
        vec![(0, at([DATA, CHUNK as u64, 4096]))],
        vec![(0, at([DATA, 0, 8192])), (4096, at([DATA, 0, 4096]))],
        vec![(u64::MAX - 10, at([DATA, 0, 4096]))],
        vec![(0, extent(3, 0, [DATA, 0, 4096]))],
        vec![(0, at([DATA, 0, 4096])[..40].to_vec())],
        vec![(0, vec![0; 20])],
    ] {
        let mut image = Image::new();
        let tree = image.leaf(&file(10_000, &extents));
        assert!(reason(&image.of(tree)).contains("an extent"), "{extents:?}");
    }
    for (item, what) in [
        (((256, 96, 2), entry(257, 84, b"file")), "an entry of a directory"),
        (((256, 96, 2), entry(257, 1, b"file")[..32].to_vec()), "an entry of a directory"),
        (((256, 96, 2), entry(257, 1, b"a/b")), "a name"),
        (((257, 1, 0), vec![0; 100]), "an inode"),
    ] {
        let mut items = file(10, &[]);
        items.retain(|(of, _)| *of != item.0);
        items.push(item);
        items.sort();
        let mut image = Image::new();
        let tree = image.leaf(&items);
        let found = reason(&image.of(tree));
        assert!(found.contains(what), "{found}");
    }
}

#[test]
fn chunks_that_do_not_fit_are_refused() {
    let whole = chunk(CHUNK as u64, 0, &[PHYSICAL]);
    let other = LOGICAL + CHUNK as u64;
    for (at, chunk, what) in [
        (other, chunk(1 << 20, 0, &[TWIN]), "a chunk"),
        (other - 1, chunk(4096, 0, &[PHYSICAL]), "a chunk"),
        (0, chunk(LOGICAL + 1, 0, &[0]), "a chunk"),
        (u64::MAX - 10, chunk(4096, 0, &[PHYSICAL]), "a chunk"),
        (other, chunk(4096, 0, &[usize::MAX - 10]), "a chunk"),
        (other, chunk(0, 0, &[PHYSICAL]), "a chunk"),
        (other, chunk(4096, PROFILE_DUP, &[PHYSICAL]), "a chunk"),
        (other, chunk(4096, 0, &[])[..20].to_vec(), "a chunk"),
        (other, chunk(4096, 0x10, &[PHYSICAL, TWIN]), "RAID profiles"),
    ] {
        let mut image = Image::new();
        let tree = image.leaf(&file(10, &[]));
        let mut chunks = vec![(LOGICAL, whole.clone()), (at, chunk)];
        chunks.sort();
        let found = reason(&image.with(&[(5, tree)], &chunks));
        assert!(found.contains(what), "{found}");
    }
}

#[test]
fn features_that_are_not_understood_are_named() {
    let mut image = Image::new();
    let tree = image.leaf(&file(10, &[]));
    let image = image.of(tree);
    for (at, value, what) in [
        (188, 0x80, "raid56"),
        (189, 0x10, "zoned"),
        (189, 0x20, "extent-tree-v2"),
        (189, 0x40, "raid-stripe-tree"),
        (195, 1, "an unknown incompatible feature"),
        (136, 2, "several devices"),
        (96, 1, "a log that was not replayed"),
        (196, 4, "checksums of an unknown kind"),
        (149, 0, "the sizes of sectors and nodes"),
        (119, 1, "more bytes than the image has"),
    ] {
        let mut changed = image.clone();
        changed[(64 << 10) + at] = value;
        assert!(reason(&changed).contains(what), "{what}: {}", reason(&changed));
    }
}

/// A disk with partitions is one, whatever superblock is left from before. Earlier rules know nothing of it.
#[test]
fn partitions_come_first() {
    let mut image = Image::new();
    let tree = image.leaf(&file(4096, &[(0, extent(1, 0, [DATA, 0, 4096]))]));
    let image = image.of(tree);
    let mut disk = image.clone();
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[446 + 4] = 0x83;
    let sectors = |bytes: usize| (bytes as u32 / 512).to_le_bytes();
    disk[446 + 8..446 + 12].copy_from_slice(&sectors(image.len()));
    disk[446 + 12..446 + 16].copy_from_slice(&sectors(image.len()));
    disk.extend(&image);
    let divided = |rules| crate::divide(&disk.as_slice(), rules).expect("understood").expect("an image");
    let (before, now) = (divided(DivisionRules::V5), divided(DivisionRules::V6));
    assert!(before.files.is_empty() && before.rules == DivisionRules::V5);
    assert_eq!((now.kind, now.rules), (DiskKind::Partitions, DivisionRules::V6));
    assert_eq!(now.files.iter().map(|file| file.path.as_slice()).collect::<Vec<_>>(), [b"p1/file"]);
    assert!(crate::divide(&image.as_slice(), DivisionRules::V5).expect("no image").is_none());
}
