//! The server over a real connection, with requests spelled out.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

const PACK: &str = "packs/01/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.pack";

struct Host {
    server: Server,
    folder: TempDir,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let www = folder.path().join("www");
        fs::create_dir_all(www.join("packs/01")).unwrap();
        fs::create_dir_all(www.join(".hidden")).unwrap();
        for (path, contents) in [
            ("app.rgx", "0123456789"),
            ("empty", ""),
            (PACK, "pack"),
            (".hidden/file", "x"),
            (".file", "x"),
            ("../secret", "x"),
        ] {
            fs::write(www.join(path), contents).unwrap();
        }
        let server = Server::start_on_loopback(&www, RequestLog::Off).unwrap();
        Self { server, folder }
    }

    fn www(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(self.server.address).unwrap())
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(&mut self.connect(), method, path, headers)
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers)
    }
}

fn ask(connection: &mut BufReader<TcpStream>, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(connection.get_mut(), "{method} {path} HTTP/1.1\r\nHost: host\r\n{headers}\r\n").unwrap();
    let mut lines = connection.by_ref().lines().map(Result::unwrap);
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let head = lines.take_while(|line| !line.is_empty());
    let headers = head.map(|line| line.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap()).collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    assert_eq!(answer.header("transfer-encoding"), None);
    let has_body = method != "HEAD" && status != 304;
    let length = if has_body { answer.header("content-length").unwrap().parse().unwrap() } else { 0 };
    answer.body.resize(length, 0);
    connection.read_exact(&mut answer.body).unwrap();
    answer
}

