//! Runs the command within limits, and collects its faults.

use std::io::Write;
use std::process::{Command, Stdio};

use super::chance::Chance;
use crate::environment::{REGROW, TestEnvironment};

/// The number of kinds of inputs, which share the number of inputs.
const KINDS: u64 = 10;
/// The default number of inputs of all kinds together.
const DEFAULT_INPUTS: u64 = 300;
/// The memory in KiB that a reader may take for an image of less than 1 MB, with some allowance.
const MAX_DATA_KIB: u64 = (128 + 64) << 10;
/// The most processor time of a run. A debug build takes ten times as long.
const MAX_CPU_SECONDS: u64 = if cfg!(debug_assertions) { 60 } else { 10 };

/// The result of one run.
pub(crate) struct Ran {
    /// The exit code. It is `None` if a signal ended the run.
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

/// A judge of the inputs of one kind.
pub(crate) struct Judge<'a> {
    kind: &'static str,
    env: &'a TestEnvironment,
    number: u64,
    runs: u64,
    faults: Vec<String>,
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

impl<'a> Judge<'a> {
    /// Calls `try_one` for each input of a kind, with its choices. Panics at the end if there was a fault.
    #[track_caller]
    pub(crate) fn all(kind: &'static str, env: &'a TestEnvironment, mut try_one: impl FnMut(&mut Self, &mut Chance)) {
        let inputs = setting("REGROW_MUTATIONS").unwrap_or(DEFAULT_INPUTS).div_ceil(KINDS);
        let numbers = setting("REGROW_MUTATION").map_or(0..inputs, |number| number..number + 1);
        let mut judge = Self { kind, env, number: 0, runs: 0, faults: Vec::new() };
        for number in numbers.clone() {
            judge.number = number;
            try_one(&mut judge, &mut Chance::new(kind, number));
        }
        let (tried, runs, faults) = (numbers.end - numbers.start, judge.runs, judge.faults);
        let _ = writeln!(std::io::stderr(), "mutations: {kind}: {tried} inputs, {runs} runs, {} faults", faults.len());
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Notes a fault of the present input.
    pub(crate) fn fault(&mut self, what: &str) {
        self.faults.push(format!("{} {}: {what}", self.kind, self.number));
    }

    /// Notes a fault if `holds` is false.
    pub(crate) fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            self.fault(what);
        }
    }

    /// Runs the command. It may only fail with a documented code and one line that says why.
    pub(crate) fn run(&mut self, arguments: &str) -> Ran {
        let ulimits = format!("ulimit -c 0; ulimit -d {MAX_DATA_KIB}; ulimit -t {MAX_CPU_SECONDS}; exec \"$0\" \"$@\"");
        let regrow = std::env::var("REGROW_UNDER_TEST").unwrap_or_else(|_| REGROW.to_owned());
        let mut command = Command::new("sh");
        command.args(["-c", &ulimits, &regrow]).args(arguments.split_whitespace());
        command.current_dir(self.env.root()).stdin(Stdio::null());
        command.env("HOME", self.env.root()).env("XDG_CACHE_HOME", self.env.path("home-cache"));
        command.env("REGROW_STATE", self.env.path("home-state"));
        // Arenas of the allocator are address space that is never touched.
        command.env("TMPDIR", self.env.path("scratch")).env("MALLOC_ARENA_MAX", "2");
        let output = command.output().unwrap();
        self.runs += 1;
        let ran = Ran { code: output.status.code(), stderr: String::from_utf8_lossy(&output.stderr).into_owned() };
        let is_documented = matches!(ran.code, Some(0..=4)) && !ran.stderr.contains("panicked");
        self.expect(is_documented, &format!("regrow {arguments}: {:?}: {}", output.status, ran.stderr.trim_end()));
        let lines = ran.stderr.lines().filter(|line| !line.starts_with("regrow: warning: ")).count();
        let expected = usize::from(ran.code != Some(0));
        let silent = arguments.contains("-q");
        self.expect(
            !is_documented || !silent || lines == expected,
            &format!("regrow {arguments}: {} lines: {}", lines, ran.stderr),
        );
        ran
    }

    /// Runs an extract into `out`, which holds `old` before. Afterwards it must be right or unchanged. Returns
    /// whether the extract succeeded.
    pub(crate) fn extract(&mut self, arguments: &str, old: &[u8], image: &[u8]) -> bool {
        self.env.write("out", old);
        let ran = self.run(&format!("extract -q {arguments} out"));
        let found = std::fs::read(self.env.path("out")).unwrap_or_default();
        let right = if ran.code == Some(0) { found == image } else { found == old || found == image };
        self.expect(right, &format!("regrow extract {arguments}: {:?} and a wrong output", ran.code));
        ran.code == Some(0)
    }

    /// Runs a command that must succeed.
    pub(crate) fn success(&mut self, arguments: &str) -> bool {
        let ran = self.run(arguments);
        self.expect(ran.code == Some(0), &format!("regrow {arguments}: {:?}: {}", ran.code, ran.stderr.trim_end()));
        ran.code == Some(0)
    }
}
