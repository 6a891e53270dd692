//! Buckets that hold what a store cannot name, or keep what they hold from being read.

use http::Method;

use super::Bucket;
use crate::images::{Tree, docker_save};
use crate::s3server::Fault;

/// Two images without a common part, and what gc keeps of their packs.
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
            bucket.run(&format!("{GC} {keep}")).failure(4, "the name is none that a store can have");
        }
        assert_eq!(bucket.packs("bucket"), packs, "{odd:?}");
        std::fs::rename(root.join(odd), &index).unwrap();
    }
    // Folders have no such names, so the server cannot: on the second page of its list.
    let entry = "<Contents><Key>rel//two.rgx</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><Size>1</Size></Contents>";
    let list = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entry}</ListBucketResult>");
    bucket.server.set_hook(move |seen| {
        let is_asked = seen.is_list() && !seen.uri.query().unwrap_or_default().contains("store");
        is_asked.then(|| Fault::Answer { status: 200, headers: Vec::new(), body: list.clone() })
    });
    bucket.run(GC).failure(4, "s3://bucket/rel//two.rgx: not asked for: the name is none that a store can have");
    assert_eq!(bucket.packs("bucket"), packs);
    bucket.server.clear_hook();
    // Other files of such names are no business of a store.
    std::fs::write(root.join("rel\\notes.txt"), "x").unwrap();
    bucket.run(GC).success();
    bucket.check("bucket", &[("one", &one), ("two", &two)]);
}

/// Hosts answer 403 for what is not there, where they may not tell; but this index was listed.
#[test]
fn gc_refuses_indexes_that_it_may_not_read() {
    let (bucket, one, two) = two_images();
    let packs = bucket.packs("bucket");
    bucket.server.set_hook(|seen| {
        let is_hidden = seen.method == Method::GET && seen.uri.path().ends_with("two.rgx");
        is_hidden.then(|| {
            // So that the other index has been read: a host that answers at all means the object by 403.
            std::thread::sleep(std::time::Duration::from_millis(300));
            Fault::code(403, "AccessDenied")
        })
    });
    bucket.run(GC).failure(4, "s3://bucket/two.rgx: ");
    bucket.server.clear_hook();
    assert_eq!(bucket.packs("bucket"), packs);
    bucket.check("bucket", &[("one", &one), ("two", &two)]);
}
