//! A daemon that is played here: it answers what it is told to, right or wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::find::find;
use crate::{Blob, Found, Sent};

/// What is answered to a request line: all bytes of the answer.
type Script = dyn Fn(&str) -> Vec<u8> + Send + Sync;

struct Played {
    folder: TempDir,
    /// The request lines, and the bodies of what was loaded.
    seen: Arc<Mutex<Vec<String>>>,
    loaded: Arc<Mutex<Vec<u8>>>,
}

fn json_answer(body: &Value) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.to_string().len()).into_bytes()
}

impl Played {
    fn new(script: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("d.sock")).unwrap();
        let played = Self { folder, seen: Arc::default(), loaded: Arc::default() };
        let (seen, loaded, script) = (Arc::clone(&played.seen), Arc::clone(&played.loaded), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, loaded, script) = (Arc::clone(&seen), Arc::clone(&loaded), Arc::clone(&script));
                std::thread::spawn(move || serve(stream.unwrap(), &seen, &loaded, &*script));
            }
        });
        played
    }

    fn open(&self) -> Found {
        let options = EngineOptions {
            kind: Some(EngineKind::Docker),
            address: Some(format!("unix://{}", self.folder.path().join("d.sock").display())),
            question_patience: Duration::from_millis(500),
            load_patience: Duration::from_millis(500),
            ..EngineOptions::default()
        };
        find(&options, &[]).unwrap()
    }

    /// The names of the files that were loaded.
    fn files(&self) -> Vec<String> {
        let path = self.folder.path().join("loaded.tar");
        std::fs::write(&path, &*self.loaded.lock().unwrap()).unwrap();
        let output = std::process::Command::new("tar").arg("-tf").arg(&path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn serve(stream: UnixStream, seen: &Mutex<Vec<String>>, loaded: &Mutex<Vec<u8>>, script: &Script) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let target = lines[0].split(' ').nth(1).unwrap().to_owned();
        seen.lock().unwrap().push(target.clone());
        let answer = script(&target);
        let is_upload = lines.iter().any(|line| line.contains("chunked"));
        // An answer that is no success comes at once, and then nothing is read any more.
        if is_upload && answer.starts_with(b"HTTP/1.1 200") {
            read_chunks(&mut reader, &mut loaded.lock().unwrap());
        }
        if answer.is_empty() {
            std::thread::sleep(Duration::from_secs(5));
        }
        let _ = reader.get_mut().write_all(&answer);
        if is_upload || !answer.starts_with(b"HTTP/1.1 200") {
            return;
        }
    }
}

fn read_chunks(reader: &mut BufReader<UnixStream>, to: &mut Vec<u8>) {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Ok(size) = usize::from_str_radix(line.trim_end(), 16) else { return };
        let mut chunk = vec![0; size + 2];
        if reader.read_exact(&mut chunk).is_err() || size == 0 {
            return;
        }
        to.extend_from_slice(&chunk[..size]);
    }
}

fn layer(text: &str) -> Layer {
    let digest = Sha256::of(text.as_bytes());
    Layer { diff_id: digest, blob: Blob { digest, bytes: text.len() as u64 } }
}

fn sent(layer: &Layer) -> Sent {
    Sent { layer: layer.clone(), digest: Some(layer.diff_id), bytes: layer.blob.bytes }
}

fn image(layers: &[&str]) -> Image {
    let layers = layers.iter().map(|text| layer(text)).collect();
    Image { config: b"{\"os\":\"linux\"}".to_vec(), layers, manifest: None, names: vec!["app:2".to_owned()] }
}

