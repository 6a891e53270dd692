//! The real encoders, where they are installed.

// For tests and measurements: what goes wrong is shown, and ends them.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use regrow_deflate::encoders::GoGeneration;

/// A process that deflates with a real Go.
pub(crate) struct RealGo {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The variable that names the `go` of a generation; without it, the one on the path is asked for its version.
fn variable(generation: GoGeneration) -> &'static str {
    match generation {
        GoGeneration::Before127 => "REGROW_GO_BEFORE_127",
        GoGeneration::From127 | GoGeneration::From127Fused => "REGROW_GO_FROM_127",
    }
}

/// Go's name of the processor it is built for, and Rust's.
fn processor(generation: GoGeneration) -> (&'static str, &'static str) {
    match generation {
        GoGeneration::Before127 | GoGeneration::From127 => ("amd64", "x86_64"),
        GoGeneration::From127Fused => ("arm64", "aarch64"),
    }
}

/// The command that runs the program: itself, or QEMU where it is for another processor.
fn command(program: &Path, processor: &str) -> Command {
    if processor == std::env::consts::ARCH {
        return Command::new(program);
    }
    let mut command = Command::new(format!("qemu-{processor}-static"));
    command.arg(program);
    command
}

/// The folder where Go keeps its library, built: tests build programs at a time.
fn go_cache(folder: &str) -> PathBuf {
    Path::new(folder).join("go-cache")
}

impl RealGo {
    /// None, and a line that says so, where there is no `go` of this generation.
    pub(crate) fn of(generation: GoGeneration) -> Option<Self> {
        let started = find(generation).and_then(|go| Self::start(&go, generation));
        if started.is_none() {
            eprintln!("skipped: no go (or no QEMU) for {generation:?}, {} may name one", variable(generation));
        }
        started
    }

    fn start(go: &Path, generation: GoGeneration) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let (source, program) = (folder.path().join("deflate.go"), folder.path().join("deflate"));
        std::fs::write(&source, include_str!("deflate.go")).ok()?;
        let (go_processor, processor) = processor(generation);
        let built = Command::new(go)
            .args(["build", "-o"])
            .args([&program, &source])
            .env("GO111MODULE", "off")
            .env("GOTOOLCHAIN", "local")
            .env("GOARCH", go_processor)
            .env("CGO_ENABLED", "0")
            .env("GOCACHE", option_env!("CARGO_TARGET_TMPDIR").map_or_else(|| folder.path().join("cache"), go_cache))
            .status();
        built.ok().filter(|status| status.success())?;
        let mut process = command(&program, processor).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (requests, answers) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        let mut started = Self { process, requests, answers };
        // Until it answers, the program may still be needed.
        started.deflate(0, 0, &[]);
        Some(started)
    }

    /// The stream, and how long it took. `write_bytes`: how many bytes each write has, 0 for all at once.
    pub(crate) fn deflate(&mut self, level: i8, write_bytes: u64, plain: &[u8]) -> (Vec<u8>, Duration) {
        let request = [i64::from(level).to_le_bytes(), write_bytes.to_le_bytes(), (plain.len() as u64).to_le_bytes()];
        self.requests.write_all(request.as_flattened()).unwrap();
        self.requests.write_all(plain).unwrap();
        let mut number = || {
            let mut bytes = [0; 8];
            self.answers.read_exact(&mut bytes).unwrap();
            u64::from_le_bytes(bytes)
        };
        let (nanoseconds, stream_bytes) = (number(), number());
        let mut stream = vec![0; usize::try_from(stream_bytes).unwrap()];
        self.answers.read_exact(&mut stream).unwrap();
        (stream, Duration::from_nanos(nanoseconds))
    }
}

impl Drop for RealGo {
    fn drop(&mut self) {
        // Its input is at its end as soon as this is dropped; it may as well be ended now.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn find(generation: GoGeneration) -> Option<PathBuf> {
    let go = std::env::var_os(variable(generation)).map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let version = Command::new(&go).arg("version").env("GOTOOLCHAIN", "local").output().ok()?;
    let is_new = is_from_127(&String::from_utf8_lossy(&version.stdout))?;
    (is_new == (generation != GoGeneration::Before127)).then_some(go)
}

/// The version in `go version go1.27.3 linux/amd64`.
fn is_from_127(line: &str) -> Option<bool> {
    let minor = line.split("go1.").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()?;
    Some(minor >= 27)
}
