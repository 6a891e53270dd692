//! Stores in buckets from end to end, against an S3 server in this process.

mod faults;
mod interrupted;
mod patches;
mod places;
mod refusals;
mod requests;
mod rules;
mod tidy;

use std::process::Command;

use http::Method;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, check_make, number};
use crate::s3server::{ACCESS_KEY, Fault, S3Server, SECRET_KEY, Seen};
use regrow_demo::{noise, versions};

/// Variables that would lead the command to a real account.
const OF_THE_USER: [&str; 6] = [
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

/// A server with the bucket `bucket`, whose objects are the files in `s3/bucket` of the environment.
pub(crate) struct Bucket {
    pub(crate) env: TestEnvironment,
    pub(crate) server: S3Server,
    /// The runtime that the server runs in, so it is dropped after the server.
    _runtime: Runtime,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        let env = TestEnvironment::new();
        std::fs::create_dir_all(env.path("s3/bucket")).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(S3Server::start(&env.path("s3")));
        Self { env, server, _runtime: runtime }
    }

    /// The command with the key that the server knows.
    fn command(&self, arguments: &str) -> Command {
        let mut command = self.command_without_keys(arguments);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command
    }

    fn command_without_keys(&self, arguments: &str) -> Command {
        let mut command = self.env.command(arguments);
        OF_THE_USER.iter().chain(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]).for_each(|name| {
            command.env_remove(name);
        });
        command
            .env("AWS_ENDPOINT_URL", self.server.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Outcome {
        Outcome::of(&mut self.command(arguments))
    }

    #[track_caller]
    fn json(&self, arguments: &str) -> Value {
        self.run(&format!("{arguments} --json")).success().json()
    }

    /// Makes `s3://bucket/NAME.rgx` of an image, with small chunks and packs.
    #[track_caller]
    fn make(&self, name: &str, image: &[u8]) -> Value {
        self.env.write(name, image);
        self.json(&format!("make --avg-size 1KiB --pack-size 100KiB s3://bucket/{name}.rgx {name}"))
    }

    /// Checks that the store is whole, that each of these indexes is complete in it, and that the images come back.
    #[track_caller]
    fn check(&self, bucket: &str, images: &[(&str, &[u8])]) {
        let indexes: Vec<String> = images.iter().map(|(name, _)| format!("s3://{bucket}/{name}.rgx")).collect();
        self.run(&format!("verify --store s3://{bucket}/store {}", indexes.join(" "))).success();
        for (index, (name, image)) in indexes.iter().zip(images) {
            self.run(&format!("extract {index} checked")).success();
            assert!(self.env.read("checked") == *image, "{name}");
            self.env.remove("checked");
        }
    }

    /// The packs in `s3://BUCKET/store`.
    fn packs(&self, bucket: &str) -> Vec<String> {
        self.env.packs(&format!("s3/{bucket}/store"))
    }

    /// The size of these packs together.
    fn pack_bytes(&self, bucket: &str) -> u64 {
        self.packs(bucket).iter().map(|pack| self.env.path(pack).metadata().unwrap().len()).sum()
    }

    /// Makes another bucket with the same contents.
    fn copy(&self, from: &str, to: &str) {
        std::fs::create_dir_all(self.env.path(&format!("s3/{to}"))).unwrap();
        for file in self.env.files(&format!("s3/{from}")) {
            let to = file.replacen(&format!("s3/{from}"), &format!("s3/{to}"), 1);
            self.env.write(&to, &self.env.read(&file));
        }
    }

    /// Runs `work`, and returns its result with the requests that it made.
    fn requests_of<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<Seen>) {
        let before = self.server.requests().len();
        let done = work();
        (done, self.server.requests().split_off(before))
    }

    /// Lets this many requests pass, and makes `fault` happen to all later ones.
    fn fail_after(&self, passing: usize, fault: Fault) {
        let mut left = passing;
        self.server.set_hook(move |_| {
            if left == 0 {
                return Some(fault.clone());
            }
            left -= 1;
            None
        });
    }
}

fn is_pack(seen: &Seen) -> bool {
    seen.uri.path().ends_with(".pack")
}

fn is_put(seen: &Seen) -> bool {
    seen.method == Method::PUT
}

/// The number of bytes in the bodies that were put to objects.
fn put_bytes(requests: &[Seen]) -> u64 {
    let length = |seen: &Seen| seen.headers.get("content-length")?.to_str().ok()?.parse::<u64>().ok();
    requests.iter().filter(|seen| is_put(seen)).filter_map(length).sum()
}

