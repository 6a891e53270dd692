//! The arguments for signing.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueHint};
use regrow_sync::{ClaimChanges, Counter, Timestamp};

use crate::failure::{Code, Failure};

/// The variable that may hold the password of a key.
const PASSWORD: &str = "REGROW_KEY_PASSWORD";
const DAY: Duration = Duration::from_secs(86_400);

/// What is claimed about an image.
#[derive(Debug, Args)]
pub(crate) struct ClaimArgs {
    /// The channel that the image belongs to, such as example.org/app/stable
    #[arg(long, value_name = "NAME")]
    pub(crate) channel: Option<String>,
    /// The number by which machines know which of two images of a channel is newer; auto: the time in seconds
    #[arg(long, value_name = "N|auto", value_parser = counter)]
    pub(crate) counter: Option<Counter>,
    /// When machines stop taking the image: in this many days, or at the end of this day (UTC); never
    #[arg(long, value_name = "DAYS|DATE", value_parser = expiry)]
    pub(crate) expires: Option<Expiry>,
}

/// The time of expiry as it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    Never,
    After(Duration),
    At(Timestamp),
}

fn counter(text: &str) -> Result<Counter, &'static str> {
    match text {
        "auto" => Ok(Counter::Auto),
        number => number.parse().map(Counter::Number).map_err(|_| "give a whole number or auto"),
    }
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    match text.parse::<u32>() {
        Ok(0) => Err("give a number of days from 1 on".to_owned()),
        Ok(days) => Ok(Expiry::After(DAY * days)),
        Err(_) => {
            text.parse().map(Expiry::At).map_err(|error: regrow_sync::NotADate| format!("{error}, or a number of days"))
        }
    }
}

impl ClaimArgs {
    /// The changes, from now on.
    pub(crate) fn changes(&self) -> ClaimChanges {
        let now = Timestamp::of(SystemTime::now());
        let expires_at = self.expires.map(|expiry| match expiry {
            Expiry::Never => Timestamp(0),
            Expiry::After(time) => now.after(time),
            Expiry::At(time) => time,
        });
        ClaimChanges { channel: self.channel.clone(), counter: self.counter, expires_at, now }
    }
}

/// Where the password of a key comes from.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// The file whose first line is the password of an encrypted key [default: REGROW_KEY_PASSWORD]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// The password, if there is one.
    pub(crate) fn password(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.password_file else {
            return Ok(std::env::var(PASSWORD).ok().filter(|password| !password.is_empty()));
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(Code::General, format!("{}: {error}", path.display())))?;
        let password = text.lines().next().unwrap_or_default().to_owned();
        if password.is_empty() {
            return Err(Failure::new(Code::Usage, format!("{}: the first line is empty", path.display())));
        }
        Ok(Some(password))
    }
}
