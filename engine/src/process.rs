//! The commands of engines: asked with a time limit, and fed through a pipe under a watch.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::kind::Patience;
use crate::{EngineError, EngineKind};

/// The most bytes of a command's output that are read.
const MAX_OUTPUT_BYTES: u64 = 64 << 20;
/// The time between two looks at a process.
const LOOK: Duration = Duration::from_millis(5);
/// The time for which outputs are read after a process has ended. What it started may keep them open.
const GRACE: Duration = Duration::from_secs(2);
/// The same as [`LOOK`] for a watch over a process that is being fed.
const WATCH: Duration = Duration::from_millis(100);

/// A command of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) engine: EngineKind,
    pub(crate) name: &'static str,
    /// Arguments that come before all others.
    pub(crate) first: Vec<String>,
    /// The time for which it is waited for.
    pub(crate) patience: Patience,
}

impl Program {
    fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(self.name);
        command.args(&self.first).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, EngineError> {
        let (engine, name) = (self.engine, self.name);
        command.spawn().map_err(|source| EngineError::Command { engine, command: name, source })
    }

    /// Runs the command, and returns its output if it succeeds.
    pub(crate) fn ask(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Vec<u8>, EngineError> {
        let output = self.run(arguments)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(self.refusal(&output.stderr))
    }

    /// Runs the command, and returns its output however it ends.
    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Output, EngineError> {
        let child = self.spawn(self.command(arguments).stdin(Stdio::null()))?;
        Watched::new(self, child, "it was asked").end()
    }

    /// Starts the command, which reads from a pipe.
    pub(crate) fn feed(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Fed, EngineError> {
        let mut child = self.spawn(self.command(arguments).stdin(Stdio::piped()))?;
        let stdin = child.stdin.take();
        Ok(Fed { watched: Watched::new(self, child, "it was given the image"), stdin })
    }

    /// The refusal that a command's last words are.
    pub(crate) fn refusal(&self, stderr: &[u8]) -> EngineError {
        let text = String::from_utf8_lossy(stderr);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        // Commands print their progress on standard error, too.
        let last = lines.iter().rev().find(|line| is_error(line)).or(lines.last()).copied().unwrap_or_default();
        let prefix = format!("{}: ", self.name);
        EngineError::refused(self.engine, last.trim_start_matches("Error: ").trim_start_matches(prefix.as_str()))
    }
}

fn is_error(line: &str) -> bool {
    line.starts_with("Error") || line.starts_with("ctr:") || line.starts_with("error")
}

/// A process that is ended if it does nothing for too long, and when its owner goes away.
struct Watched {
    engine: EngineKind,
    doing: &'static str,
    patience: Patience,
    child: Arc<Mutex<Child>>,
    /// The time of the last sign of life in milliseconds since the start.
    alive: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    was_ended: Arc<AtomicBool>,
    start: Instant,
    outputs: [ReadOutput; 2],
}

impl Watched {
    fn new(program: &Program, mut child: Child, doing: &'static str) -> Self {
        let start = Instant::now();
        let alive = Arc::new(AtomicU64::new(0));
        let outputs =
            [read_in_thread(child.stdout.take(), &alive, start), read_in_thread(child.stderr.take(), &alive, start)];
        let watched = Self {
            engine: program.engine,
            doing,
            patience: program.patience,
            child: Arc::new(Mutex::new(child)),
            alive,
            is_over: Arc::default(),
            was_ended: Arc::default(),
            start,
            outputs,
        };
        watched.watch();
        watched
    }

    fn watch(&self) {
        let (child, alive) = (Arc::clone(&self.child), Arc::clone(&self.alive));
        let (is_over, was_ended) = (Arc::clone(&self.is_over), Arc::clone(&self.was_ended));
        let (patience, start) = (self.patience, self.start);
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(WATCH);
                let since = start.elapsed().saturating_sub(Duration::from_millis(alive.load(Ordering::Relaxed)));
                if patience.left_after(since).is_none() {
                    was_ended.store(true, Ordering::Relaxed);
                    let _ = lock(&child).kill();
                    return;
                }
            }
        });
    }

    fn is_alive(&self) {
        sign_of_life(&self.alive, self.start);
    }

    /// Waits for the end of the process.
    fn end(self) -> Result<Output, EngineError> {
        let (engine, doing, allowed) = (self.engine, self.doing, self.patience.quiet);
        let status = loop {
            match lock(&self.child).try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                Err(source) => return Err(EngineError::Broken { engine, doing, source }),
            }
            std::thread::sleep(LOOK);
        };
        self.is_over.store(true, Ordering::Relaxed);
        if self.was_ended.load(Ordering::Relaxed) {
            return Err(EngineError::Silent { engine, doing, allowed });
        }
        let ended = Instant::now();
        while !self.outputs.iter().all(|output| output.thread.is_finished()) && ended.elapsed() < GRACE {
            std::thread::sleep(LOOK);
        }
        let [stdout, stderr] = [0, 1].map(|number| std::mem::take(&mut *lock(&self.outputs[number].kept)));
        Ok(Output { status, stdout, stderr })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut child = lock(&self.child);
        if !matches!(child.try_wait(), Ok(Some(_))) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sign_of_life(alive: &AtomicU64, start: Instant) {
    alive.store(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// An output that is read in a thread.
struct ReadOutput {
    thread: JoinHandle<()>,
    kept: Arc<Mutex<Vec<u8>>>,
}

/// Reads an output to its end, so that the process never waits for a reader. A process that writes too much loses its
/// reader, and so it ends.
fn read_in_thread(output: Option<impl Read + Send + 'static>, alive: &Arc<AtomicU64>, start: Instant) -> ReadOutput {
    let (alive, kept) = (Arc::clone(alive), Arc::<Mutex<Vec<u8>>>::default());
    let shared = Arc::clone(&kept);
    let thread = std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        let Some(mut output) = output else { return };
        loop {
            match output.read(&mut buffer) {
                Ok(0) => return,
                Ok(bytes) => {
                    let mut kept = lock(&shared);
                    if (kept.len() + bytes) as u64 > MAX_OUTPUT_BYTES {
                        return;
                    }
                    kept.extend_from_slice(&buffer[..bytes]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
            sign_of_life(&alive, start);
        }
    });
    ReadOutput { thread, kept }
}

/// A process that reads from a pipe.
pub(crate) struct Fed {
    watched: Watched,
    stdin: Option<ChildStdin>,
}

impl Fed {
    /// Ends the pipe, and waits for the end of the process. Returns what it printed, if it succeeds.
    pub(crate) fn finish(mut self, program: &Program) -> Result<Output, EngineError> {
        drop(self.stdin.take());
        self.watched.is_alive();
        let output = self.watched.end()?;
        if output.status.success() { Ok(output) } else { Err(program.refusal(&output.stderr)) }
    }

    /// The reason why the process took no more.
    pub(crate) fn failure(mut self, program: &Program, source: io::Error) -> EngineError {
        drop(self.stdin.take());
        let (engine, doing) = (program.engine, self.watched.doing);
        match self.watched.end() {
            Ok(output) if output.status.success() => EngineError::Broken { engine, doing, source },
            Ok(output) => program.refusal(&output.stderr),
            Err(error) => error,
        }
    }
}

impl Write for Fed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let Some(stdin) = &mut self.stdin else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let written = stdin.write(buffer)?;
        self.watched.is_alive();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(quiet: Duration) -> Program {
        let patience = Patience { quiet, until: None };
        Program { engine: EngineKind::Podman, name: "sh", first: vec!["-c".to_owned()], patience }
    }

    #[test]
    fn a_command_is_asked() {
        let program = shell(Duration::from_secs(30));
        assert_eq!(program.ask(&["printf yes"]).unwrap(), b"yes");
        let error = program.ask(&["echo Copying >&2; echo 'Error: no\tspace' >&2; echo more >&2; exit 3"]).unwrap_err();
        assert_eq!(error.to_string(), "podman: no space");
        let error = Program { name: "no-such-command", ..program }.ask(&[""; 0]).unwrap_err();
        assert!(error.is_unreachable() && error.to_string().contains("no-such-command"), "{error}");
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let program = shell(Duration::from_millis(300));
        let error = program.ask(&["exec sleep 100"]).unwrap_err();
        assert!(matches!(error, EngineError::Silent { .. }), "{error}");
        // Nobody reads: the pipe fills up.
        let mut fed = program.feed(&["exec sleep 100"]).unwrap();
        let source = fed.write_all(&vec![0; 1 << 20]).unwrap_err();
        let error = fed.failure(&program, source);
        assert!(matches!(error, EngineError::Silent { .. }), "{error}");
    }

    #[test]
    fn a_command_that_works_on_is_ended_when_the_time_is_up() {
        let program = shell(Duration::from_secs(600));
        let patience = Patience { until: Some(Instant::now() + Duration::from_millis(300)), ..program.patience };
        let program = Program { patience, ..program };
        let error = program.ask(&["while :; do echo; sleep 0.02; done"]).unwrap_err();
        assert!(matches!(error, EngineError::Silent { .. }), "{error}");
    }

    #[test]
    fn a_command_is_fed_and_says_why_it_takes_no_more() {
        let program = shell(Duration::from_secs(30));
        let mut fed = program.feed(&["wc -c"]).unwrap();
        fed.write_all(&vec![0; 1 << 20]).unwrap();
        assert_eq!(fed.finish(&program).unwrap().stdout.trim_ascii(), b"1048576");
        let mut fed = program.feed(&["head -c 10 >/dev/null; echo full >&2; exit 1"]).unwrap();
        let source = fed.write_all(&vec![0; 4 << 20]).unwrap_err();
        assert_eq!(fed.failure(&program, source).to_string(), "podman: full");
    }
}
