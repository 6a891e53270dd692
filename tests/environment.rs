//! A folder for each test, and the command in it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The command under test.
pub(crate) const REGROW: &str = env!("CARGO_BIN_EXE_regrow");

/// A stand-in for an earlier index. It begins like one.
pub(crate) const OLD_INDEX: &[u8] = b"\x89RGX\r\n\x1a\nold";

/// The smallest average chunk size that readers accept in tests. Images of tests are small, and must have many
/// chunks nevertheless.
const SMALLEST_AVG_BYTES: u64 = 64;

/// Makes a network accept the small chunks of tests.
pub(crate) fn small_chunks(network: regrow_sync::Network) -> regrow_sync::Network {
    network.with_limits(regrow_sync::ReaderLimits { min_avg_bytes: SMALLEST_AVG_BYTES, ..Default::default() })
}

/// A folder that is removed when the test ends. The command runs in it, so names are relative to it.
pub(crate) struct TestEnvironment {
    root: TempDir,
}

impl TestEnvironment {
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("regrow-test-").tempdir().unwrap();
        std::fs::create_dir(root.path().join("scratch")).unwrap();
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn remove(&self, name: &str) {
        let path = self.path(name);
        let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        removed.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Copies the files of a folder, unless there is none.
    pub(crate) fn copy(&self, from: &str, to: &str) -> bool {
        let copied = Command::new("cp").args(["-a", "--", from, to]).current_dir(self.root()).output().unwrap();
        copied.status.success()
    }

    /// All files below a folder, sorted, relative to the environment.
    pub(crate) fn files(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.path(name), &mut found);
        let mut names: Vec<String> =
            found.iter().map(|path| path.strip_prefix(self.root()).unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// The packs of the store `name`.
    pub(crate) fn packs(&self, name: &str) -> Vec<String> {
        self.files(&format!("{name}/packs"))
    }

    /// The packs of `store` that the index `name` needs.
    pub(crate) fn packs_of(&self, name: &str) -> Vec<String> {
        let index = regrow_index::Index::decode(&self.read(name)).unwrap();
        let names = index.packs.iter().map(|pack| format!("store/{}", regrow_store::pack_name(&pack.id)));
        names.collect()
    }

    /// The command with these arguments, which are separated by spaces. Nothing of the user's environment reaches
    /// it.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        self.command_of(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// The command with arguments that may hold spaces.
    pub(crate) fn command_of(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(REGROW);
        command.args(arguments).current_dir(self.root()).stdin(Stdio::null());
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command.env("HOME", self.root()).env("XDG_CACHE_HOME", self.path("home-cache"));
        command.env("REGROW_STATE", self.path("home-state"));
        command.env("REGROW_MIN_AVG_SIZE", SMALLEST_AVG_BYTES.to_string());
        command.env("TMPDIR", self.path("scratch"));
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Outcome {
        Outcome::of(&mut self.command(arguments))
    }

    /// Runs the command with these bytes on standard input.
    pub(crate) fn run_with_input(&self, arguments: &str, input: &[u8]) -> Outcome {
        let mut child = self.spawn(self.command(arguments).stdin(Stdio::piped()));
        let mut pipe = child.stdin.take().unwrap();
        let input = input.to_vec();
        // A command that fails stops reading. Its exit code tells.
        let feeding = std::thread::spawn(move || drop(pipe.write_all(&input)));
        let outcome = Outcome::wait(child);
        feeding.join().unwrap();
        outcome
    }

    /// Starts a command whose outputs are kept for [`Outcome::wait`].
    pub(crate) fn spawn(&self, command: &mut Command) -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a command that must succeed with `--json`, and returns its report.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        self.run(&format!("{arguments} --json")).success().json()
    }

    /// Makes `NAME.rgx` of an image, which may be incomplete, with small chunks and packs.
    pub(crate) fn make(&self, name: &str, image: &[u8]) -> Value {
        self.write(name, image);
        self.json(&format!("make --allow-partial --avg-size 1KiB --pack-size 256KiB {name}.rgx {name}"))
    }

    /// Makes the same with an index of version 1.
    pub(crate) fn make_1(&self, name: &str, image: &[u8]) -> Value {
        self.write(name, image);
        self.json(&format!("make --format 1 --allow-partial --avg-size 1KiB --pack-size 256KiB {name}.rgx {name}"))
    }
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { list(&path, found) } else { found.push(path) }
    }
}

/// Says why a test is passed over. It bypasses the test harness, which hides the output of tests that pass.
pub(crate) fn pass_over(reason: &str) {
    let _ = writeln!(std::io::stderr(), "passed over: {reason}");
}

/// The outcome of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    pub(crate) fn wait(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains("panicked"), "{stderr}");
        Self { code: output.status.code(), stdout: output.stdout, stderr }
    }

    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Checks that the command failed with this code, and printed one line that says `about`.
    #[track_caller]
    pub(crate) fn failure(self, code: i32, about: &str) -> Self {
        self.failure_of(&[code], about)
    }

    /// Checks that the command failed with one of these codes, and printed one line that says `about`.
    #[track_caller]
    pub(crate) fn failure_of(self, codes: &[i32], about: &str) -> Self {
        assert!(
            self.code.is_some_and(|code| codes.contains(&code)),
            "{:?} is not in {codes:?}: {}",
            self.code,
            self.stderr
        );
        assert_eq!(self.errors().len(), 1, "not one line:\n{}", self.stderr);
        let line = self.errors()[0];
        assert!(line.starts_with("regrow: ") && line.contains(about), "{about:?} is not in: {line}");
        assert!(self.stdout.is_empty(), "a failure has no report");
        self
    }

    /// Checks a failure where a part of the image may have gone to standard output.
    #[track_caller]
    pub(crate) fn failure_with_output(mut self, code: i32, about: &str) -> Self {
        self.stdout.clear();
        self.failure(code, about)
    }

    /// The lines of standard error that are no warnings.
    fn errors(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| !line.starts_with("regrow: warning: ")).collect()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let text = std::str::from_utf8(&self.stdout).unwrap();
        assert_eq!(text.lines().count(), 1, "not one line: {text}");
        serde_json::from_str(text).unwrap()
    }
}