/// A daemon with images of these layers, the first of them under the name that is loaded.
fn daemon_with(images: &'static [&'static [&'static str]]) -> Played {
    Played::new(move |target| {
        let layers = |texts: &[&str]| texts.iter().map(|text| layer(text).diff_id.to_string()).collect::<Vec<_>>();
        match target {
            "/info" => {
                json_answer(&json!({ "DockerRootDir": "/data", "DriverStatus": [["Native Overlay Diff", "true"]] }))
            }
            "/images/json?all=1" => {
                let ids: Vec<Value> = (0..images.len()).map(|id| json!({ "Id": format!("id{id}") })).collect();
                json_answer(&Value::from(ids))
            }
            "/images/load?quiet=0" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n{\r\n2\r\n}\n\r\n0\r\n\r\n".to_vec()
            }
            _ => {
                let id = target.trim_start_matches("/images/").trim_end_matches("/json");
                let number = id.trim_start_matches("id").parse().unwrap_or(0);
                let id = image(&[]).id().to_string();
                json_answer(&json!({ "Id": id, "RootFS": { "Layers": layers(images[number]) } }))
            }
        }
    })
}

#[test]
fn only_the_lowest_layers_are_held() {
    let held =
        |layers: &[&str]| daemon_with(&[&["a", "b"], &["a", "c", "d"], &[]]).open().held(&image(layers)).unwrap();
    assert_eq!(held(&["a", "b", "x"]), [true, true, false]);
    assert_eq!(held(&["a", "c", "d", "b"]), [true, true, true, false]);
    assert_eq!(held(&["x", "a", "b"]), [false; 3]);
    assert!(held(&[]).is_empty());
    // Nobody asks on when all is known.
    let played = daemon_with(&[&["a", "b"], &["a"]]);
    assert_eq!(played.open().held(&image(&["a", "b"])).unwrap(), [true; 2]);
    assert_eq!(*played.seen.lock().unwrap(), ["/info", "/images/json?all=1", "/images/app:2/json"]);
}

#[test]
fn an_archive_has_the_layers_that_are_sent() {
    let played = daemon_with(&[&["a"]]);
    let mut engine = played.open();
    assert_eq!(engine.storage_root().unwrap().unwrap(), Path::new("/data"));
    let image = image(&["a", "b"]);
    let mut loading = engine.begin(vec![image.clone()], Path::new("unused")).unwrap();
    loading.begin(&sent(&image.layers[1])).unwrap();
    loading.write(b"b").unwrap();
    loading.finish().unwrap();
    let layer = format!("{}.tar", image.layers[1].diff_id.hex());
    assert_eq!(played.files(), [layer, format!("{}.json", image.id().hex()), "manifest.json".to_owned()]);
    engine.check(&image).unwrap();
    let other = Image { config: b"{}".to_vec(), ..image };
    let error = engine.check(&other).unwrap_err();
    assert!(error.is_damage(), "{error}");
}

#[test]
fn a_wrong_layer_never_reaches_its_end() {
    let played = daemon_with(&[&[]]);
    let image = image(&["a"]);
    let mut loading = played.open().begin(vec![image.clone()], Path::new("unused")).unwrap();
    loading.begin(&sent(&image.layers[0])).unwrap();
    loading.write(b"x").unwrap();
    let error = loading.finish().unwrap_err();
    assert!(matches!(error, EngineError::OtherLayer { .. }), "{error}");
    let loaded = played.loaded.lock().unwrap();
    assert!(!loaded.windows(8).any(|window| window == b"manifest"), "the daemon got the manifest");
}

