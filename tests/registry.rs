//! Stores in registries from end to end, against a registry in this process.

use std::process::Command;

use regrow_demo::{noise, versions};
use serde_json::Value;

use crate::environment::{Outcome, TestEnvironment};
use crate::registry_server::{Asked, Manner, RegistryServer, base64_of};
use crate::report::{check_extract, check_make, number};

/// A folder, and a registry with a bucket behind it.
struct Registry {
    env: TestEnvironment,
    server: RegistryServer,
}

impl Registry {
    fn new() -> Self {
        Self::with(Manner { has_bucket: true, ..Manner::default() })
    }

    fn with(manner: Manner) -> Self {
        Self { env: TestEnvironment::new(), server: RegistryServer::start(manner) }
    }

    /// The place of an image, or of the repository if the tag is empty.
    fn url(&self, tag: &str) -> String {
        let colon = if tag.is_empty() { "" } else { ":" };
        format!("oci://{}/team/app{colon}{tag}", self.server.host())
    }

    /// The command. Each `@TAG` in its arguments stands for a place in the repository.
    fn command(&self, arguments: &str) -> Command {
        let word = |word: &str| word.strip_prefix('@').map_or_else(|| word.to_owned(), |tag| self.url(tag));
        let words: Vec<String> = arguments.split_whitespace().map(word).collect();
        let mut command = self.env.command(&words.join(" "));
        command.env("DOCKER_CONFIG", self.env.path("docker"));
        command.env_remove("REGISTRY_AUTH_FILE").env_remove("XDG_RUNTIME_DIR").env_remove("XDG_CONFIG_HOME");
        command
    }

    fn run(&self, arguments: &str) -> Outcome {
        Outcome::of(&mut self.command(arguments))
    }

    #[track_caller]
    fn json(&self, arguments: &str) -> Value {
        self.run(&format!("{arguments} --json")).success().json()
    }

    #[track_caller]
    fn make(&self, tag: &str, image: &[u8], options: &str) -> Value {
        self.env.write(tag, image);
        let report = self.json(&format!("make --avg-size 1KiB --pack-size 100KiB {options} @{tag} {tag}"));
        check_make(&report, image);
        report
    }

    /// Checks that these images come back.
    #[track_caller]
    fn check(&self, images: &[(&str, &[u8])]) {
        for (tag, image) in images {
            self.run(&format!("extract @{tag} checked")).success();
            assert!(self.env.read("checked") == *image, "{tag}");
            self.env.remove("checked");
        }
    }

    /// The requests of some work, except those to the bucket.
    fn requests_of<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<Asked>) {
        self.server.take_log();
        let result = work();
        let asked = self.server.take_log().into_iter().filter(|asked| !asked.is_bucket);
        (result, asked.collect())
    }
}

fn lines(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
}

#[test]
fn an_update_by_a_patch_takes_two_requests() {
    let (old, new) = versions();
    let registry = Registry::with(Manner::default());
    registry.make("v1", &old, "");
    let report = registry.make("v2", &new, "--patch-level 1 --patch-from @v1");
    assert_eq!(report["patches"].as_array().map(Vec::len), Some(1), "{report}");
    let update = || registry.json("extract --seed v1 @v2 out");
    let (report, asked) = registry.requests_of(update);
    assert!(registry.env.read("out") == new);
    check_extract(&report, &new);
    assert!(number(&report, "chunks_patch") > 0 && number(&report, "chunks_store") == 0, "{report}");
    assert_eq!((number(&report, "requests"), asked.len()), (2, 2), "{:#?}", lines(&asked));
    assert!(asked[0].target.ends_with("/manifests/v2") && asked[1].target.contains("/blobs/sha256:"));
    // A machine that polls gets one answer without a body.
    let (report, asked) = registry.requests_of(|| registry.json("extract @v2 out"));
    assert_eq!((number(&report, "requests"), number(&report, "bytes_fetched")), (1, 0), "{:#?}", lines(&asked));
    // Without the patch, chunks come from the packs.
    registry.env.remove("out");
    let report = registry.json("extract --no-patch --seed v1 @v2 out");
    assert!(registry.env.read("out") == new && number(&report, "chunks_store") > 0, "{report}");
    registry.env.remove("out");
    registry.run("extract --dry-run --seed v1 @v2 out").success();
    // An image is also found by the digest of its manifest, and under the default tag.
    let manifest = registry.server.manifest("v2").unwrap();
    let digest = regrow_store::BlobDigest::of(&manifest);
    registry.run(&format!("extract {}@{digest} out", registry.url(""))).success();
    assert!(registry.env.read("out") == new);
    registry.run("extract @ out2").failure(4, "team/app:latest: not found");
    registry.server.put_manifest("latest", &manifest);
    registry.run("extract @ out2").success();
    assert_eq!(registry.env.files("scratch"), Vec::<String>::new());
}

