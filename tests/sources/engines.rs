//! Images of engines: a Docker daemon that is played here, and storage that is laid out.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use regrow_demo::version_layers;
use serde_json::{Value, json};

use super::{MAKE, TIME, archive_of, digest, image, lay_out, names};
use crate::environment::TestEnvironment;
use crate::storages::split;

/// The configuration and the plain layers of an image.
struct Plain {
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

impl Plain {
    fn new() -> Self {
        let mut layers: Vec<Vec<u8>> = version_layers()[0].iter().map(|layer| layer.tar(TIME)).collect();
        // A layer may be there twice.
        layers.push(layers[0].clone());
        let diff_ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
        let config =
            json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        Self { config: config.to_string().into_bytes(), layers }
    }

    fn id(&self) -> String {
        digest(&self.config).replace("sha256:", "")
    }

    /// The manifest that FORMAT's page on archives gives such an image.
    fn manifest(&self) -> String {
        let describe = |kind: &str, bytes: &[u8]| {
            let kind = format!("application/vnd.oci.image.{kind}");
            format!(r#"{{"mediaType":"{kind}","digest":"{}","size":{}}}"#, digest(bytes), bytes.len())
        };
        let layers: Vec<_> = self.layers.iter().map(|layer| describe("layer.v1.tar", layer)).collect();
        let (config, layers) = (describe("config.v1+json", &self.config), layers.join(","));
        let kind = "application/vnd.oci.image.manifest.v1+json";
        format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{config},"layers":[{layers}]}}"#)
    }

    /// What `docker save` gives before version 25. The last layer is a link to the first.
    fn saved(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, bytes).unwrap();
        };
        let names: Vec<String> = (0..self.layers.len()).map(|number| format!("{number}/layer.tar")).collect();
        for (name, layer) in names.iter().zip(&self.layers).take(2) {
            add(name, layer);
        }
        let config = format!("{}.json", self.id());
        add(&config, &self.config);
        let list = json!([{"Config": config, "RepoTags": ["app:2"], "Layers": names}]);
        add("manifest.json", list.to_string().as_bytes());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, &names[2], "../0/layer.tar").unwrap();
        tar.into_inner().unwrap()
    }

    /// Lays the image out as Podman does.
    fn store(&self, env: &TestEnvironment, root: &str) {
        let (mut listed, mut parent) = (Vec::new(), String::new());
        for (number, layer) in self.layers.iter().enumerate() {
            let id = format!("layer{number}");
            let described = split(env, layer, &format!("{root}/overlay/{id}/diff"));
            env.write(&format!("{root}/overlay-layers/{id}.tar-split.gz"), &described);
            listed.push(json!({"id": id, "parent": parent, "diff-digest": digest(layer)}));
            parent = id;
        }
        env.write(&format!("{root}/overlay-layers/layers.json"), Value::from(listed).to_string().as_bytes());
        let images = json!([{"id": self.id(), "names": ["localhost/app:2"], "layer": parent}]);
        env.write(&format!("{root}/overlay-images/images.json"), images.to_string().as_bytes());
        let mut key = String::from("=");
        for group in format!("sha256:{}", self.id()).as_bytes().chunks(3) {
            const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
            key.extend((0..4).map(|place| match place <= group.len() {
                true => DIGITS[(bits >> (18 - 6 * place) & 63) as usize] as char,
                false => '=',
            }));
        }
        env.write(&format!("{root}/overlay-images/{}/{key}", self.id()), &self.config);
    }
}

/// A daemon that has one image.
struct Daemon {
    id: String,
    archive: Vec<u8>,
    /// Whether it breaks off in the middle of the image.
    breaks_off: bool,
}

impl Daemon {
    /// Listens at `docker.sock` until the test ends.
    fn listen(self, env: &TestEnvironment) -> String {
        let path = env.path("docker.sock");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = Arc::new(self);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let daemon = Arc::clone(&daemon);
                std::thread::spawn(move || daemon.serve(stream.unwrap()));
            }
        });
        format!("unix://{}", path.display())
    }

    fn serve(&self, stream: UnixStream) {
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
            let out = reader.get_mut();
            let target = lines[0].split(' ').nth(1).unwrap().to_owned();
            let known = ["/images/app:2/", &format!("/images/{}/", self.id)];
            let sent = if !known.iter().any(|known| target.starts_with(known)) {
                let body = r#"{"message":"No such image"}"#;
                write!(out, "HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            } else if target.ends_with("/json") {
                let body = json!({"Id": self.id, "Size": self.archive.len()}).to_string();
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            } else {
                self.send(out)
            };
            if sent.is_err() || (target.ends_with("/get") && self.breaks_off) {
                return;
            }
        }
    }

    fn send(&self, out: &mut UnixStream) -> std::io::Result<()> {
        write!(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for (number, chunk) in self.archive.chunks(50_000).enumerate() {
            if self.breaks_off && number == 5 {
                return Ok(());
            }
            write!(out, "{:x}\r\n", chunk.len())?;
            out.write_all(chunk)?;
            out.write_all(b"\r\n")?;
        }
        out.write_all(b"0\r\n\r\n")
    }
}

