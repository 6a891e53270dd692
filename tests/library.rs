//! The same checks through the public API of `regrow-sync`.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use regrow_store::RetryPolicy;
use regrow_sync::{
    ExtractOptions, ExtractReport, HttpOptions, Location, MakeOptions, Network, NoProgress, Output, Params, SyncError,
    extract, make,
};

use crate::environment::{TestEnvironment, small_chunks};
use crate::server::Server;
use regrow_demo::{kinds, versions};

/// A pipe that keeps its bytes.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn make_image(env: &TestEnvironment, name: &str, mut image: &[u8]) {
    let mut options = MakeOptions::new(env.path("store"), env.path(&format!("{name}.rgx")));
    options.params = Some(Params::with_average(1024).unwrap());
    options.pack_bytes = 100_000;
    options.allow_partial = true;
    let (bytes, digest) = (image.len() as u64, blake3::hash(image).to_string());
    let mut network =
        small_chunks(Network::new(HttpOptions::default(), RetryPolicy::default(), env.path("scratch")).unwrap());
    let report = make(&mut image, Path::new(name), None, &options, &mut network, &NoProgress).unwrap();
    assert_eq!((report.image_bytes, report.image_digest), (bytes, digest));
}

fn run(
    env: &TestEnvironment,
    index: &str,
    output: Output,
    options: &ExtractOptions,
) -> Result<ExtractReport, SyncError> {
    let mut network =
        small_chunks(Network::new(HttpOptions::default(), RetryPolicy::default(), env.path("scratch")).unwrap());
    extract(&Location::parse(index).unwrap(), output, options, &mut network, &NoProgress)
}

#[test]
fn every_kind_by_the_library() {
    for (name, image) in kinds() {
        let env = TestEnvironment::new();
        make_image(&env, name, &image);
        let index = env.path(&format!("{name}.rgx")).display().to_string();
        let options = ExtractOptions::default();
        let report = run(&env, &index, Output::File(env.path("out")), &options).unwrap();
        assert!(env.read("out") == image, "{name}");
        assert_eq!(report.image_digest, blake3::hash(&image).to_string());
        let pipe = Kept::default();
        run(&env, &index, Output::Pipe(Box::new(pipe.clone())), &options).unwrap();
        assert!(*pipe.0.lock().unwrap() == image, "{name} through a pipe");
    }
}

#[test]
fn an_update_by_the_library() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    make_image(&env, "new", &new);
    let server = Server::new(env.root());
    let seeds = vec![env.write("old", &old)];
    let options = ExtractOptions { seeds, ..ExtractOptions::default() };
    let report = run(&env, &server.url("new.rgx"), Output::File(env.path("out")), &options).unwrap();
    assert!(env.read("out") == new);
    assert_eq!((report.bytes_fetched, report.requests), (server.body_bytes(), server.request_count()));
    assert!(report.chunks_seed > report.chunks_store, "{report:?}");
}

#[test]
fn errors_are_told_by_cause() {
    let env = TestEnvironment::new();
    make_image(&env, "image", &[1; 1000]);
    let error = |index: &str| run(&env, index, Output::File(env.path("out")), &ExtractOptions::default()).unwrap_err();
    let absent = env.path("absent.rgx").display().to_string();
    assert!(matches!(error(&absent), SyncError::Io { .. } | SyncError::Store(_)), "{:?}", error(&absent));
    let no_index = env.write("no-index", b"text").display().to_string();
    assert!(matches!(error(&no_index), SyncError::Index { .. }), "{:?}", error(&no_index));
    assert!(Location::parse("ftp://host/x").is_err());
    let server = Server::new(env.root());
    assert!(matches!(error(&server.url("absent.rgx")), SyncError::Store(_)));
}
