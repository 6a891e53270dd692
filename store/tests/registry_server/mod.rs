//! A small registry on loopback: manifests, blobs with ranges, uploads, tags, deletions, tokens, and a bucket at
//! another port to which it redirects readers. It logs what it was asked for, and fails on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use regrow_store::BlobDigest;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The path and the query.
    pub(crate) target: String,
    /// Whether the bucket was asked.
    pub(crate) is_bucket: bool,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// An answer: a status, headers and a body.
pub(crate) type Answer = (u16, Vec<(String, String)>, Vec<u8>);

/// Answers a request in the registry's place.
type Hook = Box<dyn Fn(&Asked) -> Option<Answer> + Send + Sync>;

/// The manner of the registry.
#[derive(Default)]
pub(crate) struct Manner {
    /// The user and the password that its server of tokens wants, with a `:` between.
    pub(crate) login: Option<String>,
    /// Whether it redirects readers of blobs to the bucket.
    pub(crate) has_bucket: bool,
    /// Whether it ignores ranges.
    pub(crate) lacks_ranges: bool,
    /// Whether it refuses to delete.
    pub(crate) keeps_all: bool,
}

#[derive(Default)]
struct Contents {
    blobs: BTreeMap<String, Vec<u8>>,
    /// The type and the bytes, by digest.
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    tags: BTreeMap<String, String>,
    uploads: BTreeMap<String, Vec<u8>>,
    tokens: BTreeSet<String>,
    log: Vec<Asked>,
}

struct State {
    manner: Manner,
    contents: Mutex<Contents>,
    hook: Mutex<Option<Hook>>,
    ports: [u16; 2],
    is_over: AtomicBool,
}

/// The registry, which ends when it is dropped. It has one repository, whatever its name.
pub(crate) struct RegistryServer(Arc<State>);

impl RegistryServer {
    pub(crate) fn start(manner: Manner) -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = [0, 1].map(|at: usize| listeners[at].local_addr().unwrap().port());
        let (contents, hook) = (Mutex::default(), Mutex::default());
        let state = Arc::new(State { manner, contents, hook, ports, is_over: AtomicBool::new(false) });
        for (number, listener) in listeners.into_iter().enumerate() {
            let state = Arc::clone(&state);
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if state.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || state.serve(stream, number == 1));
                }
            });
        }
        Self(state)
    }

    /// The host and the port.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.0.ports[0])
    }

    /// Lets `hook` answer first.
    pub(crate) fn answer_by(&self, hook: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) {
        *self.0.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Takes the requests since the last call.
    pub(crate) fn take_log(&self) -> Vec<Asked> {
        std::mem::take(&mut self.0.contents.lock().unwrap().log)
    }

    /// The bytes of the manifest under a tag.
    pub(crate) fn manifest(&self, tag: &str) -> Option<Vec<u8>> {
        let contents = self.0.contents.lock().unwrap();
        contents.tags.get(tag).map(|digest| contents.manifests[digest].1.clone())
    }

    /// Puts a manifest under a tag, as another client would.
    pub(crate) fn put_manifest(&self, tag: &str, bytes: &[u8]) {
        let digest = BlobDigest::of(bytes).to_string();
        let mut contents = self.0.contents.lock().unwrap();
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        contents.manifests.insert(digest.clone(), (media_type, bytes.to_vec()));
        contents.tags.insert(tag.to_owned(), digest);
    }

    pub(crate) fn tags(&self) -> Vec<String> {
        self.0.contents.lock().unwrap().tags.keys().cloned().collect()
    }

    /// Removes the blobs that no manifest names, as a registry's own collection does.
    pub(crate) fn collect_garbage(&self) {
        let mut contents = self.0.contents.lock().unwrap();
        let tagged: BTreeSet<String> = contents.tags.values().cloned().collect();
        contents.manifests.retain(|digest, _| tagged.contains(digest));
        let texts: Vec<String> =
            contents.manifests.values().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect();
        contents.blobs.retain(|digest, _| texts.iter().any(|text| text.contains(digest.as_str())));
    }

    pub(crate) fn blobs(&self) -> usize {
        self.0.contents.lock().unwrap().blobs.len()
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
        for port in self.0.ports {
            let _ = TcpStream::connect(("127.0.0.1", port));
        }
    }
}

