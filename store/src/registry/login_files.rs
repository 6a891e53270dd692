//! The files in which Docker and Podman keep logins: `config.json` and `auth.json`, which have the same form.

use std::env::var_os;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::RegistryUrl;
use super::login::{Login, ask_helper};
use crate::StoreError;

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Docker Hub's name in these files.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// The files that are looked at, in this order. The first that has a login counts.
pub(super) struct Files(Vec<PathBuf>);

impl Files {
    pub(super) fn of(paths: Vec<PathBuf>) -> Self {
        Self(paths)
    }

    /// The files at which Docker's and Podman's own tools look.
    pub(super) fn ambient() -> Self {
        let folder = |name: &str| var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = folder("REGISTRY_AUTH_FILE") {
            return Self(vec![path]);
        }
        let home = folder("HOME");
        let config = folder("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        let docker = folder("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
        let podman = [folder("XDG_RUNTIME_DIR"), config].map(|folder| Some(folder?.join("containers/auth.json")));
        let docker = docker.map(|folder| folder.join("config.json"));
        // A folder that was named comes before files that may be there by chance.
        let is_named = var_os("DOCKER_CONFIG").is_some();
        let first = docker.clone().filter(|_| is_named);
        let last = docker.filter(|_| !is_named);
        Self([first].into_iter().chain(podman).chain([last]).flatten().collect())
    }

    /// The login for a repository.
    pub(super) fn find(&self, url: &RegistryUrl) -> Result<Option<Login>, StoreError> {
        for path in &self.0 {
            let Some(file) = read(path)? else { continue };
            if let Some(login) = find_in(&file, url).map_err(|reason| unusable(path, reason))?? {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }
}

fn unusable(path: &Path, reason: &str) -> StoreError {
    StoreError::InvalidOption { option: format!("logins in {}", path.display()), reason: reason.to_owned() }
}

fn read(path: &Path) -> Result<Option<Value>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(path)(error)),
    };
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut text).map_err(StoreError::io(path))?;
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&text).map(Some).map_err(|_| unusable(path, "the file is not JSON"))
}

/// The login in a file: by the helper for this very registry, from the file itself, or by the helper for all.
fn find_in(file: &Value, url: &RegistryUrl) -> Result<Result<Option<Login>, StoreError>, &'static str> {
    let hosts: &[&str] = match url.host.as_str() {
        "docker.io" => &["docker.io", "index.docker.io", "registry-1.docker.io"],
        host => &[host],
    };
    let server = if url.host == "docker.io" { HUB_SERVER } else { &url.host };
    let text = |key: &str| file.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let helpers = file.get("credHelpers").and_then(Value::as_object);
    let helper = helpers.into_iter().flatten().find(|(key, _)| hosts.contains(&host_of(key)));
    if let Some(name) = helper.and_then(|(_, name)| name.as_str()) {
        return Ok(ask_helper(name, server));
    }
    let auths = file.get("auths").and_then(Value::as_object);
    // Podman keeps logins for parts of a registry. The longest name that fits counts.
    let fitting = auths.into_iter().flatten().filter(|(key, _)| fits(key, hosts, &url.repository));
    if let Some((_, entry)) = fitting.max_by_key(|(key, _)| key.trim_start_matches("https://").len())
        && let Some(login) = of_entry(entry)?
    {
        return Ok(Ok(Some(login)));
    }
    Ok(text("credsStore").map_or(Ok(None), |name| ask_helper(name, server)))
}

/// A key without its scheme.
fn bare(key: &str) -> &str {
    key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key).trim_end_matches('/')
}

fn host_of(key: &str) -> &str {
    bare(key).split('/').next().unwrap_or_default()
}

/// Whether a key names the registry, or a part of it in which the repository lies.
fn fits(key: &str, hosts: &[&str], repository: &str) -> bool {
    if !hosts.contains(&host_of(key)) {
        return false;
    }
    let part = bare(key).split_once('/').map_or("", |(_, part)| part);
    // The version of the protocol is no part of a registry.
    let rest = repository.strip_prefix(part);
    matches!(part, "" | "v1" | "v2") || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn of_entry(entry: &Value) -> Result<Option<Login>, &'static str> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Login::Token(token)));
    }
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Login::Identity(token)));
    }
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Ok(Some(Login::of(user, password)));
    }
    let Some(auth) = text("auth") else { return Ok(None) };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let plain = GeneralPurpose::new(&alphabet::STANDARD, config).decode(auth.trim()).ok();
    let plain = plain.and_then(|plain| String::from_utf8(plain).ok());
    let (user, password) = plain.as_deref().and_then(|plain| plain.split_once(':')).ok_or("a login is malformed")?;
    Ok(Some(Login::of(user.to_owned(), password.trim_end_matches('\0').to_owned())))
}
