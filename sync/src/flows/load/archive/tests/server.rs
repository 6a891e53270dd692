//! A host for a folder: whole files and ranges, one request for each connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::Location;

/// A host that serves as long as the process runs.
pub(super) struct Host {
    port: u16,
}

impl Host {
    pub(super) fn of(folder: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (port, folder) = (listener.local_addr().unwrap().port(), folder.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folder = folder.clone();
                std::thread::spawn(move || serve(stream, folder));
            }
        });
        Self { port }
    }

    pub(super) fn location(&self, name: &str) -> Location {
        Location::parse(&format!("http://127.0.0.1:{}/{name}", self.port)).unwrap()
    }
}

fn serve(mut stream: TcpStream, folder: PathBuf) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let name = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let mut range = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            let (start, end) = value.split_once('-')?;
            range = Some((start.parse::<usize>().ok()?, end.parse::<usize>().ok()?));
        }
    }
    let Ok(bytes) = std::fs::read(folder.join(name)) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
    };
    let (status, sent, of) = match range {
        Some((start, end)) if start < bytes.len() => {
            let end = end.min(bytes.len() - 1);
            let of = format!("content-range: bytes {start}-{end}/{}\r\n", bytes.len());
            ("206 Partial Content", &bytes[start..=end], of)
        }
        _ => ("200 OK", &bytes[..], String::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{of}connection: close\r\n\r\n", sent.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(sent).ok()
}
