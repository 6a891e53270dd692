//! A host that gives a signed head for the first request, and for the later ones an index with the same image id that
//! states something else. The image id covers the recipe, but neither the digest nor the codings nor the claims.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regrow_demo::patchable::versions;
use regrow_demo::{GO, Tree, gzip, noise};
use regrow_index::Index;

use crate::environment::{Outcome, TestEnvironment};
use crate::server::{Answer, Server};

const DEVICE: &str = "--head-first --tries 1 --key ours.key.pub --state state";

/// A signed image, and the one before it with a patch to the signed one.
struct Site {
    env: TestEnvironment,
    signed: Index,
}

impl Site {
    fn new() -> Self {
        let env = TestEnvironment::new();
        env.run("key new ours.key").success();
        env.run("key new theirs.key").success();
        let (mut old, mut new) = versions();
        for (name, image) in [("old", &mut old), ("new", &mut new)] {
            image.extend_from_slice(&noise("behind the end", 600_000));
            env.write(name, image);
            // The index is much larger than what is asked for at first.
            let make = "make --allow-partial --avg-size 256 --pack-size 256KiB --sign ours.key --channel stable";
            env.run(&format!("{make} --counter 5 {name}.rgx {name}")).success();
        }
        env.json("patch --patch-level 3 --patch-min-saving 0 --old old --new new old.rgx new.rgx");
        env.write("stranger", &noise("stranger", 50_000));
        let signed = Index::decode(&env.read("new.rgx")).unwrap();
        assert_eq!((signed.encode().len() > 2200, signed.patches.len()), (true, 1));
        Self { env, signed }
    }

    /// The signed index with other claims, another digest, or without its signature.
    fn others(&self) -> Vec<(&'static str, Index)> {
        let changed = |change: fn(&mut Index)| {
            let mut index = self.signed.clone();
            change(&mut index);
            assert_eq!(index.image_id(), self.signed.image_id());
            index
        };
        let mut others = vec![
            ("digest", changed(|index| index.image_digest = [7; 32])),
            ("SHA-256", changed(|index| index.units.as_mut().unwrap().image_sha256 = [7; 32])),
            ("channel", changed(|index| index.units.as_mut().unwrap().claims.channel = "other".to_owned())),
            ("counter", changed(|index| index.units.as_mut().unwrap().claims.counter = 6)),
            ("expiry", changed(|index| index.units.as_mut().unwrap().claims.expires_at = 1 << 40)),
            ("signing time", changed(|index| index.units.as_mut().unwrap().claims.signed_at += 1)),
        ];
        for (name, index) in [others[0].clone(), others[3].clone()] {
            self.env.write("theirs.rgx", &index.encode());
            let claims = if name == "digest" { "" } else { "--counter 9" };
            self.env.run(&format!("sign --key theirs.key {claims} theirs.rgx")).success();
            others.push((name, Index::decode(&self.env.read("theirs.rgx")).unwrap()));
        }
        let unsigned = changed(|index| {
            index.image_digest = [7; 32];
            index.units.as_mut().unwrap().signatures.clear();
        });
        others.push(("unsigned", unsigned));
        others
    }

    /// Extracts over `out` from a host that gives the signed index for the first request only. For the others, it gives
    /// ranges of another index as asked, or all of it.
    fn extract(&self, then: &[u8], gives_all: bool, more: &str) -> (Outcome, Server) {
        let (first, then) = (self.env.read("new.rgx"), then.to_vec());
        let asked = Arc::new(AtomicUsize::new(0));
        let server = Server::with(self.env.root(), move |request| match request.path.ends_with(".rgx") {
            false => Answer::Serve,
            true if asked.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Instead(first.clone()),
            true if gives_all => Answer::Page("application/octet-stream", then.clone()),
            true => Answer::Instead(then.clone()),
        });
        let outcome = self.env.run(&format!("extract {DEVICE} {more} {} out", server.url("new.rgx")));
        (outcome, server)
    }

