//! The whole image as one object, for machines that have none of it.

use regrow_demo::{Tree, noise};

use crate::environment::TestEnvironment;
use crate::report::number;
use crate::server::{Answer, Server};

/// A tar of texts that resemble each other, of a gzip file, and of bytes without a pattern.
fn image(version: &str) -> Vec<u8> {
    let text = |number: usize| {
        let lines =
            (0..200).map(|line| format!("{version} {number} option_{} = \"{}\"\n", line * 7 % 50, number * line));
        (format!("etc/texts/{number:03}.conf"), lines.collect::<String>().into_bytes())
    };
    let mut files: Vec<_> = (0..300).map(text).collect();
    files.push(("usr/lib/random".to_owned(), noise(version, 40_000)));
    Tree(files.into_iter().collect()).tar(1_700_000_000)
}

struct Site {
    env: TestEnvironment,
    new: Vec<u8>,
    server: Server,
}

impl Site {
    fn new() -> Self {
        let (env, new) = (TestEnvironment::new(), image("new"));
        env.write("new", &new);
        env.write("old", &image("old"));
        env.run("make old.rgx old").success();
        let made = env.json("make --full new.rgx new");
        assert_eq!(
            (made["patches"][0]["announced"].as_bool(), made["patches"].as_array().unwrap().len()),
            (Some(true), 1)
        );
        let server = Server::new(env.root());
        Self { env, new, server }
    }

    fn object(&self) -> String {
        let patches = self.env.files("store/patches");
        let [object] = &patches[..] else { panic!("{patches:?}") };
        assert!(object.contains(&"0".repeat(64)));
        object.clone()
    }

    /// Extracts the image, and returns the report.
    fn extract(&self, arguments: &str) -> serde_json::Value {
        if self.env.exists("out") {
            self.env.remove("out");
        }
        let report = self.env.json(&format!("extract {arguments} {} out", self.server.url("new.rgx")));
        assert!(self.env.read("out") == self.new);
        report
    }
}

#[test]
fn a_machine_without_a_seed_takes_the_whole_image_as_one_object() {
    let site = Site::new();
    let object = site.env.read(&site.object()).len() as u64;
    let chunks = number(&site.extract("--no-patch"), "bytes_fetched");
    let whole = site.extract("");
    assert!(number(&whole, "bytes_fetched") < object + 8_000, "{whole}");
    assert!(object * 10 < chunks * 9, "{object} and {chunks}");
    assert_eq!(number(&whole, "requests"), 2, "{whole}");
    // Its dry run says the same.
    let planned = site.env.json(&format!("extract --dry-run {} other", site.server.url("new.rgx")));
    assert_eq!(number(&planned, "bytes_fetched"), number(&whole, "bytes_fetched"));
    // A machine that has the image, or a part of it, takes what is missing.
    site.env.write("seed", &site.new);
    assert!(number(&site.extract("--seed seed"), "bytes_fetched") < 8_000);
    let mut most = site.new.clone();
    most[20_000] ^= 1;
    site.env.write("seed", &most);
    let (report, seeded) =
        (site.extract("--seed seed"), number(&site.extract("--no-patch --seed seed"), "bytes_fetched"));
    // What is read ahead differs by a little.
    assert!(number(&report, "bytes_fetched") < seeded + 4_096 && seeded < object, "{report} {seeded} {object}");
}

#[test]
fn what_an_object_does_not_give_comes_as_chunks() {
    let site = Site::new();
    let object = site.object();
    let good = site.env.read(&object);
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for bad in [damaged, good[..good.len() / 2].to_vec(), Vec::new()] {
        site.env.write(&object, &bad);
        site.extract("--no-state");
    }
    site.env.remove(&object);
    site.extract("");
    let absent = Server::with(site.env.root(), |request| match request.path.contains("/patches/") {
        true => Answer::Status(403),
        false => Answer::Serve,
    });
    site.env.write(&object, &good);
    site.env.run(&format!("extract {} other", absent.url("new.rgx"))).success();
}

#[test]
fn objects_are_kept_told_and_checked() {
    let site = Site::new();
    let shown = || String::from_utf8(site.env.run("info new.rgx").success().stdout).unwrap();
    assert!(shown().contains("whole image") && shown().contains("as one object"), "{}", shown());
    site.env.run("verify --store store new.rgx").success();
    site.env.run("gc --store store").success();
    site.object();
    // It is not made twice, and it survives another run.
    let again = site.env.json("make --full new.rgx new");
    assert_eq!(again["patches"][0]["present"].as_bool(), Some(true));
    assert!(shown().contains("whole image"));
    // An index of format 1 cannot tell of it.
    site.env.run("make --format 1 --full one.rgx new").failure(2, "format 1");
}