impl State {
    fn serve(&self, stream: TcpStream, is_bucket: bool) {
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream);
        while let Some(asked) = read_request(&mut reader, is_bucket) {
            self.contents.lock().unwrap().log.push(asked.clone());
            let hooked = self.hook.lock().unwrap().as_ref().and_then(|hook| hook(&asked));
            let (status, headers, body) = hooked.unwrap_or_else(|| self.answer(&asked));
            let mut head = format!("HTTP/1.1 {status} Said\r\n");
            for (name, value) in &headers {
                head += &format!("{name}: {value}\r\n");
            }
            if !headers.iter().any(|(name, _)| name == "Content-Length") {
                head += &format!("Content-Length: {}\r\n", body.len());
            }
            head += "\r\n";
            let stream = reader.get_mut();
            let sends_body = asked.method != "HEAD" && status != 304;
            let is_sent = stream.write_all(head.as_bytes()).and_then(|()| match sends_body {
                true => stream.write_all(&body),
                false => Ok(()),
            });
            if is_sent.is_err() {
                return;
            }
        }
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        if asked.is_bucket {
            // A bucket refuses a signed URL with another login.
            if asked.header("authorization").is_some() {
                return failure(400, "InvalidArgument");
            }
            return self.blob(asked, path.trim_start_matches('/'));
        }
        if path == "/token" {
            return self.token(asked);
        }
        if self.manner.login.is_some() {
            let given = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
            let needed = if matches!(asked.method.as_str(), "GET" | "HEAD") { "pull" } else { "push" };
            let is_good = given
                .is_some_and(|token| self.contents.lock().unwrap().tokens.contains(token) && token.contains(needed));
            if !is_good {
                let realm = format!("Bearer realm=\"http://127.0.0.1:{}/token\",service=\"test\"", self.ports[0]);
                let (status, mut headers, body) = failure(401, "UNAUTHORIZED");
                headers.push(("WWW-Authenticate".to_owned(), realm));
                return (status, headers, body);
            }
        }
        let Some((_, rest)) = path.strip_prefix("/v2/").and_then(|path| split_action(path)) else {
            return failure(404, "UNSUPPORTED");
        };
        match rest.split_once('/') {
            Some(("blobs", "uploads/")) if asked.method == "POST" => self.begin_upload(),
            Some(("blobs", upload)) if upload.starts_with("uploads/") => self.upload(asked, &upload[8..], query),
            Some(("blobs", digest)) if asked.method == "GET" && self.manner.has_bucket => {
                let to = format!("http://127.0.0.1:{}/{digest}?signature=x", self.ports[1]);
                (307, vec![("Location".to_owned(), to)], Vec::new())
            }
            Some(("blobs", digest)) => self.blob(asked, digest),
            Some(("manifests", reference)) => self.manifest(asked, reference),
            Some(("tags", "list")) => self.list(query),
            _ => failure(404, "UNSUPPORTED"),
        }
    }

    fn token(&self, asked: &Asked) -> Answer {
        let login = self.manner.login.clone().unwrap_or_default();
        let expected = format!("Basic {}", base64_of(login.as_bytes()));
        if asked.header("authorization") != Some(&*expected) {
            return failure(401, "UNAUTHORIZED");
        }
        let rights = if asked.target.contains("push") { "pull,push" } else { "pull" };
        let mut contents = self.contents.lock().unwrap();
        let token = format!("{rights}-{}", contents.tokens.len());
        contents.tokens.insert(token.clone());
        (200, Vec::new(), format!("{{\"token\":\"{token}\",\"expires_in\":300}}").into_bytes())
    }

    fn blob(&self, asked: &Asked, digest: &str) -> Answer {
        let contents = self.contents.lock().unwrap();
        let Some(bytes) = contents.blobs.get(digest) else { return failure(404, "BLOB_UNKNOWN") };
        let range = asked.header("range").filter(|_| !self.manner.lacks_ranges).and_then(|range| {
            let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
        });
        match range {
            None => (200, Vec::new(), bytes.clone()),
            Some((first, last)) if first <= last && first < bytes.len() => {
                let end = (last + 1).min(bytes.len());
                let stated = format!("bytes {first}-{}/{}", end - 1, bytes.len());
                (206, vec![("Content-Range".to_owned(), stated)], bytes[first..end].to_vec())
            }
            Some(_) => (416, vec![("Content-Range".to_owned(), format!("bytes */{}", bytes.len()))], bytes.clone()),
        }
    }

    fn begin_upload(&self) -> Answer {
        let mut contents = self.contents.lock().unwrap();
        let id = format!("upload-{}", contents.uploads.len());
        contents.uploads.insert(id.clone(), Vec::new());
        (202, vec![("Location".to_owned(), format!("/v2/any/blobs/uploads/{id}?state=1"))], Vec::new())
    }

    fn upload(&self, asked: &Asked, id: &str, query: &str) -> Answer {
        let mut contents = self.contents.lock().unwrap();
        let Some(mut bytes) = contents.uploads.get(id).cloned() else { return failure(404, "BLOB_UPLOAD_UNKNOWN") };
        let stated = asked.header("content-range").and_then(|range| range.split('-').next()?.parse::<usize>().ok());
        if stated.is_some_and(|start| start != bytes.len()) {
            return (416, vec![("Range".to_owned(), format!("0-{}", bytes.len()))], Vec::new());
        }
        bytes.extend_from_slice(&asked.body);
        if asked.method == "PATCH" {
            contents.uploads.insert(id.to_owned(), bytes);
            return (202, vec![("Location".to_owned(), format!("/v2/any/blobs/uploads/{id}?state=2"))], Vec::new());
        }
        let digest = BlobDigest::of(&bytes).to_string();
        let wanted = query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap_or_default();
        if wanted.replace("%3A", ":") != digest {
            return failure(400, "DIGEST_INVALID");
        }
        contents.blobs.insert(digest, bytes);
        (201, Vec::new(), Vec::new())
    }

    fn manifest(&self, asked: &Asked, reference: &str) -> Answer {
        let mut contents = self.contents.lock().unwrap();
        let digest = contents.tags.get(reference).cloned().unwrap_or_else(|| reference.to_owned());
        match asked.method.as_str() {
            "PUT" => {
                let text = String::from_utf8_lossy(&asked.body).into_owned();
                let named = text.split("\"digest\":\"").skip(1).filter_map(|rest| rest.split('"').next());
                if let Some(unknown) = named.clone().find(|name| !contents.blobs.contains_key(*name)) {
                    return failure(404, &format!("MANIFEST_BLOB_UNKNOWN {unknown}"));
                }
                let digest = BlobDigest::of(&asked.body).to_string();
                let media_type = asked.header("content-type").unwrap_or_default().to_owned();
                contents.manifests.insert(digest.clone(), (media_type, asked.body.clone()));
                contents.tags.insert(reference.to_owned(), digest);
                (201, Vec::new(), Vec::new())
            }
            "DELETE" if self.manner.keeps_all => failure(405, "UNSUPPORTED"),
            "DELETE" => {
                contents.tags.retain(|_, found| *found != digest);
                match contents.manifests.remove(&digest) {
                    Some(_) => (202, Vec::new(), Vec::new()),
                    None => failure(404, "MANIFEST_UNKNOWN"),
                }
            }
            _ => {
                let Some((media_type, bytes)) = contents.manifests.get(&digest) else {
                    return failure(404, "MANIFEST_UNKNOWN");
                };
                let tag = format!("\"{digest}\"");
                let status = if asked.header("if-none-match") == Some(&*tag) { 304 } else { 200 };
                let date = "Mon, 30 Nov 2026 07:00:00 GMT".to_owned();
                let headers = [("Content-Type", media_type.clone()), ("ETag", tag), ("Date", date)];
                let headers = headers.map(|(name, value)| (name.to_owned(), value));
                (status, headers.into(), if status == 304 { Vec::new() } else { bytes.clone() })
            }
        }
    }

    /// Two tags a page.
    fn list(&self, query: &str) -> Answer {
        let contents = self.contents.lock().unwrap();
        if contents.tags.is_empty() {
            return failure(404, "NAME_UNKNOWN");
        }
        let last = query.split('&').find_map(|pair| pair.strip_prefix("last=")).unwrap_or_default();
        let page: Vec<&String> = contents.tags.keys().filter(|tag| tag.as_str() > last).take(2).collect();
        let mut headers = Vec::new();
        if contents.tags.keys().next_back() != page.last().copied()
            && let Some(last) = page.last()
        {
            headers.push(("Link".to_owned(), format!("</v2/any/tags/list?last={last}&n=2>; rel=\"next\"")));
        }
        let body = format!("{{\"name\":\"any\",\"tags\":{page:?}}}");
        (200, headers, body.into_bytes())
    }
}

fn read_request(reader: &mut BufReader<TcpStream>, is_bucket: bool) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, target, is_bucket, headers, body })
}

/// The repository, and the rest of a path.
fn split_action(path: &str) -> Option<(&str, &str)> {
    let at = ["/blobs/", "/manifests/", "/tags/"].iter().find_map(|action| path.find(action))?;
    Some((&path[..at], &path[at + 1..]))
}

fn failure(status: u16, code: &str) -> Answer {
    let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"told by the registry\"}}]}}");
    (status, vec![("Content-Type".to_owned(), "application/json".to_owned())], body.into_bytes())
}

/// Base64 of a few bytes.
pub(crate) fn base64_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= group.len() { DIGITS[value as usize] as char } else { '=' });
        }
    }
    text
}
