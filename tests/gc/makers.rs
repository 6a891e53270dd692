//! Makes that run before, between and during the runs of a collector.

use super::*;

#[test]
fn a_make_does_without_condemned_packs() {
    let site = Site::new();
    site.condemn();
    // Half of this image is in the condemned packs.
    let image = [noise("dropped", 600_000), noise("other", 300_000)].concat();
    site.env.make("half", &image);
    assert!(site.env.packs_of("half.rgx").iter().all(|pack| !site.dropped.contains(pack)));
    let report = site.gc("");
    assert_eq!(number(&report, "packs_deleted"), site.dropped.len() as u64, "{report}");
    site.check_nothing_is_lost();
    site.env.run("extract half.rgx half.out").success();
    assert!(site.env.read("half.out") == image);
}

#[test]
fn a_dropped_image_that_is_made_again_gets_packs_of_other_names() {
    let env = TestEnvironment::new();
    let (kept, back) = (noise("kept", 300_000), noise("back", 700_000));
    env.make("back", &back);
    let first = sorted(env.packs_of("back.rgx"));
    env.make("kept", &kept);
    env.remove("back.rgx");
    age_packs(&env, 30 * DAY);
    gc(&env, "");
    assert_eq!(condemned(&env), first);
    // This runs twice, in case the second names are condemned too.
    let mut names = vec![first];
    for round in 0..2 {
        env.make("back", &back);
        let packs = sorted(env.packs_of("back.rgx"));
        assert!(names.iter().flatten().all(|name| !packs.contains(name)), "round {round}");
        names.push(packs);
        env.remove("back.rgx");
        age_packs(&env, 30 * DAY);
        gc(&env, "");
    }
    let report = env.make("back", &back);
    assert_eq!(number(&report, "packs_written"), env.packs_of("back.rgx").len() as u64);
    age_sentences(&env, 8 * DAY);
    let report = gc(&env, "");
    assert_eq!(number(&report, "packs_deleted"), names.concat().len() as u64, "{report}");
    check_indexes(&env);
    env.run("extract back.rgx out").success();
    assert!(env.read("out") == back);
}

/// A make that waits for the second half of its image. The first half is in the packs of `dropped`.
struct SlowMake {
    child: Child,
    pipe: ChildStdin,
}

impl SlowMake {
    const MAKE: &str = "make --pack-size 256KiB slow.rgx -";

    fn image() -> Vec<u8> {
        [noise("dropped", 600_000), noise("rest", 100_000)].concat()
    }

    /// Starts the make, and returns when it knows the store's chunks. It reads no input before that, and a pipe
    /// holds less than the first half.
    fn begin(site: &Site) -> Self {
        let mut child = site.env.spawn(site.env.command(Self::MAKE).stdin(Stdio::piped()));
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&Self::image()[..600_000]).unwrap();
        Self { child, pipe }
    }

    fn end(mut self) -> Outcome {
        self.pipe.write_all(&Self::image()[600_000..]).unwrap();
        drop(self.pipe);
        Outcome::wait(self.child)
    }
}

/// Checks that the make failed as it should, and that it succeeds when it is run again.
fn check_second_try(site: &Site, failed: Outcome) {
    failed.failure(1, "run it again");
    assert!(!site.env.exists("slow.rgx"));
    let image = SlowMake::image();
    site.env.run_with_input(SlowMake::MAKE, &image).success();
    site.gc("--grace 0s");
    check_indexes(&site.env);
    site.env.run("extract slow.rgx slow.out").success();
    assert!(site.env.read("slow.out") == image);
}

#[test]
fn a_make_gives_up_if_what_it_relies_on_is_condemned_for_long() {
    let site = Site::new();
    let make = SlowMake::begin(&site);
    site.gc("--grace 1s");
    assert!(!condemned(&site.env).is_empty());
    std::thread::sleep(Duration::from_millis(600));
    check_second_try(&site, make.end());
}

#[test]
fn a_make_goes_on_if_what_it_relies_on_stays_for_long_enough() {
    let site = Site::new();
    let make = SlowMake::begin(&site);
    site.gc("--grace 20d");
    assert_eq!(condemned(&site.env), site.dropped);
    make.end().success();
    let report = site.gc("--grace 0s");
    assert_eq!(number(&report, "packs_deleted"), 0, "{report}");
    assert_eq!(condemned(&site.env), Vec::<String>::new());
    check_indexes(&site.env);
}

#[test]
fn a_make_gives_up_if_what_it_relies_on_was_condemned_and_is_deleted() {
    let site = Site::new();
    let make = SlowMake::begin(&site);
    // The entries are gone from the list too.
    site.gc("--grace 0s");
    assert!(site.dropped.iter().all(|pack| !site.env.exists(pack)));
    check_second_try(&site, make.end());
}