#[test]
fn a_refusal_is_told_in_the_daemons_words() {
    let refused = b"HTTP/1.1 500 Oops\r\nContent-Length: 34\r\n\r\n{\"message\":\"no space left\\n here\"}".to_vec();
    let printed =
        b"HTTP/1.1 200 OK\r\n\r\n{\"stream\":\"Loading\"}\n{\"errorDetail\":{},\"error\":\"no space left here\"}\n"
            .to_vec();
    for answer in [refused, printed] {
        let played = Played::new(move |target| match target {
            "/info" => json_answer(&json!({})),
            _ => answer.clone(),
        });
        let image = image(&["a"]);
        let mut loading = played.open().begin(vec![image.clone()], Path::new("unused")).unwrap();
        let large = vec![0; 8 << 20];
        let written = loading
            .begin(&Sent { bytes: large.len() as u64, ..sent(&image.layers[0]) })
            .and_then(|()| loading.write(&large));
        // Where the daemon refuses at once, writing fails already.
        let error = match written {
            Ok(()) => {
                loading.finish().unwrap_err();
                let layout = Layout { path_of: layer_path, files: Vec::new() };
                Box::new(Piped::new(EngineKind::Docker, opened(&played), layout)).finish().unwrap_err()
            }
            Err(error) => error,
        };
        assert_eq!(error.to_string(), "docker: no space left here");
    }
}

fn opened(played: &Played) -> Box<dyn crate::piped::Upload> {
    let options = EngineOptions { load_patience: Duration::from_secs(5), ..EngineOptions::default() };
    BySocket::new(&played.folder.path().join("d.sock"), &options).load().unwrap()
}

#[test]
fn nonsense_and_silence_are_told_apart() {
    let ask = |answer: &'static [u8]| Played::new(move |_| answer.to_vec()).open().storage_root().unwrap_err();
    for nonsense in [
        &b"SSH-2.0-OpenSSH_9\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n77",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2\xc3\xa40 OK\r\n\r\n",
    ] {
        let error = ask(nonsense);
        assert!(matches!(error, EngineError::Answer { .. }), "{:?}: {error}", String::from_utf8_lossy(nonsense));
    }
    let error = ask(b"");
    assert!(matches!(error, EngineError::Silent { .. }), "{error}");
    let error = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}");
    assert!(matches!(error, EngineError::Silent { .. } | EngineError::Broken { .. }), "{error}");
    let error = ask(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 17\r\n\r\n{\"message\":\"no\"}\n");
    assert_eq!(error.to_string(), "docker: no");
}

#[test]
fn a_store_of_containerd_gets_the_makers_blobs() {
    let played = Played::new(|target| match target {
        "/info" => json_answer(&json!({ "DriverStatus": [["driver-type", CONTAINERD_STORE]] })),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let mut engine = played.open();
    let image = image(&["a"]);
    assert_eq!((engine.form().unwrap(), engine.held(&image).unwrap()), (Form::Blob, vec![false]));
    let mut loading = engine.begin(vec![image.clone()], Path::new("unused")).unwrap();
    loading.begin(&sent(&image.layers[0])).unwrap();
    loading.write(b"a").unwrap();
    loading.finish().unwrap();
    let files = played.files();
    assert_eq!(files[0], format!("blobs/sha256/{}", image.layers[0].blob.digest.hex()));
    assert_eq!(files[1], format!("blobs/sha256/{}", image.id().hex()));
    assert_eq!(files[3..], ["oci-layout", "index.json"]);
    let loaded = String::from_utf8_lossy(&played.loaded.lock().unwrap()).into_owned();
    assert!(loaded.contains("docker.io/library/app:2"), "{loaded}");
}

#[test]
fn a_daemon_that_answers_byte_by_byte_is_silent() {
    for answer in [&b"HTTP/1.1 200 OK\r\nX: "[..], b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(answer);
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let options = EngineOptions { question_patience: Duration::from_millis(300), ..EngineOptions::default() };
        let error = BySocket::new(&path, &options).info().unwrap_err();
        assert!(matches!(error, EngineError::Silent { .. }), "{error}");
    }
}

#[test]
fn no_wait_lasts_beyond_the_time_of_the_run() {
    let played = Played::new(|_| Vec::new());
    let until = Some(std::time::Instant::now() + Duration::from_millis(300));
    let options = EngineOptions { until, ..EngineOptions::default() };
    let error = BySocket::new(&played.folder.path().join("d.sock"), &options).info().unwrap_err();
    assert!(matches!(error, EngineError::Silent { .. }), "{error}");
}
