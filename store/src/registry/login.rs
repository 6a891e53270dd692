//! Logins at registries, as Docker and Podman keep them: in files, or with helpers that are asked for them.

use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::login_files::Files;
use super::{RegistryLogins, RegistryUrl};
use crate::StoreError;
use crate::folder::blocking;

/// The largest answer of a helper.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// A login at a registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Password {
        user: String,
        password: String,
    },
    /// A token that a server of tokens takes in place of a password.
    Identity(String),
    /// A token that the registry itself takes.
    Token(String),
}

impl Login {
    /// The login of a user. The name `<token>` says that the secret is an identity token.
    pub(super) fn of(user: String, password: String) -> Self {
        if user == "<token>" { Self::Identity(password) } else { Self::Password { user, password } }
    }
}

/// Looks for the login at a registry.
pub(super) async fn find_login(logins: &RegistryLogins, url: &RegistryUrl) -> Result<Option<Login>, StoreError> {
    let files = match logins {
        RegistryLogins::Ambient => Files::ambient(),
        RegistryLogins::Files(paths) => Files::of(paths.clone()),
        RegistryLogins::Password { user, password } => return Ok(Some(Login::of(user.clone(), password.clone()))),
        RegistryLogins::Anonymous => return Ok(None),
    };
    let url = url.clone();
    blocking(move || files.find(&url)).await
}

/// Asks the credential helper of this name for the login at a server. The result is `None` if it has none.
pub(super) fn ask_helper(name: &str, server: &str) -> Result<Option<Login>, StoreError> {
    let program = format!("docker-credential-{name}");
    let failed = |reason: String| StoreError::InvalidOption { option: program.escape_debug().to_string(), reason };
    // The name becomes a part of a program's name, so it must not lead elsewhere.
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(failed("not the name of a credential helper".to_owned()));
    }
    let run = || {
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A helper that does not read its input may end before.
            let _ = input.write_all(server.as_bytes());
        }
        let mut answer = Vec::new();
        if let Some(output) = child.stdout.take() {
            output.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        }
        Ok::<_, std::io::Error>((child.wait()?, answer))
    };
    let (status, answer) = run().map_err(|error| match error.kind() {
        ErrorKind::NotFound => failed("no such credential helper in PATH; install it, or log in without it".to_owned()),
        _ => failed(error.to_string()),
    })?;
    if !status.success() {
        let is_absent = String::from_utf8_lossy(&answer).contains("credentials not found");
        return if is_absent { Ok(None) } else { Err(failed(format!("the credential helper failed: {status}"))) };
    }
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| failed("its answer is not JSON".to_owned()))?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (user, secret) = (text("Username"), text("Secret"));
    Ok((!secret.is_empty()).then(|| Login::of(user, secret)))
}