#[test]
fn an_update_with_a_token_takes_three_requests() {
    let (old, new) = versions();
    let registry = Registry::with(Manner { login: Some("me:secret".to_owned()), ..Manner::default() });
    registry.env.write("v1", &old);
    registry.run("make @v1 v1").failure_of(&[3, 4], "access denied (HTTP 401)");
    let auth = base64_of(b"me:secret");
    let config = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{auth}\"}}}}}}", registry.server.host());
    registry.env.write("docker/config.json", config.as_bytes());
    registry.make("v1", &old, "");
    registry.make("v2", &new, "--patch-level 1 --patch-from @v1");
    // The first time, a request is refused, and so tells where tokens are given.
    let (_, asked) = registry.requests_of(|| registry.json("extract @v1 warm"));
    let refused = asked.iter().filter(|asked| asked.header("authorization").is_none());
    assert_eq!(refused.count(), 1, "{:#?}", lines(&asked));
    let (report, asked) = registry.requests_of(|| registry.json("extract --seed v1 @v2 out"));
    assert!(registry.env.read("out") == new);
    assert!(number(&report, "chunks_patch") > 0, "{report}");
    assert_eq!((number(&report, "requests"), asked.len()), (3, 3), "{:#?}", lines(&asked));
    assert!(asked[0].target.starts_with("/token?") && asked[0].target.contains("pull"), "{:#?}", lines(&asked));
    // A wrong password shows where it was refused.
    registry.env.write("docker/config.json", config.replace(&auth, &base64_of(b"me:wrong")).as_bytes());
    registry.run("extract @v1 out1").failure_of(&[3, 4], "the login server");
    registry.run("extract --no-sign-request @v1 out1").failure_of(&[3, 4], "access denied (HTTP 401)");
}

