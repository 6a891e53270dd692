//! `gc --repack` writes again what is alive in packs that are mostly dead.

use super::*;

/// A store with a mostly dead pack, and that pack. Of an image of 40 small files and 8 long ones only the small
/// files are kept.
fn mostly_dead() -> (TestEnvironment, String) {
    let env = TestEnvironment::new();
    let kept = Tree::sample("kept", 40);
    let mut all = kept.clone();
    (0..8).for_each(|number| {
        all.0.insert(format!("zzz/{number}"), noise(&format!("dead {number}"), 200_000));
    });
    env.write("all", &all.tar(1));
    env.json("make --avg-size 1KiB --pack-size 16MiB all.rgx all");
    let [pack] = &env.packs("store")[..] else { panic!("more than one pack") };
    let pack = pack.clone();
    env.write("kept", &kept.tar(1));
    env.json("make kept.rgx kept");
    let both = [kept.tar(1), noise("more", 100_000)].concat();
    env.write("both", &both);
    env.json("make deep.rgx both");
    std::fs::create_dir(env.path("deep")).unwrap();
    std::fs::rename(env.path("deep.rgx"), env.path("deep/both.rgx")).unwrap();
    env.write("aside/all", &env.read("all.rgx"));
    env.remove("all.rgx");
    (env, pack)
}

/// The arguments for `deep/both.rgx`, which was made beside the store.
const DEEP: &str = "--store store deep/both.rgx";

#[track_caller]
fn check_repacked(env: &TestEnvironment) {
    for (index, image) in [("kept.rgx", "kept"), (DEEP, "both")] {
        env.run(&format!("extract {index} out")).success();
        assert!(env.read("out") == env.read(image), "{index}");
        env.remove("out");
    }
    check_indexes(env);
}

#[test]
fn repack_writes_what_is_alive_and_later_runs_delete_the_rest() {
    let (env, dead) = mostly_dead();
    let old = env.read("kept.rgx");
    age_packs(&env, 30 * DAY);
    let untouched = snapshot(&env);
    let planned = gc(&env, "--repack --dry-run");
    assert_eq!((number(&planned, "packs_repacked"), number(&planned, "indexes_rewritten")), (1, 2), "{planned}");
    assert!(snapshot(&env) == untouched);
    let report = gc(&env, "--repack");
    assert_eq!((number(&report, "packs_repacked"), number(&report, "indexes_rewritten")), (1, 2), "{report}");
    assert_eq!((number(&report, "packs_condemned"), number(&report, "packs_deleted")), (1, 0), "{report}");
    assert!(!env.packs_of("kept.rgx").contains(&dead) && env.exists(&dead));
    check_repacked(&env);
    // A reader that has the old index can still get its packs.
    env.write("old/kept", &old);
    env.run("extract --store store old/kept out").success();
    assert!(env.read("out") == env.read("kept"));
    env.remove("out");
    let again = gc(&env, "--repack");
    assert_eq!((number(&again, "packs_repacked"), number(&again, "packs_waiting")), (0, 1), "{again}");
    age_sentences(&env, 8 * DAY);
    assert_eq!(number(&gc(&env, "--repack"), "packs_deleted"), 1);
    assert!(!env.exists(&dead));
    check_repacked(&env);
    env.run("extract --store store aside/all out").failure(4, ".pack");
    env.run("verify kept.rgx kept").success();
}

#[test]
fn a_repacked_image_is_made_again_without_new_packs() {
    let (env, dead) = mostly_dead();
    gc(&env, "--repack --grace 0s");
    assert!(!env.exists(&dead));
    let report = env.json("make again.rgx kept");
    assert_eq!(number(&report, "bytes_new"), 0, "{report}");
    check_repacked(&env);
}

#[test]
fn a_repack_of_a_damaged_pack_fails_and_changes_no_index() {
    let (env, dead) = mostly_dead();
    let (old, good) = (env.read("kept.rgx"), env.read(&dead));
    let mut bad = good.clone();
    bad[1000] ^= 1;
    env.write(&dead, &bad);
    env.run("gc --store store --repack --grace 0s").failure(3, "pack");
    assert!(env.read("kept.rgx") == old && env.exists(&dead));
    env.write(&dead, &good);
    check_repacked(&env);
}

#[test]
fn a_store_beside_it_does_not_hinder_a_repack() {
    let (env, dead) = mostly_dead();
    env.write("other", &noise("other", 200_000));
    env.json("make --store second other.rgx other");
    let other = env.read("other.rgx");
    let report = gc(&env, "--repack --grace 0s");
    assert_eq!((number(&report, "packs_repacked"), number(&report, "indexes_rewritten")), (1, 2), "{report}");
    assert!(!env.exists(&dead) && env.read("other.rgx") == other);
    env.run("verify --store store kept.rgx deep/both.rgx").success();
    env.run("verify --store second other.rgx").success();
}

#[test]
fn a_name_that_is_not_kept_is_warned_of() {
    let env = TestEnvironment::new();
    env.write("image", b"image");
    assert!(env.run("make app.idx image").success().stderr.contains("only indexes named NAME.rgx are kept"));
    assert!(!env.run("make app.rgx image").success().stderr.contains("warning"));
}

#[test]
fn a_repack_killed_at_any_time_loses_nothing() {
    for round in 0..12 {
        let (env, dead) = mostly_dead();
        let mut child = env.spawn(&mut env.command("gc --store store --repack --grace 0s"));
        std::thread::sleep(Duration::from_micros(pick(&format!("repack {round}"), 40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        check_repacked(&env);
        gc(&env, "--repack --grace 0s");
        check_repacked(&env);
        // Times in the list are whole seconds, rounded up.
        age_sentences(&env, 1);
        gc(&env, "--repack --grace 0s");
        check_repacked(&env);
        assert!(!env.exists(&dead), "round {round}");
        assert_eq!(env.packs("store").len(), 3, "round {round}");
    }
}
