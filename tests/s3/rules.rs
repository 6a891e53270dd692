//! Buckets that hold names that no store can have, or objects that cannot be read.

use http::Method;

use super::Bucket;
use crate::report::number;
use crate::s3server::Fault;
use regrow_demo::{Tree, docker_save};

/// A bucket with two images that share nothing, and both images.
fn two_images() -> (Bucket, Vec<u8>, Vec<u8>) {
    let images = ["one", "two"].map(|name| docker_save(&[Tree::sample(name, 40)], 1));
    let bucket = Bucket::new();
    bucket.make("one", &images[0]);
    bucket.make("two", &images[1]);
    let [one, two] = images;
    (bucket, one, two)
}

const GC: &str = "gc --grace 0s --store s3://bucket/store";

#[test]
fn gc_refuses_indexes_that_it_cannot_name() {
    let (bucket, one, two) = two_images();
    let packs = bucket.packs("bucket");
    let (index, root) = (bucket.env.path("s3/bucket/two.rgx"), bucket.env.path("s3/bucket"));
    for odd in ["rel\\two.rgx", "two\u{1}.RGX"] {
        std::fs::rename(&index, root.join(odd)).unwrap();
        for keep in ["", "--keep s3://bucket"] {
            bucket.run(&format!("{GC} {keep}")).failure(4, "no store can have this name");
        }
        assert_eq!(bucket.packs("bucket"), packs, "{odd:?}");
        std::fs::rename(root.join(odd), &index).unwrap();
    }
    // Folders cannot have such names, so the server cannot either. The name is on the second page of its list.
    let entry = "<Contents><Key>rel//two.rgx</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><Size>1</Size></Contents>";
    let list = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entry}</ListBucketResult>");
    bucket.server.set_hook(move |seen| {
        let is_asked = seen.is_list() && !seen.uri.query().unwrap_or_default().contains("store");
        is_asked.then(|| Fault::Answer { status: 200, headers: Vec::new(), body: list.clone() })
    });
    bucket.run(GC).failure(4, "s3://bucket/rel//two.rgx: the request was not made: no store can have this name");
    assert_eq!(bucket.packs("bucket"), packs);
    bucket.server.clear_hook();
    // Other files of such names do not concern a store.
    std::fs::write(root.join("rel\\notes.txt"), "x").unwrap();
    bucket.run(GC).success();
    bucket.check("bucket", &[("one", &one), ("two", &two)]);
}

/// Hosts answer 403 for missing objects if they may not tell; but this index was listed.
#[test]
fn gc_refuses_indexes_that_it_may_not_read() {
    let (bucket, one, two) = two_images();
    let packs = bucket.packs("bucket");
    bucket.server.set_hook(|seen| {
        let is_hidden = seen.method == Method::GET && seen.uri.path().ends_with("two.rgx");
        is_hidden.then(|| {
            // The other index has been read by then, so the host answers, and its 403 is about this object.
            std::thread::sleep(std::time::Duration::from_millis(300));
            Fault::code(403, "AccessDenied")
        })
    });
    bucket.run(GC).failure(4, "s3://bucket/two.rgx: ");
    bucket.server.clear_hook();
    assert_eq!(bucket.packs("bucket"), packs);
    bucket.check("bucket", &[("one", &one), ("two", &two)]);
}

/// Makes the host answer as for archived packs: lists name their class, and reading is refused.
fn archive(bucket: &Bucket, class: &'static str) {
    let (root, mut put) = (bucket.env.path("s3/bucket/store/packs"), std::collections::BTreeSet::new());
    bucket.server.set_hook(move |seen| {
        let path = seen.uri.path().to_owned();
        match seen.method {
            // An object that is put again has the bucket's class again, on hosts that behave like S3.
            Method::PUT if class == "DEEP_ARCHIVE" => {
                put.insert(path);
                None
            }
            Method::GET if path.ends_with(".pack") && !put.contains(&path) => {
                Some(Fault::code(403, "InvalidObjectState"))
            }
            Method::GET if seen.is_list() && seen.uri.query().unwrap_or_default().contains("packs") => {
                let body = list_of(&root, class);
                Some(Fault::Answer { status: 200, headers: Vec::new(), body })
            }
            _ => None,
        }
    });
}

/// A list of the packs that states their storage class.
fn list_of(packs: &std::path::Path, class: &str) -> String {
    let mut entries = String::new();
    for folder in std::fs::read_dir(packs).unwrap() {
        for pack in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let pack = pack.unwrap();
            let (name, bytes) = (pack.file_name().into_string().unwrap(), pack.metadata().unwrap().len());
            entries += &format!(
                "<Contents><Key>store/packs/{}/{name}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>\
                 <Size>{bytes}</Size><StorageClass>{class}</StorageClass></Contents>",
                &name[..2]
            );
        }
    }
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>")
}

#[test]
fn a_make_does_without_packs_that_are_archived() {
    let image = docker_save(&[Tree::sample("one", 40)], 1);
    for like in ["", "--like s3://bucket/one.rgx"] {
        let bucket = Bucket::new();
        bucket.make("one", &image);
        archive(&bucket, "DEEP_ARCHIVE");
        bucket.run("extract s3://bucket/one.rgx out").failure(4, "archived in a storage class that cannot be read");
        let made = bucket.run(&format!("make {like} --pack-size 100KiB s3://bucket/again.rgx one")).success();
        assert!(made.stderr.contains("will be stored again"), "{}", made.stderr);
        // The same pack can be read again under the same name, so the old image can be read too.
        bucket.server.clear_hook();
        let written =
            bucket.server.requests().iter().filter(|seen| super::is_pack(seen) && super::is_put(seen)).count();
        assert!(written >= 2 * bucket.packs("bucket").len(), "{written}");
        bucket.check("bucket", &[("one", &image)]);
    }
}

#[test]
fn a_pack_that_was_cut_is_not_relied_on_for_a_tail_that_is_remembered() {
    let image = docker_save(&[Tree::sample("one", 40)], 1);
    for left in [|bytes: usize| bytes - 1, |bytes| bytes / 2, |_| 0] {
        let bucket = Bucket::new();
        bucket.make("one", &image);
        let make = |name: &str| bucket.json(&format!("make --catalog catalog s3://bucket/{name}.rgx one"));
        // This one reads the tails, and the next one need not.
        assert_eq!(number(&make("two"), "chunks_new"), 0);
        for pack in bucket.packs("bucket") {
            let bytes = bucket.env.read(&pack);
            bucket.env.write(&pack, &bytes[..left(bytes.len())]);
        }
        let made = make("three");
        assert_eq!(number(&made, "chunks_new"), number(&made, "chunks"));
        bucket.run("extract s3://bucket/three.rgx out").success();
        assert!(bucket.env.read("out") == image);
    }
}

/// The host keeps archived objects as they are.
#[test]
fn a_make_sees_that_a_pack_it_relies_on_stays_archived() {
    let image = docker_save(&[Tree::sample("one", 40)], 1);
    for class in ["STANDARD", "GLACIER"] {
        let bucket = Bucket::new();
        bucket.make("one", &image);
        archive(&bucket, class);
        let made = bucket.run("make --pack-size 100KiB s3://bucket/more.rgx one");
        made.failure(1, "is archived and cannot be read at once, though it was put again; restore it first");
        assert!(!bucket.env.exists("s3/bucket/more.rgx"));
    }
}
