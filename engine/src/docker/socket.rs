//! A daemon at a Unix socket, asked by its own interface.

mod save;

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::http::{Connection, Head, nonsense};
use super::{Api, Info, Inspected};
use crate::kind::Patience;
use crate::piped::Upload;
use crate::{EngineError, EngineKind, EngineOptions};

pub use save::{DockerImage, DockerImages};

const ENGINE: EngineKind = EngineKind::Docker;
/// The most bytes of an answer.
const MAX_ANSWER_BYTES: u64 = 64 << 20;
/// The most bytes that the daemon prints while it loads images.
const MAX_LOG_BYTES: u64 = 1 << 30;
/// The longest line of that.
const MAX_LINE_BYTES: usize = 1 << 20;

const ASKED: &str = "it was asked";
const GIVEN: &str = "it was given the image";

pub(super) struct BySocket {
    path: PathBuf,
    questions: Patience,
    loading: Patience,
    connection: Option<Connection>,
}

/// An image in the daemon's list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
}

/// The body of a refusal, and a line of what the daemon prints while it loads images.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    message: String,
    error: String,
}

impl BySocket {
    pub(super) fn new(path: &Path, options: &EngineOptions) -> Self {
        let (questions, loading) = (options.for_questions(), options.for_loading());
        Self { path: path.to_owned(), questions, loading, connection: None }
    }

    /// Whether the daemon calls itself Podman.
    pub(super) fn is_podman(&mut self) -> bool {
        self.ask("/_ping").is_ok_and(|(head, _)| head.server.starts_with("Libpod"))
    }

    fn open(&self, patience: Patience) -> Result<Connection, EngineError> {
        Connection::open(&self.path, patience).map_err(|source| EngineError::Unreachable {
            engine: ENGINE,
            path: self.path.clone(),
            source,
        })
    }

    fn ask(&mut self, target: &str) -> Result<(Head, Vec<u8>), EngineError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open(self.questions)?,
        };
        let answer = connection.get(target, MAX_ANSWER_BYTES).map_err(|error| self.failed(target, error))?;
        self.connection = Some(connection);
        Ok(answer)
    }

    fn failed(&self, target: &str, error: io::Error) -> EngineError {
        match error.kind() {
            ErrorKind::InvalidData => EngineError::Answer { engine: ENGINE, question: target.to_owned() },
            _ => EngineError::of_io(ENGINE, ASKED, self.questions.quiet, error),
        }
    }

    /// Asks for an object. There is none if the daemon says that it does not know it.
    fn object<T: DeserializeOwned>(&mut self, target: &str) -> Result<Option<T>, EngineError> {
        let (head, body) = self.ask(target)?;
        match head.status {
            200 => serde_json::from_slice(&body)
                .map(Some)
                .map_err(|_| EngineError::Answer { engine: ENGINE, question: target.to_owned() }),
            404 => Ok(None),
            _ => Err(refusal(&body)),
        }
    }

    fn present<T: DeserializeOwned>(&mut self, target: &str) -> Result<T, EngineError> {
        self.object(target)?.ok_or_else(|| EngineError::Answer { engine: ENGINE, question: target.to_owned() })
    }
}

fn refusal(body: &[u8]) -> EngineError {
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    EngineError::refused(
        ENGINE,
        &if said.message.is_empty() { String::from_utf8_lossy(body).into() } else { said.message },
    )
}

impl Api for BySocket {
    fn info(&mut self) -> Result<Info, EngineError> {
        self.present("/info")
    }

    fn images(&mut self) -> Result<Vec<String>, EngineError> {
        let listed: Vec<Listed> = self.present("/images/json?all=1")?;
        Ok(listed.into_iter().map(|image| image.id).collect())
    }

    fn inspect(&mut self, names: &[String], more: &mut dyn FnMut(Inspected) -> bool) -> Result<(), EngineError> {
        for name in names {
            // Ids come from the daemon, which could be anybody.
            let unfit = |_| EngineError::Answer { engine: ENGINE, question: "/images/json".to_owned() };
            crate::image::check_name(name).map_err(unfit)?;
            if let Some(image) = self.object(&format!("/images/{name}/json"))?
                && !more(image)
            {
                return Ok(());
            }
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Box<dyn Upload>, EngineError> {
        let mut connection = self.open(self.loading)?;
        let patience = self.loading.quiet;
        connection
            .post("/images/load?quiet=0", "application/x-tar")
            .map_err(|error| EngineError::of_io(ENGINE, GIVEN, patience, error))?;
        Ok(Box::new(SocketUpload { connection, patience }))
    }
}

/// An archive on its way through the socket.
struct SocketUpload {
    connection: Connection,
    patience: Duration,
}

impl Write for SocketUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.chunk(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SocketUpload {
    /// Reads what the daemon says about the archive.
    fn answer(&mut self) -> io::Result<Result<(), EngineError>> {
        let head = self.connection.head()?;
        let (mut line, mut bytes_read, mut refused) = (Vec::new(), 0, None);
        let is_ok = head.status == 200;
        self.connection.body(&head, &mut |bytes| {
            bytes_read += bytes.len() as u64;
            for &byte in bytes {
                if byte == b'\n' {
                    take_line(&mut line, &mut refused);
                } else {
                    line.push(byte);
                }
            }
            if bytes_read > MAX_LOG_BYTES || line.len() > MAX_LINE_BYTES { Err(nonsense()) } else { Ok(()) }
        })?;
        if !is_ok {
            return Ok(Err(refusal(&line)));
        }
        take_line(&mut line, &mut refused);
        Ok(refused.map_or(Ok(()), |message: String| Err(EngineError::refused(ENGINE, &message))))
    }

    fn failed(&self, error: io::Error) -> EngineError {
        match error.kind() {
            ErrorKind::InvalidData => EngineError::Answer { engine: ENGINE, question: "/images/load".to_owned() },
            _ => EngineError::of_io(ENGINE, GIVEN, self.patience, error),
        }
    }
}

/// Looks whether a line of the daemon's output says that it failed.
fn take_line(line: &mut Vec<u8>, refused: &mut Option<String>) {
    let said: Said = serde_json::from_slice(line).unwrap_or_default();
    if !said.error.is_empty() {
        refused.get_or_insert(said.error);
    }
    line.clear();
}

impl Upload for SocketUpload {
    fn finish(mut self: Box<Self>) -> Result<(), EngineError> {
        if let Err(error) = self.connection.last_chunk() {
            return Err(self.failure(error));
        }
        self.answer().map_err(|error| self.failed(error))?
    }

    fn failure(mut self: Box<Self>, source: io::Error) -> EngineError {
        match source.kind() {
            // It closed its end, and has most likely said why.
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => match self.answer() {
                Ok(Err(refusal)) => refusal,
                _ => self.failed(source),
            },
            _ => self.failed(source),
        }
    }
}