#[test]
fn whole_files_and_heads() {
    let host = Host::new();
    let whole = host.get("/app.rgx?signature=1", &[]);
    assert_eq!((whole.status, whole.body.as_slice()), (200, b"0123456789".as_slice()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("cache-control"), Some("max-age=60"));
    let pack = host.get(&format!("/{PACK}"), &[]);
    assert_eq!(pack.header("content-type"), Some("application/octet-stream"));
    assert_eq!(pack.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let head = host.ask("HEAD", "/app.rgx", &[("Range", "bytes=0-1")]);
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    assert_eq!(host.ask("POST", "/app.rgx", &[]).status, 405);
    assert_eq!(host.get("/empty", &[("Range", "bytes=0-")]).status, 200);
}

#[test]
fn ranges() {
    let host = Host::new();
    let cases = [
        ("bytes=2-4", "bytes 2-4/10", "234"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=8-99", "bytes 8-9/10", "89"),
        ("bytes=-3", "bytes 7-9/10", "789"),
        ("bytes=-99", "bytes 0-9/10", "0123456789"),
    ];
    for (range, content_range, body) in cases {
        let answer = host.get("/app.rgx", &[("Range", range)]);
        assert_eq!((answer.status, answer.header("content-range")), (206, Some(content_range)), "{range}");
        assert_eq!(answer.body, body.as_bytes(), "{range}");
        assert_eq!(answer.header("cache-control"), Some("max-age=60"));
    }
    let beyond = host.get(&format!("/{PACK}"), &[("Range", "bytes=10-12")]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */4")));
    assert_eq!(beyond.header("cache-control"), Some("no-store"));
    // Several ranges at once are not served. The whole file is a correct answer to them.
    for range in ["bytes=0-1,4-5", "lines=1-2"] {
        assert_eq!(host.get("/app.rgx", &[("Range", range)]).status, 200, "{range}");
    }
}

#[test]
fn conditions() {
    let host = Host::new();
    let whole = host.get("/app.rgx", &[]);
    let (tag, time) = (whole.header("etag").unwrap(), whole.header("last-modified").unwrap());
    for condition in [("If-None-Match", tag), ("If-Modified-Since", time)] {
        let answer = host.get("/app.rgx", &[condition]);
        assert_eq!((answer.status, answer.header("etag")), (304, Some(tag)), "{condition:?}");
        assert_eq!(answer.header("cache-control"), Some("max-age=60"));
    }
    assert_eq!(host.get("/app.rgx", &[("If-None-Match", "\"other\"")]).status, 200);
    let range = ("Range", "bytes=0-1");
    for (condition, status) in [(tag, 206), (time, 206), ("\"other\"", 200), (&format!("W/{tag}"), 200)] {
        assert_eq!(host.get("/app.rgx", &[range, ("If-Range", condition)]).status, status, "{condition}");
    }
    fs::write(host.www().join("app.rgx"), "changed").unwrap();
    assert_eq!(host.get("/app.rgx", &[("If-None-Match", tag)]).body, b"changed");
}

/// Two states of a file with equal size and time, as rsync and reproducible builds leave them.
#[test]
fn what_differs_in_nothing_but_its_bytes_is_seen() {
    let host = Host::new();
    let file = host.www().join("app.rgx");
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    let put = |contents: &str| {
        fs::write(&file, contents).unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    };
    let first = host.get("/app.rgx", &[]);
    let tag = first.header("etag").unwrap();
    put("9876543210");
    let second = host.get("/app.rgx", &[("If-None-Match", tag)]);
    assert_eq!((second.status, second.body.as_slice()), (200, b"9876543210".as_slice()));
    assert_eq!(second.header("last-modified"), first.header("last-modified"));
    let range = host.get("/app.rgx", &[("Range", "bytes=0-1"), ("If-Range", tag)]);
    assert_eq!(range.status, 200);
    // The same bytes get the same tag again.
    put("0123456789");
    assert_eq!(host.get("/app.rgx", &[("If-None-Match", tag)]).status, 304);
    // A large file is known by its inode and its times.
    let large = vec![0; (16 << 20) + 1];
    fs::write(&file, &large).unwrap();
    let tag = host.ask("HEAD", "/app.rgx", &[]).header("etag").unwrap().to_owned();
    assert_eq!(host.ask("HEAD", "/app.rgx", &[("If-None-Match", &tag)]).status, 304);
    fs::write(host.www().join("new"), &large).unwrap();
    fs::rename(host.www().join("new"), &file).unwrap();
    assert_eq!(host.ask("HEAD", "/app.rgx", &[("If-None-Match", &tag)]).status, 200);
}

#[test]
fn objects_of_a_store_say_what_they_are() {
    let host = Host::new();
    let hash = "ab".repeat(32);
    let patch = format!("patches/{hash}/{hash}.patch");
    fs::create_dir_all(host.www().join(&patch).parent().unwrap()).unwrap();
    for name in ["regrow.json", "gc.json", &patch] {
        fs::write(host.www().join(name), "{}").unwrap();
    }
    let (bytes, forever) = ("application/octet-stream", "public, max-age=31536000, immutable");
    for (name, kind, caching) in [
        ("regrow.json", "application/json", "no-cache"),
        ("gc.json", "application/json", "no-cache"),
        (&patch, bytes, forever),
        (PACK, bytes, forever),
        ("app.rgx", bytes, "max-age=60"),
    ] {
        let answer = host.get(&format!("/{name}"), &[("Range", "bytes=0-1")]);
        assert_eq!(answer.header("content-type"), Some(kind), "{name}");
        assert_eq!(answer.header("cache-control"), Some(caching), "{name}");
    }
}

#[test]
fn nothing_but_what_is_shown() {
    let host = Host::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("app.rgx", host.www().join("latest.rgx")).unwrap();
        symlink("../secret", host.www().join("out")).unwrap();
        symlink("..", host.www().join("up")).unwrap();
        symlink(".file", host.www().join("shown")).unwrap();
        symlink("round", host.www().join("round")).unwrap();
        std::os::unix::net::UnixListener::bind(host.www().join("socket")).unwrap();
        assert_eq!(host.get("/latest.rgx", &[]).status, 200);
    }
    let long = format!("/{}", "a".repeat(5_000));
    let paths = [
        "/",
        "/packs",
        "/packs/",
        "/none",
        "/app.rgx/",
        "/app.rgx/x",
        "/../secret",
        "/packs/../../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/packs/../app.rgx",
        "/.file",
        "/.hidden/file",
        "/%2efile",
        "/out",
        "/up/secret",
        "/shown",
        "/round",
        "/socket",
        "//etc/passwd",
        "/a%00b",
        "/%ff",
        &long,
    ];
    for path in paths {
        let answer = host.get(path, &[]);
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(host.ask("HEAD", path, &[]).status, 404, "{path}");
    }
}

#[test]
fn one_connection_serves_many_requests_and_all_are_counted() {
    let host = Host::new();
    let mut connection = host.connect();
    for (path, status) in [("/app.rgx", 200), ("/none", 404), ("/app.rgx", 200)] {
        assert_eq!(ask(&mut connection, "GET", path, &[]).status, status);
    }
    assert_eq!(ask(&mut connection, "GET", "/app.rgx", &[("Range", "bytes=0-2")]).body, b"012");
    assert_eq!(host.server.served(), Served { requests: 4, body_bytes: 23 });
    let url = host.server.url();
    host.server.stop();
    TcpStream::connect(url.trim_start_matches("http://").trim_end_matches('/')).unwrap_err();
}

#[test]
fn what_cannot_be_served_is_said() {
    let host = Host::new();
    let start = |folder: &str, port| {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        format!("{:?}", Server::start(&host.www().join(folder), listen, RequestLog::Off).err())
    };
    assert!(start("", host.server.address.port()).contains("the port is in use; choose another with --listen"));
    assert!(start("none", 0).contains("no such folder"));
    assert!(start("app.rgx", 0).contains("not a folder"));
}
