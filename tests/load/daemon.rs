//! A Docker daemon that is played: it keeps images in memory, and takes archives as the real one does.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::hex;

#[derive(Default)]
struct State {
    /// Layers by id.
    images: HashMap<String, Vec<String>>,
    /// Ids by name.
    names: HashMap<String, String>,
    /// The paths in each archive that came.
    loads: Vec<Vec<String>>,
    refusal: Option<String>,
    forgets: bool,
    is_mad: bool,
}

pub(super) struct Daemon(Arc<Mutex<State>>);

impl Daemon {
    pub(super) fn new(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let daemon = Self(Arc::default());
        let state = Arc::clone(&daemon.0);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                std::thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        daemon
    }

    pub(super) fn add(&self, name: &str, config: &[u8], layers: &[Vec<u8>]) {
        let (mut state, id) = (self.0.lock().unwrap(), format!("sha256:{}", hex(config)));
        state.images.insert(id.clone(), layers.iter().map(|layer| format!("sha256:{}", hex(layer))).collect());
        state.names.insert(name.to_owned(), id);
    }

    pub(super) fn remove(&self, id: &str) {
        let mut state = self.0.lock().unwrap();
        state.images.remove(id);
        state.names.retain(|_, known| known != id);
    }

    pub(super) fn image(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap().names.get(name).cloned()
    }

    pub(super) fn loads(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().loads.clone()
    }

    pub(super) fn refuse(&self, message: &str) {
        self.0.lock().unwrap().refusal = Some(message.to_owned());
    }

    /// All images are deleted as soon as they were looked at.
    pub(super) fn forget_after_inspection(&self) {
        self.0.lock().unwrap().forgets = true;
    }

    pub(super) fn answer_nonsense(&self) {
        self.0.lock().unwrap().is_mad = true;
    }
}

fn serve(stream: UnixStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let target = head.split(' ').nth(1).unwrap().to_owned();
        let (status, body) = match target.as_str() {
            "/images/load?quiet=0" => match read_chunks(&mut reader) {
                Some(archive) => load(&mut state.lock().unwrap(), &archive),
                None => return,
            },
            _ => answer(&mut state.lock().unwrap(), &target),
        };
        let answer = match state.lock().unwrap().is_mad {
            true => "HTTP/9 what?\r\n\r\n".to_owned(),
            false => format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        };
        let _ = reader.get_mut().write_all(answer.as_bytes());
    }
}

fn read_chunks(reader: &mut BufReader<UnixStream>) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim_end(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(all);
        }
        all.extend_from_slice(&chunk[..size]);
    }
}

fn answer(state: &mut State, target: &str) -> (u16, String) {
    let found = match target {
        "/info" => Some(json!({ "DockerRootDir": "/nowhere", "DriverStatus": null })),
        "/images/json?all=1" => Some(state.images.keys().map(|id| json!({ "Id": id })).collect()),
        _ => {
            let name = target.trim_start_matches("/images/").trim_end_matches("/json");
            // As a daemon does, it takes the full form for the short one.
            let name = name.trim_start_matches("docker.io/library/");
            let id = state.names.get(name).cloned().unwrap_or_else(|| name.to_owned());
            state.images.get(&id).map(|layers| json!({ "Id": id, "RootFS": { "Layers": layers } }))
        }
    };
    if state.forgets && target.starts_with("/images/sha256:") {
        state.images.clear();
        state.names.clear();
    }
    found.map_or_else(|| (404, r#"{"message":"no such image"}"#.to_owned()), |value| (200, value.to_string()))
}

/// Takes an archive. A layer may be missing only where an image has it above the same others.
fn load(state: &mut State, archive: &[u8]) -> (u16, String) {
    let mut files = HashMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (path, mut bytes) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, bytes);
    }
    state.loads.push(files.keys().cloned().collect());
    state.forgets = false;
    let refused = |message: &str| (500, json!({ "message": message }).to_string());
    if let Some(message) = &state.refusal {
        return refused(message);
    }
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for image in manifest.as_array().unwrap() {
        let config = &files[&text(&image["Config"])];
        let parsed: Value = serde_json::from_slice(config).unwrap();
        let ids: Vec<String> = parsed["rootfs"]["diff_ids"].as_array().unwrap().iter().map(text).collect();
        for (number, path) in image["Layers"].as_array().unwrap().iter().map(text).enumerate() {
            let is_held = state.images.values().any(|layers| layers.get(..=number) == ids.get(..=number));
            match files.get(&path) {
                Some(layer) if format!("sha256:{}", hex(layer)) == ids[number] => {}
                None if is_held => {}
                Some(_) => return refused("invalid diffID"),
                None => return refused(&format!("open /tmp/{path}: no such file or directory")),
            }
        }
        let id = format!("sha256:{}", hex(config));
        state.images.insert(id.clone(), ids);
        for name in image["RepoTags"].as_array().unwrap().iter().map(text) {
            state.names.insert(name, id.clone());
        }
    }
    (200, "{\"stream\":\"Loaded\"}\n".to_owned())
}
