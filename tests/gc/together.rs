//! Makers, pushers and collectors at one store at the same time.

use super::*;

/// How long the loop below runs.
const LOOP: Duration = Duration::from_secs(10);

/// The state that all workers at one store share in the loop.
struct Workshop {
    env: TestEnvironment,
    images: Vec<Vec<u8>>,
    until: std::time::Instant,
}

impl Workshop {
    fn new() -> Self {
        let env = TestEnvironment::new();
        let layers: Vec<Tree> = (0..12).map(|number| Tree::sample(&format!("layer {number}"), 15)).collect();
        let pairs = (0..12).flat_map(|a| (a + 1..12).map(move |b| (a, b)));
        let images: Vec<Vec<u8>> =
            pairs.map(|(a, b)| docker_save(&[layers[a].clone(), layers[b].clone()], 1)).collect();
        for folder in ["from", "to"] {
            std::fs::create_dir(env.path(folder)).unwrap();
        }
        for (number, image) in images.iter().enumerate() {
            env.write(&format!("images/{number}"), image);
            env.json(&format!("make --avg-size 1KiB --store from/store from/{number}.rgx images/{number}"));
        }
        env.write("images/first", b"always there");
        env.json("make --avg-size 1KiB to/first.rgx images/first");
        Self { env, images, until: std::time::Instant::now() + LOOP }
    }

    fn is_open(&self) -> bool {
        std::time::Instant::now() < self.until
    }

    /// Makes or pushes images and drops them again. Published images must be there until then. Returns the number
    /// of successful rounds.
    fn publish(&self, who: &str, publish: impl Fn(&Self, usize, u64) -> Outcome) -> usize {
        let (mut done, mut standing) = (0, VecDeque::new());
        for round in 0.. {
            if !self.is_open() {
                break;
            }
            let number = pick(&format!("{who} {round}"), self.images.len() as u64) as usize;
            let outcome = publish(self, number, pick(&format!("pause {who} {round}"), 900));
            if outcome.code != Some(0) {
                outcome.failure(1, "run it again");
                continue;
            }
            done += 1;
            self.check(who, number);
            standing.retain(|&other| other != number);
            standing.push_back(number);
            // Few images stay for long, so that there is always much that nobody needs.
            while standing.len() > pick(&format!("drop {who} {round}"), 2) as usize {
                let Some(oldest) = standing.pop_front() else { break };
                self.check(who, oldest);
                self.env.remove(&Self::index(who, oldest));
            }
        }
        done
    }

    /// Makes an image whose two halves come with a pause between them.
    fn make_slowly(&self, who: &str, number: usize, milliseconds: u64) -> Outcome {
        let arguments = format!("make --pack-size 100KiB --store to/store to/{who}/{number}.rgx -");
        let mut child = self.env.spawn(self.env.command(&arguments).stdin(Stdio::piped()));
        let mut pipe = child.stdin.take().unwrap();
        let (first, rest) = self.images[number].split_at(self.images[number].len() / 2);
        // The make may fail before it has read everything.
        let _ = pipe.write_all(first);
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = pipe.write_all(rest);
        drop(pipe);
        Outcome::wait(child)
    }

    fn index(who: &str, number: usize) -> String {
        if who == "pusher" { format!("to/{number}.rgx") } else { format!("to/{who}/{number}.rgx") }
    }

    fn check(&self, who: &str, number: usize) {
        let index = Self::index(who, number);
        let out = format!("{who}.out");
        let outcome = self.env.run(&format!("extract --store to/store {index} {out}"));
        assert_eq!(outcome.code, Some(0), "{index}: {}", outcome.stderr);
        assert!(self.env.read(&out) == self.images[number], "{index}");
        self.env.remove(&out);
    }

    /// Collects all the time. Returns the number of deleted packs.
    fn collect(&self, arguments: &str) -> u64 {
        let mut deleted = 0;
        while self.is_open() {
            let outcome = self.env.run(&format!("gc --store to/store --json {arguments}"));
            if outcome.code == Some(0) {
                assert_eq!(outcome.json()["missing"], json!([]));
                deleted += number(&outcome.json(), "packs_deleted");
            } else {
                let about = if outcome.stderr.contains("run it again") { "run it again" } else { "another gc" };
                outcome.failure(1, about);
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        deleted
    }
}

#[test]
fn makers_pushers_and_collectors_at_one_store_lose_nothing() {
    let shop = Workshop::new();
    for who in ["anna", "berta"] {
        std::fs::create_dir(shop.env.path(&format!("to/{who}"))).unwrap();
    }
    let (published, deleted) = std::thread::scope(|scope| {
        let workers = [
            scope.spawn(|| shop.publish("anna", |shop, number, pause| shop.make_slowly("anna", number, pause))),
            scope.spawn(|| shop.publish("berta", |shop, number, pause| shop.make_slowly("berta", number, pause))),
            scope.spawn(|| {
                let push = |number: usize| format!("push from/{number}.rgx to/store");
                shop.publish("pusher", |shop, number, pause| {
                    std::thread::sleep(Duration::from_millis(pause));
                    shop.env.run(&push(number))
                })
            }),
        ];
        let collectors = ["--grace 2s", "--grace 3s", "--grace 2s --repack"]
            .map(|arguments| scope.spawn(|| shop.collect(arguments)));
        let published: Vec<usize> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        (published, collectors.into_iter().map(|collector| collector.join().unwrap()).sum::<u64>())
    });
    assert!(published.iter().all(|&count| count > 3), "{published:?}");
    assert!(deleted > 10, "{deleted} deleted");
    std::thread::sleep(Duration::from_millis(3100));
    shop.env.json("gc --store to/store --grace 2s");
    let indexes: Vec<String> = shop.env.files("to").into_iter().filter(|name| name.ends_with(".rgx")).collect();
    shop.env.run(&format!("verify --store to/store {}", indexes.join(" "))).success();
}