#[test]
fn a_release_and_its_update() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    check_make(&bucket.make("old", &old), &old);
    let report = bucket.make("new", &new);
    check_make(&report, &new);
    assert!(number(&report, "chunks_new") < number(&report, "chunks") / 3, "{report}");
    bucket.check("bucket", &[("old", &old), ("new", &new)]);
    bucket.run("verify s3://bucket/new.rgx new").success();
    bucket.run("verify -q s3://bucket/new.rgx old").failure(3, "old");
    let report = bucket.json("extract --seed old s3://bucket/new.rgx out");
    check_extract(&report, &new);
    assert!(bucket.env.read("out") == new);
    assert!(number(&report, "chunks_seed") > number(&report, "chunks_store"), "{report}");
    assert!(bucket.run("extract --seed old s3://bucket/new.rgx -").success().stdout == new);
    let info = bucket.json("info s3://bucket/new.rgx");
    assert_eq!(number(&info, "image_bytes"), new.len() as u64, "{info}");
    bucket.json("diff s3://bucket/old.rgx s3://bucket/new.rgx");
    assert_eq!(bucket.env.files("scratch"), Vec::<String>::new());
}

#[test]
fn a_store_at_the_root_of_a_bucket_and_deep_in_one() {
    let (image, _) = versions();
    let bucket = Bucket::new();
    bucket.env.write("image", &image);
    for (index, store) in
        [("app.rgx", "s3://bucket"), ("x/y/app.rgx", "s3://bucket/x/z/packs"), ("x/app.rgx", "s3://bucket/")]
    {
        bucket.run(&format!("make --avg-size 1KiB --store {store} s3://bucket/{index} image")).success();
        bucket.run(&format!("extract s3://bucket/{index} out")).success();
        assert!(bucket.env.read("out") == image, "{index} {store}");
        bucket.run(&format!("verify --store {store} s3://bucket/{index}")).success();
    }
}

#[test]
fn objects_say_what_they_are() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.make("old", &old);
    bucket.env.write("new", &new);
    bucket.run("make --index-max-age 3600 s3://bucket/new.rgx new").success();
    bucket.run("push --index-max-age 0 s3://bucket/old.rgx s3://bucket/elsewhere/store").success();
    bucket.make("gone", &noise("gone", 50_000));
    bucket.run("gc --grace 0s --store s3://bucket/store --keep s3://bucket/new.rgx").success();
    let mut kinds = std::collections::BTreeSet::new();
    for seen in bucket.server.requests().iter().filter(|seen| is_put(seen)) {
        // A copy keeps the attributes of the object.
        if seen.headers.contains_key("x-amz-copy-source") {
            continue;
        }
        let header = |name: &str| seen.headers[name].to_str().unwrap().to_owned();
        let name = seen.uri.path().rsplit('/').next().unwrap();
        let name = if is_pack(seen) { "pack" } else { name };
        kinds.insert((name.to_owned(), header("cache-control"), header("content-type")));
        assert!(!header("host").is_empty() && !seen.headers.contains_key("content-encoding"));
    }
    let kind = |name: &str, cache: &str, kind: &str| (name.to_owned(), cache.to_owned(), kind.to_owned());
    let bytes = "application/octet-stream";
    let expected = [
        kind("gc.json", "no-cache", "application/json"),
        kind("gone.rgx", "public, max-age=60", bytes),
        kind("new.rgx", "public, max-age=3600", bytes),
        kind("old.rgx", "public, max-age=0", bytes),
        kind("old.rgx", "public, max-age=60", bytes),
        kind("pack", "public, max-age=31536000, immutable", bytes),
        kind("regrow.json", "no-cache", "application/json"),
    ];
    assert_eq!(kinds, expected.into());
}

#[test]
fn an_index_that_is_known_comes_once() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.make("old", &old);
    bucket.run("extract s3://bucket/old.rgx out").success();
    let (report, requests) = bucket.requests_of(|| bucket.json("extract s3://bucket/old.rgx out"));
    assert_eq!(number(&report, "bytes_fetched"), 0, "{report}");
    assert!(requests.iter().all(|seen| seen.headers.contains_key("if-none-match")), "{requests:?}");
    bucket.make("old", &new);
    bucket.run("extract s3://bucket/old.rgx out").success();
    assert!(bucket.env.read("out") == new);
}
