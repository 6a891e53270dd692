//! A patch that saves little over chunks is not made.

use super::*;

/// A store with two images of noise, which have nothing in common, and a third that resembles the first.
fn noisy() -> TestEnvironment {
    let env = TestEnvironment::new();
    let old = regrow_demo::noise("old", 400_000);
    env.make("old", &old);
    env.write("new", &regrow_demo::noise("new", 400_000));
    let mut similar = old;
    similar.splice(200_000..200_010, *b"something else");
    env.write("similar", &similar);
    env
}

#[test]
fn a_patch_of_noise_to_noise_is_not_made() {
    let env = noisy();
    let make = "make --avg-size 1KiB --pack-size 256KiB --patch-from old.rgx --old old";
    let report = env.json(&format!("{make} new.rgx new"));
    let made = &report["patches"][0];
    assert_eq!((&made["not_worth"], &made["announced"]), (&Value::Bool(true), &Value::Bool(false)), "{report}");
    assert!(number(made, "bytes") > 390_000 && number(made, "bytes_chunks") > 390_000, "{report}");
    let index = env.read("new.rgx");
    let outcome = env.run("patch --old old --new new old.rgx new.rgx").success();
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert!(lines.len() == 1 && lines[0].contains("not made: it would save"), "{lines:?}");
    assert!(env.read("new.rgx") == index && env.files("store/patches").is_empty());
    // Another limit makes it, and so do images that have much in common.
    let report = env.json("patch --patch-min-saving 0 --old old --new new old.rgx new.rgx");
    assert_eq!((&report["not_worth"], &report["announced"]), (&Value::Bool(false), &Value::Bool(true)), "{report}");
    let report = env.json(&format!("{make} similar.rgx similar"));
    assert_eq!(report["patches"][0]["not_worth"], false, "{report}");
    let report = env.json(&format!("{make} --patch-min-saving 100% --like old.rgx none.rgx new"));
    assert_eq!(report["patches"][0]["present"], true, "a patch that is there stays: {report}");
    assert_eq!(env.files("store/patches").len(), 2);
    assert_eq!(env.run(&format!("{make} --patch-min-saving 101 x.rgx new")).code, Some(2));
}
