//! Indexes of version 2 that are written again keep all that they say of the image.

use regrow_index::{Claims, Signature, SignatureKind};

use super::*;

/// Adds claims and a signature to an index.
fn claim(env: &TestEnvironment, name: &str) {
    let mut index = index_of(env, name);
    let units = index.units.as_mut().unwrap();
    units.claims = Claims { channel: "stable".into(), counter: 7, signed_at: 1_790_000_000, expires_at: 1_800_000_000 };
    units.signatures.push(Signature { kind: SignatureKind::Pure, key_id: [5; 8], signature: [9; 64] });
    env.write(name, &index.encode());
}

#[test]
fn repacking_and_pushing_keep_claims_and_signatures() {
    let env = TestEnvironment::new();
    let kept = Tree::sample("kept", 40);
    let mut all = kept.clone();
    (0..8).for_each(|number| {
        all.0.insert(format!("zzz/{number}"), noise(&format!("dead {number}"), 200_000));
    });
    let time = 1_700_000_000;
    env.write("all", &docker_save(&[all], time));
    env.json("make --format 2 --avg-size 1KiB --pack-size 16MiB all.rgx all");
    env.write("kept", &docker_save(&[kept.clone(), kept.changed(7)], time));
    env.json("make --format 2 kept.rgx kept");
    env.remove("all.rgx");
    claim(&env, "kept.rgx");
    let before = index_of(&env, "kept.rgx");
    let report = env.json("gc --repack --grace 0s --store store");
    assert_eq!((number(&report, "packs_repacked"), number(&report, "indexes_rewritten")), (1, 1), "{report}");
    let after = index_of(&env, "kept.rgx");
    assert!(after.units == before.units && after.packs != before.packs);
    assert_eq!(after.statement(), before.statement());
    env.run("verify --store store kept.rgx").success();
    env.run("extract kept.rgx out").success();
    assert!(env.read("out") == env.read("kept"));
    env.run("push kept.rgx other/store").success();
    assert_eq!(index_of(&env, "other/kept.rgx").units, before.units);
    env.run("extract other/kept.rgx pushed").success();
    assert!(env.read("pushed") == env.read("kept"));
}

/// A store takes images by all walking rules, whichever comes first.
#[test]
fn images_by_all_walking_rules_are_pushed_to_one_store() {
    let env = TestEnvironment::new();
    let [layers, _] = version_layers();
    let (plain, coded) = (docker_save(&layers, 5), oci(&layers, 5, |layer| gzip(layer, PGZIP)));
    env.make("plain", &plain);
    env.make("coded", &coded);
    make2(&env, "parted", &plain);
    let indexes = ["plain", "coded", "parted"];
    for first in 0..3 {
        let store = format!("to-{first}");
        for name in (first..first + 3).map(|number| indexes[number % 3]) {
            env.run(&format!("push {name}.rgx {store}/store")).success();
            env.run(&format!("extract {store}/{name}.rgx out")).success();
            assert!(env.read("out") == env.read(name), "{name}");
        }
        env.run(&format!("make {store}/again.rgx plain")).success();
    }
    // A store as earlier versions of push made it.
    let description = String::from_utf8(env.read("to-0/store/regrow.json")).unwrap();
    env.write("to-0/store/regrow.json", description.replace("\"walk\":1", "\"walk\":2").as_bytes());
    env.run("make to-0/third.rgx plain").success();
    env.run("push parted.rgx to-0/store").success();
}

#[test]
fn info_tells_parts_and_claims() {
    let env = TestEnvironment::new();
    let [layers, _] = version_layers();
    make2(&env, "app", &oci(&layers, 1_700_000_000, |layer| gzip(layer, PGZIP)));
    claim(&env, "app.rgx");
    let report = env.json("info app.rgx");
    let index = index_of(&env, "app.rgx");
    let units = index.units.unwrap();
    assert_eq!(report["format"], 2);
    assert_eq!(report["statement"]["channel"], "stable");
    assert_eq!(report["statement"]["counter"], 7);
    assert_eq!(report["statement"]["signatures"], 1);
    let parts = report["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2);
    for (told, part) in parts.iter().zip(&units.parts) {
        assert_eq!((told["kind"].as_str(), told["coded"].as_bool()), (Some("tar"), Some(true)), "{told}");
        assert_eq!(told["name"], part.name.to_string());
        assert_eq!(number(told, "plain_bytes"), part.plain_bytes);
    }
    let text = String::from_utf8(env.run("info app.rgx").success().stdout).unwrap();
    for told in ["stable", "counter", "signatures", &units.parts[0].name.to_string()[..16]] {
        assert!(text.contains(told), "{told} is not in\n{text}");
    }
    env.make_1("first", &versions().0);
    let report = env.json("info first.rgx");
    assert_eq!((&report["format"], report["parts"].as_array().map(Vec::len)), (&1.into(), Some(0)));
    assert!(report["statement"].is_null());
}
