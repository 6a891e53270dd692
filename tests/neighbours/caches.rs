//! The cache, and the folder beside an unfinished output. They belong to this user alone, and nobody else's folder
//! is written.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use rustix::fs::{CWD, Mode};

use super::soon;
use crate::environment::{TestEnvironment, pass_over};
use crate::report::number;
use crate::server::Server;
use regrow_demo::versions;

struct Site {
    env: TestEnvironment,
    image: Vec<u8>,
    server: Server,
}

impl Site {
    fn new() -> Self {
        let env = TestEnvironment::new();
        let (_, image) = versions();
        env.make("app", &image);
        let server = Server::new(env.root());
        Self { env, image, server }
    }

    fn extract(&self, arguments: &str) -> String {
        format!("extract {arguments} {} out", self.server.url("app.rgx"))
    }

    /// Runs an extract, and returns the number of chunks that came from the cache.
    #[track_caller]
    fn cached(&self) -> u64 {
        let child = self.env.spawn(&mut self.env.command(&self.extract("--json --cache cache")));
        let report = soon(child).success().json();
        assert!(self.env.read("out") == self.image);
        self.env.remove("out");
        number(&report, "chunks_cache")
    }

    /// The shards of the image's packs in a cache.
    fn shards(&self) -> Vec<String> {
        let packs = self.env.packs_of("app.rgx");
        let mut shards: Vec<String> = packs.iter().map(|pack| pack.split('/').nth(2).unwrap().to_owned()).collect();
        shards.dedup();
        shards
    }
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_kept_is_private() {
    let site = Site::new();
    site.cached();
    let entries = site.env.files("cache");
    assert!(!entries.is_empty() && entries.iter().all(|entry| !entry.contains(".part-")), "{entries:?}");
    for entry in entries {
        let entry = site.env.path(&entry);
        assert_eq!((mode(&entry), mode(entry.parent().unwrap())), (0o600, 0o700), "{}", entry.display());
    }
    assert_eq!(mode(&site.env.path("cache")), 0o700);
    assert!(site.cached() > 0);
    // The modes of a folder that the user made stay as they are.
    fs::set_permissions(site.env.path("cache"), Permissions::from_mode(0o755)).unwrap();
    assert!(site.cached() > 0);
    assert_eq!(mode(&site.env.path("cache")), 0o755);
}

#[test]
fn nothing_is_written_through_links() {
    let site = Site::new();
    fs::create_dir_all(site.env.path("cache")).unwrap();
    fs::create_dir(site.env.path("elsewhere")).unwrap();
    for shard in site.shards() {
        symlink(site.env.path("elsewhere"), site.env.path("cache").join(shard)).unwrap();
    }
    symlink(site.env.path("elsewhere"), site.env.path(".out.regrow-meta")).unwrap();
    site.cached();
    assert_eq!(site.env.files("elsewhere"), Vec::<String>::new());
    assert!(site.cached() > 0);
}

#[test]
fn pipes_and_links_in_the_place_of_entries_are_passed_over() {
    let site = Site::new();
    site.cached();
    let entries = site.env.files("cache");
    for (number, entry) in entries.iter().enumerate() {
        let bytes = site.env.read(entry);
        site.env.remove(entry);
        match number % 2 {
            0 => rustix::fs::mkfifoat(CWD, site.env.path(entry), Mode::RUSR | Mode::WUSR).unwrap(),
            _ => symlink(site.env.write(&format!("elsewhere/{number}"), &bytes), site.env.path(entry)).unwrap(),
        }
    }
    assert_eq!(site.cached(), 0);
    let of_others = site.env.files("elsewhere").len();
    assert!(of_others > 0 && of_others * 2 <= entries.len() + 1, "what links lead to stays");
    assert!(site.cached() > 0);
}

#[test]
fn a_folder_that_others_can_write_is_no_cache() {
    let site = Site::new();
    fs::create_dir(site.env.path("cache")).unwrap();
    let check = || {
        let outcome = site.env.run(&site.extract("--cache cache")).success();
        assert!(outcome.stderr.contains("cache: the cache is not used"), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.matches("warning").count(), 1, "{}", outcome.stderr);
        assert_eq!(site.env.files("cache"), Vec::<String>::new());
        site.env.remove("out");
    };
    fs::set_permissions(site.env.path("cache"), Permissions::from_mode(0o777)).unwrap();
    check();
    fs::set_permissions(site.env.path("cache"), Permissions::from_mode(0o755)).unwrap();
    if chown(site.env.path("cache"), Some(1234), None).is_err() {
        pass_over("only root can give files away");
        return;
    }
    check();
}
