//! Those attacks that The Update Framework lists and that need no host, and what the state folder keeps. The others are
//! in tests/trust.rs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use regrow_chunker::{Params, UnitId};
use regrow_index::StatedUnit;
use regrow_sign::{SecretKey, SignError};

use super::*;
use crate::Stage;

const DAY: u64 = 86_400;
/// A time after the release of this version.
const NOW: u64 = RELEASED.0 + 100 * DAY;
/// An image of more than 4 GiB.
const IMAGE_BYTES: u64 = (5 << 30) + 1;

/// Keeps warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Progress for Warnings {
    fn add(&self, _: Stage, _: u64) {}

    fn warn(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

impl Warnings {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn key() -> SecretKey {
    SecretKey::generate(None).unwrap().0
}

fn claims(channel: &str, counter: u64) -> Claims {
    Claims { channel: channel.to_owned(), counter, signed_at: NOW - DAY, expires_at: NOW + 30 * DAY }
}

fn stated_by(claims: Claims, signers: &[&SecretKey]) -> Stated {
    let wrapper = StatedUnit { id: UnitId::from_bytes([3; 32]), skeleton_bytes: 20, contents_bytes: IMAGE_BYTES };
    let statement = Statement {
        claims,
        image_bytes: IMAGE_BYTES,
        image_digest: [1; 32],
        image_sha256: [2; 32],
        plain_bytes: IMAGE_BYTES,
        walk_version: 3,
        params: Params::default(),
        wrapper,
        parts: Vec::new(),
    };
    let signatures = signers.iter().map(|key| key.sign(&statement.encode())).collect();
    let mut signed = Signed::of(&statement, &[]);
    signed.signatures = signatures;
    Stated { digest: statement.image_digest, signed: Some(signed) }
}

fn trust(keys: &[&SecretKey], state: &Path) -> Trust {
    Trust {
        keys: Keys::new(keys.iter().map(|key| key.public()).collect()).unwrap(),
        state: Some(state.to_owned()),
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(NOW),
        ..Trust::default()
    }
}

fn url() -> Location {
    Location::Url("https://host/app.rgx?token=1".to_owned())
}

/// Checks without a warning.
#[track_caller]
fn check(trust: &Trust, stated: &Stated) -> Result<Accepted, TrustError> {
    let warnings = Warnings::default();
    let checked = trust.check(&url(), stated, &warnings).map_err(|error| match error {
        SyncError::Untrusted { location, reason } => {
            assert_eq!(location, "https://host/app.rgx");
            assert_eq!(reason.to_string().lines().count(), 1);
            reason
        }
        other => panic!("{other}"),
    });
    assert_eq!(warnings.take(), [""; 0]);
    checked
}

/// Checks and remembers.
#[track_caller]
fn accept(trust: &Trust, stated: &Stated) {
    let warnings = Warnings::default();
    check(trust, stated).unwrap().remember(&warnings);
    assert_eq!(warnings.take(), [""; 0]);
}

#[test]
fn an_arbitrary_image_is_refused() {
    let (folder, ours, theirs) = (tempfile::tempdir().unwrap(), key(), key());
    let trust = trust(&[&ours], folder.path());
    let refusal = |signers: &[&SecretKey]| check(&trust, &stated_by(claims("stable", 1), signers)).unwrap_err();
    assert_eq!(refusal(&[]), TrustError::Signature(SignError::Unsigned));
    let id = theirs.public().id().to_string();
    assert_eq!(refusal(&[&theirs]), TrustError::Signature(SignError::Untrusted(id)));
    let mut forged = stated_by(claims("stable", 1), &[&ours]);
    let signed = forged.signed.as_mut().unwrap();
    // The image's size, which follows the channel, the counter and two times.
    signed.statement[28 + 7 + 1 + 5 + 5] ^= 1;
    assert_eq!(check(&trust, &forged).unwrap_err(), TrustError::Signature(SignError::Wrong(ours.public().id())));
    let version_1 = Stated { digest: [1; 32], signed: None };
    assert_eq!(check(&trust, &version_1).unwrap_err(), TrustError::Version1);
    assert_eq!(check(&trust, &stated_by(claims("stable", 1), &[&theirs, &ours])).unwrap().signers, 1);
}

#[test]
fn an_image_is_pinned_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let version_1 = |byte| Stated { digest: [byte; 32], signed: None };
    let pinned = Trust { digest: Some([1; 32]), ..trust(&[], folder.path()) };
    assert!(pinned.checks() && !Trust::default().checks());
    check(&pinned, &version_1(1)).unwrap();
    assert!(matches!(check(&pinned, &version_1(2)).unwrap_err(), TrustError::Digest { .. }));
    let ours = key();
    let both = Trust { digest: Some([1; 32]), ..trust(&[&ours], folder.path()) };
    assert_eq!(check(&both, &version_1(1)).unwrap_err(), TrustError::Version1);
    check(&both, &stated_by(claims("", 0), &[&ours])).unwrap();
}

#[test]
fn fewer_keys_than_the_threshold_are_no_use_to_a_thief() {
    let (folder, first, second, third) = (tempfile::tempdir().unwrap(), key(), key(), key());
    let trust = Trust { threshold: 2, ..trust(&[&first, &second, &third], folder.path()) };
    let check = |signers: &[&SecretKey]| check(&trust, &stated_by(claims("stable", 1), signers));
    let too_few = TrustError::Signature(SignError::TooFew { signers: 1, threshold: 2 });
    assert_eq!(check(&[&second]).unwrap_err(), too_few);
    assert_eq!(check(&[&second, &second, &second]).unwrap_err(), too_few, "a key counts once");
    assert_eq!(check(&[&second, &key()]).unwrap_err(), too_few);
    assert_eq!(check(&[&third, &first]).unwrap().signers, 2);
}

#[test]
fn a_rollback_is_refused() {
    let (folder, ours) = (tempfile::tempdir().unwrap(), key());
    let trust = trust(&[&ours], &folder.path().join("deep/state"));
    let image = |counter| stated_by(claims("stable", counter), &[&ours]);
    accept(&trust, &image(7));
    accept(&trust, &image(7));
    let older = |counter| TrustError::Older { stated: "stable".into(), counter, seen: 7 };
    assert_eq!(check(&trust, &image(6)).unwrap_err(), older(6));
    assert_eq!(check(&trust, &image(0)).unwrap_err(), older(0), "nor is one without a counter taken");
    // A mirror does not help, nor another query.
    let elsewhere = Location::Url("https://mirror/app.rgx".to_owned());
    assert!(trust.check(&elsewhere, &image(6), &Warnings::default()).is_err());
    assert!(trust.check(&elsewhere, &image(8), &Warnings::default()).is_ok());
    // Whoever insists gets it, and it counts from then on.
    let insists = Trust { allow_older: true, ..trust.clone() };
    accept(&insists, &image(6));
    accept(&trust, &image(6));
    assert_eq!(
        check(&trust, &image(5)).unwrap_err(),
        TrustError::Older { stated: "stable".into(), counter: 5, seen: 6 }
    );
}

#[test]
fn a_fast_forward_needs_the_key_and_is_undone_by_hand() {
    let (folder, ours, theirs) = (tempfile::tempdir().unwrap(), key(), key());
    let trust = trust(&[&ours], folder.path());
    accept(&trust, &stated_by(claims("stable", 7), &[&ours]));
    // What is not accepted leaves no trace.
    assert!(check(&trust, &stated_by(claims("stable", u64::MAX), &[&theirs])).is_err());
    accept(&trust, &stated_by(claims("stable", 8), &[&ours]));
    // What somebody with the key did can be undone.
    accept(&trust, &stated_by(claims("stable", u64::MAX), &[&ours]));
    assert!(check(&trust, &stated_by(claims("stable", 9), &[&ours])).is_err());
    accept(&Trust { allow_older: true, ..trust.clone() }, &stated_by(claims("stable", 9), &[&ours]));
    accept(&trust, &stated_by(claims("stable", 10), &[&ours]));
}

#[test]
fn a_freeze_ends_when_the_statement_expires() {
    let (folder, ours) = (tempfile::tempdir().unwrap(), key());
    let trust = trust(&[&ours], folder.path());
    let image = |expires_at| stated_by(Claims { expires_at, ..claims("stable", 1) }, &[&ours]);
    check(&trust, &image(NOW)).unwrap();
    check(&trust, &image(0)).unwrap();
    let expired = check(&trust, &image(NOW - 1)).unwrap_err();
    assert_eq!(expired, TrustError::Expired { at: Timestamp(NOW - 1) });
    // A clock that cannot be right decides nothing, but says so.
    for now in [0, RELEASED.0 - 1, NOW - 2 * DAY - 1] {
        let early = Trust { now: SystemTime::UNIX_EPOCH + Duration::from_secs(now), ..trust.clone() };
        let warnings = Warnings::default();
        assert!(early.check(&url(), &image(1), &warnings).is_ok(), "{now}");
        assert!(warnings.take()[0].contains("too early to be right"));
        assert!(early.check(&url(), &image(0), &warnings).is_ok(), "{now}");
        assert_eq!(warnings.take(), [""; 0], "without an expiry, the time does not matter");
    }
    let a_little_behind = Trust { now: SystemTime::UNIX_EPOCH + Duration::from_secs(NOW - 2 * DAY + 1), ..trust };
    check(&a_little_behind, &image(NOW)).unwrap();
}

#[test]
fn images_of_different_channels_are_not_mixed() {
    let (folder, ours) = (tempfile::tempdir().unwrap(), key());
    let trust = trust(&[&ours], folder.path());
    let image = |channel: &str| stated_by(claims(channel, 1), &[&ours]);
    accept(&trust, &image(""));
    accept(&trust, &image("stable"));
    let other = |stated: &str| TrustError::OtherChannel { stated: stated.into(), last: "stable".into() };
    assert_eq!(check(&trust, &image("beta")).unwrap_err(), other("beta"));
    assert_eq!(check(&trust, &image("")).unwrap_err(), other(""));
    let asked = |channel: &str| Trust { channel: Some(channel.to_owned()), ..trust.clone() };
    let wanted = TrustError::Channel { stated: "beta".into(), wanted: "stable".into() };
    assert_eq!(check(&asked("stable"), &image("beta")).unwrap_err(), wanted);
    // Whoever names another channel moves to it.
    accept(&asked("beta"), &image("beta"));
    accept(&trust, &image("beta"));
    assert!(check(&trust, &image("stable")).is_err());
    // Without keys, the name guards against a mistake.
    let unsigned = Trust { keys: Keys::default(), ..asked("stable") };
    assert!(check(&unsigned, &image("beta")).is_err());
    check(&unsigned, &image("stable")).unwrap();
}

#[test]
fn a_state_that_others_could_have_written_is_not_used() {
    let (folder, ours) = (tempfile::tempdir().unwrap(), key());
    let state = folder.path().join("state");
    let trust = trust(&[&ours], &state);
    let image = |counter| stated_by(claims("stable", counter), &[&ours]);
    accept(&trust, &image(7));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let files: Vec<_> = state.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!((mode(&state), files.len()), (0o700, 2), "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600));
    for file in &files {
        std::fs::write(file, b"{").unwrap();
    }
    let warnings = Warnings::default();
    trust.check(&url(), &image(6), &warnings).unwrap().remember(&warnings);
    let said = warnings.take();
    assert!(said.len() == 2 && said.iter().all(|line| line.contains("is damaged")), "{said:?}");
    accept(&trust, &image(6));
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    trust.check(&url(), &image(5), &warnings).unwrap().remember(&warnings);
    let said = warnings.take();
    assert!(said.len() == 1 && said[0].contains("will not be noticed"), "{said:?}");
    // The folder cannot be made.
    let nowhere = Trust { state: Some(files[0].join("state")), ..trust };
    nowhere.check(&url(), &image(5), &warnings).unwrap().remember(&warnings);
    let said = warnings.take();
    assert!(said.len() == 1 && said[0].contains("will not be noticed"), "{said:?}");
}

#[test]
fn keys_of_a_folder_are_roots() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("keys.d");
    assert_eq!(keys_in(&folder).unwrap(), []);
    // A link says that there should be keys.
    std::os::unix::fs::symlink("nowhere", root.path().join("linked")).unwrap();
    for folder in ["linked", "linked/keys.d"] {
        assert!(matches!(keys_in(&root.path().join(folder)), Err(SyncError::Io { .. })), "{folder}");
    }
    let (minisign, pem) = (key().public(), key().public());
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.pub"), minisign.to_minisign()).unwrap();
    std::fs::write(folder.join("b.pem"), pem.to_pem()).unwrap();
    std::fs::write(folder.join("README"), b"no key").unwrap();
    if !rustix::process::geteuid().is_root() {
        assert!(matches!(keys_in(&folder), Err(SyncError::OpenKeys { .. })));
        return;
    }
    // A key in PEM has the id that follows from its bytes.
    let pem = regrow_sign::PublicKey::of_bytes(*pem.bytes());
    assert_eq!(keys_in(&folder).unwrap(), [minisign, pem]);
    let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for (path, mode) in [(root.path().to_owned(), 0o700), (folder.clone(), 0o755), (folder.join("a.pub"), 0o644)] {
        open(&path, mode | 0o002);
        assert!(matches!(keys_in(&folder), Err(SyncError::OpenKeys { path: named }) if named == path));
        open(&path, mode);
    }
    std::fs::write(folder.join("c.pub"), b"no key").unwrap();
    assert!(matches!(keys_in(&folder), Err(SyncError::Key { path, .. }) if path == folder.join("c.pub")));
}

#[test]
fn plain_connections_to_other_machines_are_known() {
    for (url, is_plain) in [
        ("http://host/app.rgx", true),
        ("HTTP://10.0.0.1:8080/app.rgx", true),
        ("http://user:127.0.0.1@host/", true),
        ("http://[fe80::1]:80/app.rgx", true),
        ("http://127.0.0.1.example/", true),
        ("https://host/app.rgx", false),
        ("http://localhost:8080/app.rgx", false),
        ("http://127.1.2.3/app.rgx", false),
        ("http://[::1]:8080/app.rgx", false),
        ("oci+http://host:5000/app:1", true),
        ("oci://host/app:1", false),
        ("oci://127.0.0.1:5000/app:1", false),
        ("/srv/http://host", false),
    ] {
        assert_eq!(plain_host_elsewhere(&Location::parse(url).unwrap()).is_some(), is_plain, "{url}");
    }
}

#[test]
fn the_time_of_the_sources_counts_if_a_build_knows_it() {
    assert_eq!(released(None), LAST_RELEASE);
    for (text, expected) in [
        ("1895910400", 1_895_910_400),
        ("0", LAST_RELEASE),
        ("99999999999999", LAST_RELEASE),
        ("-1", LAST_RELEASE),
        ("", LAST_RELEASE),
        ("today", LAST_RELEASE),
    ] {
        assert_eq!(released(Some(text)), expected, "{text}");
    }
}
