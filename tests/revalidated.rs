//! Indexes of version 1 that are asked for again: a new release is seen, whatever the host says of sizes and times.

use std::collections::BTreeMap;

use crate::environment::TestEnvironment;
use crate::report::number;
use crate::server::{Answer, Server};
use regrow_demo::noise;

/// Two images and their indexes, which have the same size.
fn twins(env: &TestEnvironment) -> [(Vec<u8>, Vec<u8>); 2] {
    let mut by_size = BTreeMap::new();
    for number in 0..50 {
        let image = noise(&format!("twin {number}"), 60_000);
        env.make_1("app", &image);
        let index = env.read("app.rgx");
        if let Some(twin) = by_size.insert(index.len(), (image.clone(), index.clone())) {
            return [twin, (image, index)];
        }
    }
    panic!("no two indexes have the same size");
}

#[test]
fn a_release_of_equal_size_and_time_is_seen() {
    let env = TestEnvironment::new();
    let twins = twins(&env);
    let server = Server::with(env.root(), |request| match request.path.ends_with(".rgx") {
        true => Answer::Stamped,
        false => Answer::Serve,
    });
    let extract = format!("extract {} out", server.url("app.rgx"));
    for (image, index) in twins.iter().chain(&twins) {
        env.write("app.rgx", index);
        env.run(&extract).success();
        assert!(env.read("out") == *image, "an old release stays");
        // What did not change costs the hash at its end.
        let report = env.json(&extract);
        assert_eq!((number(&report, "requests"), number(&report, "bytes_fetched")), (1, 32), "{report}");
    }
}

#[test]
fn a_host_without_tags_is_asked_for_the_end() {
    let env = TestEnvironment::new();
    let twins = twins(&env);
    let server = Server::new(env.root());
    for (image, index) in twins {
        env.write("app.rgx", &index);
        env.run(&format!("extract {} out", server.url("app.rgx"))).success();
        assert!(env.read("out") == image);
        let report = env.json(&format!("extract {} out", server.url("app.rgx")));
        assert_eq!((number(&report, "requests"), number(&report, "bytes_fetched")), (1, 32), "{report}");
    }
}