    /// Checks that a run gave the signed image, or left the old output, fetched no pack and gave a reason.
    #[track_caller]
    fn check(&self, outcome: &Outcome, server: &Server, before: &[u8], about: &str) {
        let out = self.env.read("out");
        match outcome.code {
            Some(0) => assert!(out == self.env.read("new"), "{about}"),
            Some(1 | 3) => {
                assert!(out == before, "{about}");
                assert!(server.requests().iter().all(|request| !request.is_pack()), "{about}");
            }
            _ => panic!("{about}: {outcome:?}"),
        }
    }
}

#[test]
fn what_follows_a_signed_head_is_of_its_statement() {
    let site = Site::new();
    let (old, stranger) = (site.env.read("old"), site.env.read("stranger"));
    for (name, other) in site.others() {
        let other = other.encode();
        for (seed, before) in [("old", &old), ("stranger", &stranger), ("new", &stranger)] {
            for gives_all in [true, false] {
                site.env.write("out", before);
                let about = format!("{name}, seed {seed}, all {gives_all}");
                let (outcome, server) = site.extract(&other, gives_all, &format!("--seed {seed}"));
                site.check(&outcome, &server, before, &about);
                // Without a patch, or a seed that is the image, the other index is all that there is.
                let needs_rest = seed == "stranger" && gives_all;
                assert!(!needs_rest || outcome.code != Some(0), "{about}");
            }
        }
    }
}

#[test]
fn what_follows_a_patch_that_fails_is_of_the_statement_too() {
    let site = Site::new();
    let old = site.env.read("old");
    site.env.remove("store/patches");
    for (name, other) in site.others() {
        for gives_all in [true, false] {
            site.env.write("out", &old);
            let (outcome, server) = site.extract(&other.encode(), gives_all, "--seed old");
            site.check(&outcome, &server, &old, name);
            assert!(!gives_all || outcome.code != Some(0), "{name}");
        }
    }
}

#[test]
fn what_no_check_covers_does_not_go_into_a_pipe() {
    // More than what waits in any case.
    let image = gzip(&[Tree::sample("a", 20).tar(1), noise("large", 5 << 20)].concat(), GO);
    let env = TestEnvironment::new();
    env.run("key new ours.key").success();
    env.write("image", &image);
    env.run("make --allow-partial --sign ours.key app.rgx image").success();
    let piped = |how: &str| env.run(&format!("extract --tries 1 {how} app.rgx -"));
    let digest = format!("--digest {}", blake3::hash(&image));
    for how in ["--key ours.key.pub --state state", &digest] {
        assert!(piped(how).success().stdout == image, "{how}");
    }
    // The signature does not cover how the gzip file is made of its plain bytes.
    let mut index = Index::decode(&env.read("app.rgx")).unwrap();
    let member = &mut index.codings[0].file_mut().unwrap().members[0];
    let mut header = member.header.to_vec();
    header[4] ^= 1;
    member.header = header.into();
    env.write("app.rgx", &index.encode());
    for how in ["--key ours.key.pub --state state", &digest] {
        let outcome = piped(how);
        assert_eq!((outcome.code, outcome.stdout.len()), (Some(3), 0), "{how}: {}", outcome.stderr);
        env.run(&format!("extract {how} app.rgx out")).failure(3, "out");
        assert!(!env.exists("out"));
    }
    // A digest alone covers nothing but the whole.
    let other = noise("another", 6 << 20);
    env.write("other", &other);
    env.run("make app.rgx other").success();
    let mut index = Index::decode(&env.read("app.rgx")).unwrap();
    index.image_digest = *blake3::hash(&image).as_bytes();
    env.write("app.rgx", &index.encode());
    let outcome = piped(&digest);
    assert_eq!((outcome.code, outcome.stdout.len()), (Some(3), 0), "{}", outcome.stderr);
}
