//! The patches of a store's history are bounded.

use super::*;

const MAKE: &str = "make --avg-size 1KiB --pack-size 256KiB --patch-level 3 --patch-min-saving 0 --json";

/// Publishes version `n` under the same name as the one before, and returns the report.
fn release(env: &TestEnvironment, n: u8, arguments: &str) -> Value {
    let mut image = versions().0;
    image.extend(std::iter::repeat_n(n, usize::from(n) * 1000));
    env.write(&format!("v{n}"), &image);
    let from = if n == 1 { "" } else { "--patch-from app.rgx" };
    env.run(&format!("{MAKE} --allow-partial {from} {arguments} app.rgx v{n}")).success().json()
}

fn targets(env: &TestEnvironment) -> Vec<String> {
    let names = env.files("store/patches");
    names.iter().map(|name| name.rsplit('/').next().unwrap().trim_end_matches(".patch").to_owned()).collect()
}

/// The image's id, as the report has it.
fn id(report: &Value) -> String {
    report["image_id"].as_str().unwrap().to_owned()
}

#[test]
fn patches_to_older_images_go_when_a_newer_one_is_published() {
    let env = TestEnvironment::new();
    let mut ids = vec![id(&release(&env, 1, ""))];
    for n in 2..=3 {
        let report = release(&env, n, "--keep-patches 2");
        assert_eq!(number(&report, "patches_deleted"), 0, "{report}");
        ids.push(id(&report));
        if n == 2 {
            // Another index goes on describing this image, so the patch to it stays.
            env.write("stable.rgx", &env.read("app.rgx"));
        }
    }
    for (n, deleted) in [(4, 0), (5, 1)] {
        let report = release(&env, n, "--keep-patches 2");
        assert_eq!(number(&report, "patches_deleted"), deleted, "{report}");
        ids.push(id(&report));
    }
    let mut kept = targets(&env);
    kept.sort();
    let mut wanted = vec![ids[1].clone(), ids[3].clone(), ids[4].clone()];
    wanted.sort();
    assert_eq!(kept, wanted);
    // The newest image is still made of the one before, by its patch.
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed v4 {} out", server.url("app.rgx")));
    assert!(env.read("out") == env.read("v5"));
    check_patched(&report);
    assert_eq!(env.run("make --keep-patches 0 --patch-from app.rgx app.rgx v5").code, Some(2));
}
