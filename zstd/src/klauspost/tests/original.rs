//! Against the real encoder, where Go and its sources are: Debian's golang-go (or golang-1.19-go) and
//! golang-github-klauspost-compress-dev. Elsewhere `KLAUSPOST_GO` names the go command and `KLAUSPOST_GOPATH` a folder
//! that has `src/github.com/klauspost` in it.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{data, kinds, stream};
use crate::klauspost::{Klauspost, Level, Version};

/// A built `original.go`.
pub(super) struct Original {
    pub(super) program: PathBuf,
    built: Option<PathBuf>,
}

impl Drop for Original {
    fn drop(&mut self) {
        if let Some(folder) = &self.built {
            // A leftover does no harm.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Original {
    pub(super) fn at(program: impl AsRef<Path>) -> Self {
        Self { program: program.as_ref().to_owned(), built: None }
    }

    /// None where something is missing.
    fn built() -> Option<Self> {
        let go_path = std::env::var_os("KLAUSPOST_GOPATH").unwrap_or_else(|| "/usr/share/gocode".into());
        if !Path::new(&go_path).join("src/github.com/klauspost/compress/zstd").is_dir() {
            return None;
        }
        let folder = std::env::temp_dir().join(format!("regrow-klauspost-zstd-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let original = Self { program: folder.join("original"), built: Some(folder.clone()) };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/klauspost/tests/original.go");
        let built = go_commands().into_iter().any(|go| {
            let mut build = Command::new(go);
            build.args(["build", "-o"]).arg(&original.program).arg(&source);
            build.env("GO111MODULE", "off").env("GOPATH", &go_path).env("GOCACHE", folder.join("cache"));
            build.env("GOFLAGS", "").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        });
        built.then_some(original)
    }

    /// What it writes with the options of a kind. Whether it compresses in goroutines of its own makes no difference.
    pub(super) fn stream(&self, kind: Klauspost, plain: &[u8]) -> Vec<u8> {
        let mut command = Command::new(&self.program);
        command.args([
            format!("level={}", kind.level),
            format!("form={:?}", kind.form),
            format!("window={}", kind.window_log),
            format!("block={}", kind.block_log),
            format!("flushed_at={}", kind.flushed_at),
            format!("checksum={}", kind.checksum),
            format!("plain_literals={}", kind.plain_literals),
            format!("codes_all_literals={}", kind.codes_all_literals),
            format!("concurrency={}", 1 + plain.len() % 2),
        ]);
        command.args(kind.single_segment.map(|single| format!("single_segment={single}")));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = std::thread::scope(|scope| {
            scope.spawn(move || input.write_all(plain).unwrap());
            child.wait_with_output().unwrap()
        });
        assert!(output.status.success(), "{kind:?}");
        output.stdout
    }

    fn version(&self) -> Version {
        let plain = data::of_all_kinds();
        let writes = |version: &Version| {
            let kind = Klauspost { codes_all_literals: true, ..Klauspost::new(*version, Level::Default) };
            plain.iter().all(|(_, plain)| self.stream(kind, plain) == stream(kind, plain, 1 << 16))
        };
        Version::ALL.into_iter().find(writes).expect("one of the known versions")
    }
}

fn go_commands() -> Vec<OsString> {
    let of_debian = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let of_debian =
        of_debian.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("go-")));
    let named = std::env::var_os("KLAUSPOST_GO").into_iter().chain([OsString::from("go")]);
    named.chain(of_debian.map(|path| path.join("bin/go").into())).collect()
}

#[test]
fn streams_are_those_of_the_original() {
    let Some(original) = Original::built() else {
        eprintln!("passed over: no Go or no sources of klauspost's compress");
        return;
    };
    let version = original.version();
    for (number, kind) in kinds(version).enumerate() {
        let plain = [data::of_all_kinds(), data::of_many_lengths()].concat();
        for (name, plain) in plain.into_iter().skip(number % 5).step_by(5) {
            assert!(original.stream(kind, &plain) == stream(kind, &plain, 100_000), "{kind:?}, {name}");
        }
    }
}