#[test]
fn credential_helpers_are_asked_for_logins() {
    let registry = Registry::with(Manner { login: Some("me:secret".to_owned()), ..Manner::default() });
    let image = noise("image", 50_000);
    registry.env.write("image", &image);
    let helper = "#!/bin/sh\nread -r server\necho \"$1 $server\" >>asked\n\
        echo '{\"ServerURL\":\"x\",\"Username\":\"me\",\"Secret\":\"secret\"}'\n";
    let path = registry.env.write("bin/docker-credential-test", helper.as_bytes());
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let absent = "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n";
    let path = registry.env.write("bin/docker-credential-absent", absent.as_bytes());
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = |config: &str, arguments: &str| {
        registry.env.write("docker/config.json", config.replace("HOST", &registry.server.host()).as_bytes());
        let path = format!("{}:{}", registry.env.path("bin").display(), std::env::var("PATH").unwrap());
        Outcome::of(registry.command(arguments).env("PATH", path))
    };
    run(r#"{"credHelpers":{"HOST":"test"},"credsStore":"absent"}"#, "make @v1 image").success();
    run(r#"{"auths":{"HOST":{}},"credsStore":"test"}"#, "extract @v1 out").success();
    assert!(registry.env.read("out") == image);
    let asked = String::from_utf8(registry.env.read("asked")).unwrap();
    assert!(asked.lines().all(|line| line == format!("get {}", registry.server.host())), "{asked}");
    run(r#"{"credsStore":"absent"}"#, "extract @v1 out2").failure_of(&[3, 4], "access denied (HTTP 401)");
    run(r#"{"credsStore":"gone"}"#, "extract @v1 out2").failure_of(&[1, 2, 3, 4], "docker-credential-gone");
}

#[test]
fn all_verbs_work_on_a_repository() {
    let (old, new) = versions();
    let registry = Registry::new();
    registry.make("v1", &old, "");
    registry.make("v2", &new, "--like @v1");
    registry.check(&[("v1", &old), ("v2", &new)]);
    let info = registry.json("info @v2");
    assert_eq!(number(&info, "image_bytes"), new.len() as u64);
    registry.run("diff @v1 @v2").success();
    registry.run("verify @v2 v2").success();
    registry.run("verify --store @ @v1 @v2").success();
    // A patch that is made later is announced, and found.
    let report = registry.json("patch --patch-level 1 @v1 @v2");
    assert_eq!((&report["announced"], &report["present"]), (&true.into(), &false.into()), "{report}");
    let report = registry.json("extract --seed v1 @v2 out");
    assert!(number(&report, "chunks_patch") > 0, "{report}");
    registry.run("verify --store @ @v2").success();
    // The same image again changes nothing.
    registry.make("v2", &new, "");
    let manifest = registry.server.manifest("v2");
    let (report, asked) = registry.requests_of(|| registry.make("v2", &new, ""));
    assert_eq!(number(&report, "packs_written"), 0, "{report}");
    assert_eq!(registry.server.manifest("v2"), manifest, "{:#?}", lines(&asked));
    // gc keeps what its tags need, and removes images that are not to be kept.
    let report = registry.json("gc --grace 0s --store @");
    assert_eq!((number(&report, "indexes"), number(&report, "packs_deleted")), (2, 0), "{report}");
    let report = registry.json("gc --repack --grace 0s --store @");
    assert_eq!(number(&report, "packs_deleted"), 0, "{report}");
    registry.check(&[("v1", &old), ("v2", &new)]);
    registry.make("other", &noise("other", 200_000), "");
    let report = registry.json("gc --grace 0s --keep @v1 --keep @v2 --store @");
    assert!(number(&report, "packs_deleted") > 0, "{report}");
    registry.server.collect_garbage();
    assert_eq!(registry.server.tags(), ["regrow-gc", "v1", "v2"]);
    registry.check(&[("v1", &old), ("v2", &new)]);
    registry.run("verify --store @ @v1 @v2").success();
}

#[test]
fn images_are_pushed_to_a_repository_and_from_it() {
    let (old, new) = versions();
    let registry = Registry::new();
    registry.env.make("v1", &old);
    registry.env.write("v2", &new);
    registry.env.json("make --patch-level 1 --patch-from v1.rgx v2.rgx v2");
    let report = registry.json("push --patches v1.rgx v2.rgx @");
    assert_eq!(number(&report, "patches_copied"), 1, "{report}");
    assert_eq!(report["indexes"][1], registry.url("v2"), "{report}");
    registry.check(&[("v1", &old), ("v2", &new)]);
    let report = registry.json("extract --seed v1 @v2 out");
    assert!(number(&report, "chunks_patch") > 0, "{report}");
    // Nothing is sent twice.
    let report = registry.json("push --patches v1.rgx v2.rgx @");
    assert_eq!((number(&report, "packs_copied"), number(&report, "patches_copied")), (0, 0), "{report}");
    registry.run("push @v1 @v2 copy/store").success();
    registry.run("extract copy/v2.rgx out2").success();
    assert!(registry.env.read("out2") == new);
    // The store of an index elsewhere may be a repository, or one image of it.
    registry.env.remove("store");
    registry.run("extract --store @v2 v2.rgx out3").success();
    registry.run("extract --store @ v2.rgx out4").success();
    assert!(registry.env.read("out3") == new && registry.env.read("out4") == new);
}

#[test]
fn what_is_no_image_of_regrow_is_refused() {
    let registry = Registry::new();
    registry.env.write("image", &noise("image", 10_000));
    registry.server.put_manifest("v1", br#"{"schemaVersion":2,"layers":[]}"#);
    registry.run("extract @v1 out").failure_of(&[3, 4, 5], "not an image of regrow");
    registry.run("make @v1 image").failure_of(&[1, 3, 4, 5], "not an image of regrow");
    registry.run("extract oci://host out").failure_of(&[2, 4], "write it like oci://host/repository:tag");
    registry.run("make oci://127.0.0.1:1/App:v1 image").failure_of(&[2, 4], "lower case letters");
    registry.run("make @regrow-gc image").failure_of(&[1, 2, 4], "regrow keeps this tag for itself");
}
