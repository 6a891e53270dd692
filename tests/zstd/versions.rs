//! Zstd files by versions of libzstd that regrow does not contain: made by the one that it contains, and corrected.

use super::*;

/// A small tar as libzstd 1.5.4 (level 6), 1.5.5 (19) and 1.4.9 (9) compressed it.
const FRAMES: [(&[u8], &str); 3] = [
    (include_bytes!("../../zstd/src/corrections/tests/golden/libzstd-1.5.4-6-mt.zst"), "level 6, as before 1.5.7"),
    (include_bytes!("../../zstd/src/corrections/tests/golden/libzstd-1.5.5-19-one.zst"), "level 19"),
    (include_bytes!("../../zstd/src/corrections/tests/golden/libzstd-1.4.9-9-mt.zst"), "level 9, as before 1.5.0"),
];

#[test]
fn frames_of_other_versions_are_seen_through_with_corrections() {
    let env = TestEnvironment::new();
    for (frame, encoder) in FRAMES {
        env.make("image", frame);
        let report = env.json("info image.rgx");
        let coded = &report["coded"][0];
        assert!(coded["encoders"][0].as_str().unwrap().contains(encoder), "{coded}");
        let corrections = number(coded, "corrections_bytes");
        assert!(corrections > 0 && corrections <= frame.len() as u64 / 50, "{coded}");
        let text = String::from_utf8(env.run("info image.rgx").success().stdout).unwrap();
        assert!(text.contains(&format!("with {corrections} B of corrections")), "{text}");
        let plain = zstd::stream::decode_all(frame).unwrap();
        env.write("seed", &plain);
        let server = Server::new(env.root());
        // Nothing is fetched but the index.
        let report = env.json(&format!("extract --seed seed {} out", server.url("image.rgx")));
        check_extract(&report, frame);
        assert!(env.read("out") == frame && number(&report, "chunks_store") < 5, "{report}");
        env.remove("out");
        env.remove("image.rgx");
    }
}

#[test]
fn damaged_files_are_called_so() {
    let (frame, _) = FRAMES[0];
    // What is large enough for a warning.
    let frame = [frame, &zstd(&noise("noise", 100_000))].concat();
    let mut changed = frame.clone();
    let last = changed.len() - 1;
    changed[last - 300] ^= 1;
    for damaged in [&changed[..last], &frame[..last], &[FRAMES[1].0, &frame[..last]].concat()] {
        let env = TestEnvironment::new();
        env.write("image", damaged);
        let made = env.run("make --allow-partial --avg-size 1KiB damaged.rgx image").success();
        assert!(made.stderr.contains("it is not a sound zstd file"), "{made:?}");
    }
}

#[test]
fn corrections_that_do_not_fit_give_no_image() {
    let env = TestEnvironment::new();
    let (frame, _) = FRAMES[0];
    env.make("image", frame);
    for corrections in [vec![9, 9, 9], vec![1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], vec![1, 1, 0]] {
        changed(&env, &|member| member.corrections.clone_from(&corrections));
        env.run("extract changed.rgx out").failure(1, "corrections of a zstd frame do not fit");
    }
}
