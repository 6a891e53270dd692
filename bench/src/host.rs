//! A static host on the loopback: files of a folder over HTTP/1.1, with kept connections and ranges of one part. It
//! does just enough to measure against, and is not meant for anything else.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::Result;

/// Serves a folder from threads of its own until the process ends.
pub(crate) fn serve(folder: &Path) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            // A client that goes away is no concern here.
            std::thread::spawn(move || drop(answer_all(stream, &folder)));
        }
    });
    Ok(address)
}

fn answer_all(stream: TcpStream, folder: &Path) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some((path, range)) = read_request(&mut reader)? {
        match File::open(folder.join(path)) {
            Ok(file) => send(&mut writer, file, range)?,
            Err(_) => writer.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
    }
    Ok(())
}

/// Reads a request's path and the value of its `Range` header.
fn read_request(reader: &mut impl BufRead) -> Result<Option<(PathBuf, Option<String>)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).ok_or("a request without a path")?.trim_start_matches('/').to_owned();
    let mut range = None;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                range = value.trim().strip_prefix("bytes=").map(str::to_owned);
            }
            Some(_) => {}
            None => return Ok(Some((path.into(), range))),
        }
    }
}

fn send(writer: &mut TcpStream, mut file: File, range: Option<String>) -> Result<()> {
    let size = file.metadata()?.len();
    let (start, end) = match range.as_deref().and_then(|range| range.split_once('-')) {
        None => (0, size),
        Some(("", last)) => (size.saturating_sub(last.parse()?), size),
        Some((first, "")) => (first.parse()?, size),
        Some((first, last)) => (first.parse()?, size.min(last.parse::<u64>()? + 1)),
    };
    let len = end.saturating_sub(start);
    let head = match range {
        None => format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n"),
        Some(_) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {len}\r\nContent-Range: bytes {start}-{}/{size}\r\n\r\n",
            end - 1
        ),
    };
    writer.write_all(head.as_bytes())?;
    file.seek(SeekFrom::Start(start))?;
    std::io::copy(&mut file.take(len), writer)?;
    Ok(())
}
