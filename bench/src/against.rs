//! A binary beside an older one: both run the same commands by turns, and each row is the ratio of their times. Only such
//! ratios mean something on a machine that does other work too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::child::watched;
use crate::flows::{digest, text};
use crate::host;
use crate::table::Table;
use crate::timing::median;

/// The processor time and the wall time of some runs of one binary.
#[derive(Default)]
struct Times {
    processor: Vec<Duration>,
    wall: Vec<Duration>,
}

/// One of the two binaries, with the folder of its stores and outputs.
struct Side {
    binary: PathBuf,
    root: PathBuf,
    url: String,
    /// Whether the binary remembers anything beside its catalog. Older ones do not, and know no option against it.
    has_state: bool,
}

impl Side {
    fn new(binary: &Path, work: &Path, name: &str) -> Result<Self> {
        let root = work.join(name);
        std::fs::create_dir(&root)?;
        let url = format!("http://{}/new.rgx", host::serve(&root)?);
        let help = Command::new(binary).args(["extract", "--help"]).output()?;
        let has_state = String::from_utf8_lossy(&help.stdout).contains("--no-state");
        Ok(Self { binary: binary.to_owned(), root, url, has_state })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(verb).env("REGROW_STATE", self.path("state")).env("TMPDIR", &self.root);
        command
    }

    fn make(&self, index: &str, image: &Path, from: Option<(&str, &Path)>) -> Result<Command> {
        let mut command = self.command("make");
        command.args(["-q", "--catalog", text(&self.path("made.sqlite"))?]);
        if let Some((index, image)) = from {
            command.arg("--patch-from").arg(self.path(index)).arg("--old").arg(image);
        }
        command.arg(self.path(index)).arg(image);
        Ok(command)
    }

    fn extract(&self, seed: Option<&Path>, patches: bool) -> Result<Command> {
        let mut command = self.command("extract");
        command.args(["-q", "--catalog", text(&self.path("known.sqlite"))?]);
        if self.has_state {
            command.arg("--no-state");
        }
        if let Some(seed) = seed {
            command.arg("--seed").arg(seed);
        }
        if !patches {
            command.arg("--no-patch");
        }
        command.arg(&self.url).arg(self.path("out"));
        Ok(command)
    }

    fn forget(&self) {
        for name in ["known.sqlite", "known.sqlite-wal", "known.sqlite-shm", "out"] {
            // What is not there need not be removed.
            let _ = std::fs::remove_file(self.path(name));
        }
    }
}

/// A command of a row, as one side runs it.
type Step<'s> = &'s dyn Fn(&Side) -> Result<Command>;

/// The table of ratios, each of the newer binary's time to that of the older one.
pub(crate) fn measure(
    (older, newer): (&Path, &Path),
    (old, new): (&Path, &Path),
    folder: &Path,
    runs: usize,
) -> Result<String> {
    let work = tempfile::tempdir_in(folder)?;
    let sides = [Side::new(older, work.path(), "older")?, Side::new(newer, work.path(), "newer")?];
    let mut found: Vec<(&str, [Times; 2])> = Vec::new();
    for _ in 0..runs {
        for side in &sides {
            std::fs::remove_dir_all(&side.root)?;
            std::fs::create_dir(&side.root)?;
        }
        let rows: [(&str, bool, Step<'_>); 9] = [
            ("make OLD, the first", false, &|side| side.make("old.rgx", old, None)),
            ("make NEW with a patch", false, &|side| side.make("new.rgx", new, Some(("old.rgx", old)))),
            ("extract, no seed", true, &|side| side.extract(None, false)),
            ("extract, seed unknown, chunks", true, &|side| side.extract(Some(old), false)),
            ("extract, seed known, chunks", false, &|side| side.extract(Some(old), false)),
            ("extract, seed unknown, patch", true, &|side| side.extract(Some(old), true)),
            ("extract, seed known, patch", false, &|side| side.extract(Some(old), true)),
            ("verify the image", false, &|side| verify(side, new)),
            ("cp of NEW", false, &|side| copy(side, new)),
        ];
        for (number, (name, forgets, step)) in rows.into_iter().enumerate() {
            if found.len() <= number {
                found.push((name, Default::default()));
            }
            for (side, times) in sides.iter().zip(&mut found[number].1) {
                run(side, step, forgets, new, times)?;
            }
        }
    }
    Ok(table_of(found))
}

fn run(side: &Side, step: Step<'_>, forgets: bool, new: &Path, times: &mut Times) -> Result<()> {
    let out = side.path("out");
    if forgets {
        side.forget();
    }
    if out.exists() {
        std::fs::remove_file(&out)?;
    }
    let before = processor_time_of_children()?;
    let (_, cost) = watched(&mut step(side)?)?;
    times.processor.push(processor_time_of_children()? - before);
    times.wall.push(cost.time);
    if out.exists() && digest(&out)? != digest(new)? {
        return Err("extract gave another image".into());
    }
    Ok(())
}

fn verify(side: &Side, image: &Path) -> Result<Command> {
    let mut command = side.command("verify");
    command.arg("-q").arg(side.path("new.rgx")).arg(image);
    Ok(command)
}

fn copy(side: &Side, image: &Path) -> Result<Command> {
    let mut command = Command::new("cp");
    command.arg("--reflink=never").arg(image).arg(side.path("out"));
    Ok(command)
}

fn table_of(found: Vec<(&str, [Times; 2])>) -> String {
    let columns = ["flow", "processor, older", "newer", "ratio", "wall, older", "newer", "ratio"];
    let mut rows = Table::new(&columns);
    for (name, sides) in found {
        let [older, newer] = sides.map(|times| [times.processor, times.wall].map(median));
        let cells = older.into_iter().zip(newer).flat_map(|(older, newer)| {
            let ratio = newer.as_secs_f64() / older.as_secs_f64().max(0.01);
            [format!("{:.2} s", older.as_secs_f64()), format!("{:.2} s", newer.as_secs_f64()), format!("{ratio:.2}")]
        });
        rows.row(&std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>());
    }
    rows.finish()
}

/// The processor time of all child processes that ended, in the system's ticks of 10 ms (proc(5)).
fn processor_time_of_children() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program may have spaces. Behind it, user and system time of the children are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').ok_or("a malformed stat file")?;
    let ticks =
        fields.split_whitespace().skip(13).take(2).map(str::parse::<u64>).sum::<std::result::Result<u64, _>>()?;
    Ok(Duration::from_millis(10 * ticks))
}
