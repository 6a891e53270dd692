//! Stores that hold both versions, and layers that lie in several images.

use super::*;

#[test]
fn a_store_holds_both_versions_and_chunks_once() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("first", &new);
    let report = make2(&env, "second", &new);
    // The borders of parts cut the skeleton's chunks elsewhere.
    assert!(number(&report, "bytes_new") < 200_000, "{report}");
    let again = make2(&env, "third", &new);
    assert_eq!((number(&again, "chunks_new"), number(&again, "packs_written")), (0, 0), "{again}");
    for index in ["first.rgx", "second.rgx"] {
        env.run(&format!("extract {index} out")).success();
        assert!(env.read("out") == new, "{index}");
        env.remove("out");
    }
    env.run("verify --store store first.rgx second.rgx").success();
    env.run("gc --grace 0s --store store").success();
    env.run("verify --store store first.rgx second.rgx").success();
    // Each serves as a seed of the other.
    for (seed, index) in [("first.rgx", "second.rgx"), ("second.rgx", "first.rgx")] {
        env.run(&format!("extract --seed {seed} {index} out")).success();
        assert!(env.read("out") == new);
        env.remove("out");
    }
}

#[test]
fn a_layer_is_the_same_part_in_archives_of_other_writers() {
    let env = TestEnvironment::new();
    let [layers, _] = version_layers();
    let reversed: Vec<Tree> = layers.iter().rev().cloned().collect();
    // The layers keep their times, and the archives around them do not.
    let archives = [
        ("saved", docker_save(&layers, 1_700_000_000)),
        ("turned", docker_save(&reversed, 1_700_000_000)),
        ("pgzip", oci(&layers, 1_700_000_000, |layer| gzip(layer, PGZIP))),
        ("gnu", oci(&reversed, 1_700_000_000, |layer| gzip(layer, GNU_GZIP))),
    ];
    let mut first = None;
    for (name, archive) in archives {
        let report = make2(&env, name, &archive);
        let units = index_of(&env, &format!("{name}.rgx")).units.unwrap();
        let mut parts: Vec<_> = units.parts.iter().map(|part| (part.unit.id, part.name, part.plain_bytes)).collect();
        parts.sort();
        if first.is_some() {
            assert!(number(&report, "bytes_stored") < 3000, "{name}: {report}");
        }
        assert_eq!(&parts, first.get_or_insert_with(|| parts.clone()), "{name}");
    }
    // A machine with one archive gets another for its wrapper.
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed saved {} out", server.url("gnu.rgx")));
    assert!(env.read("out") == env.read("gnu"));
    assert!(number(&report, "bytes_fetched") < 8000, "{report}");
}