/// Makes an image of the daemon at an address, and returns the archive.
fn archive_of_daemon(env: &TestEnvironment, address: &str, name: &str) -> Vec<u8> {
    let arguments = format!("{MAKE} image.rgx docker-daemon:{name}");
    let mut command = env.command(&arguments);
    crate::environment::Outcome::of(command.env("DOCKER_HOST", address)).success();
    env.run("extract image.rgx out").success();
    let archive = env.read("out");
    env.remove("out");
    archive
}

#[test]
fn engines_with_the_same_image_give_the_same_archive() {
    let (env, plain) = (TestEnvironment::new(), Plain::new());
    let id = format!("sha256:{}", plain.id());
    let address = Daemon { id: id.clone(), archive: plain.saved(), breaks_off: false }.listen(&env);
    let archive = archive_of_daemon(&env, &address, "app:2");
    assert!(archive_of_daemon(&env, &address, &id) == archive);
    let manifest = plain.manifest();
    let name = |bytes: &[u8]| format!("blobs/{}", digest(bytes).replace(':', "/"));
    let blobs = [manifest.as_bytes(), &plain.config, &plain.layers[0], &plain.layers[1]].map(name);
    assert_eq!(names(&archive)[3..], blobs);
    plain.store(&env, "storage");
    let storage = env.path("storage").display().to_string();
    for named in ["app:2", "localhost/app:2", &plain.id()[..12]] {
        let (report, other) = archive_of(&env, &format!("containers-storage:{storage}/{named}"));
        assert!(other == archive, "{named}");
        assert_eq!(report["source_digest"], digest(manifest.as_bytes()));
    }
}

#[test]
fn a_daemon_with_the_makers_blobs_gives_the_makers_manifest() {
    let env = TestEnvironment::new();
    let blobs = image("amd64", &Plain::new().layers);
    lay_out(&env, "layout", &blobs, "1");
    let (report, archive) = archive_of(&env, "oci:layout:1");
    let id = report["source_digest"].as_str().unwrap().to_owned();
    // The daemon gives an OCI layout, with a list for older readers.
    let address = Daemon { id, archive: archive.clone(), breaks_off: false }.listen(&env);
    assert!(archive_of_daemon(&env, &address, "app:2") == archive);
}

#[test]
fn an_image_that_an_engine_does_not_give_is_not_published() {
    let (env, plain) = (TestEnvironment::new(), Plain::new());
    let id = format!("sha256:{}", plain.id());
    let run = |address: &str, name: &str| {
        let mut command = env.command(&format!("{MAKE} image.rgx docker-daemon:{name}"));
        crate::environment::Outcome::of(command.env("DOCKER_HOST", address))
    };
    let address = Daemon { id: id.clone(), archive: plain.saved(), breaks_off: false }.listen(&env);
    run(&address, "other").failure(4, "docker-daemon:other: there is no such image");
    run(&address, "a/../b").failure(2, "is no name of an image");
    let address = Daemon { id: id.clone(), archive: plain.saved(), breaks_off: true }.listen(&env);
    run(&address, "app:2").failure(4, "docker: ");
    let other = format!("sha256:{}", "0".repeat(64));
    let address = Daemon { id: other, archive: plain.saved(), breaks_off: false }.listen(&env);
    run(&address, "app:2").failure(3, "it does not hold sha256:000");
    run(&format!("unix://{}", env.path("none.sock").display()), "app:2").failure(4, "is it running?");
    run("tcp://127.0.0.1:1", "app:2").failure(2, "is no address of a Unix socket");
    plain.store(&env, "storage");
    let storage = env.path("storage").display().to_string();
    let make = |name: &str| env.run(&format!("{MAKE} image.rgx containers-storage:{storage}/{name}"));
    make("other").failure(4, "there is no such image; there are: localhost/app:2");
    let mut files = env.files("storage/overlay/layer1");
    files.retain(|file| env.read(file).len() > 1000);
    env.write(&files[0], b"changed");
    make("app:2").failure(3, "nothing was published");
    env.remove("storage/overlay-layers/layer0.tar-split.gz");
    make("app:2").failure(2, "layer0.tar-split.gz");
    assert!(!env.exists("image.rgx"));
}
