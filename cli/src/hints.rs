//! The hints that messages end with. The libraries say what failed, in words that fit any caller. The command line adds
//! the flag or the command that helps, by the kind of the error.
//!
//! A hint continues the library's line, so it begins with a space, a comma or a semicolon. The tests in this file show
//! the whole lines.

use std::borrow::Cow;
use std::error::Error;

use regrow_index::IndexError;
use regrow_store::{BucketProblem, RedirectRefusal};
#[cfg(feature = "publish")]
use regrow_sync::SourceError;
use regrow_sync::{
    EngineError, LocalError, SignError, StoreError, StorePart, StoreProblem, SyncError, SyncWarning, TrustError,
};

/// The hint for an error of a flow.
pub(crate) fn of_error(error: &SyncError) -> Cow<'static, str> {
    Cow::Borrowed(match error {
        SyncError::Store(error) => return of_store(error),
        SyncError::Local(error) => of_local(error),
        SyncError::Index { source, .. } => return of_index(source),
        SyncError::Empty { .. } => "; --force replaces it",
        SyncError::NoStore { .. } | SyncError::StoreNeeded => " with --store",
        SyncError::Damaged { .. } => "; run `regrow verify --store` there, or give another --store",
        SyncError::InUse { .. } => "; --force writes over it anyway",
        SyncError::MountPoint { .. } => "; --in-place writes over it",
        SyncError::NoFile { .. } => "; write a device with --in-place, and a pipe with -",
        SyncError::SmallChunks { needed, .. } => {
            return format!("; if all of them run with --min-avg-size {needed}, give it here too").into();
        }
        SyncError::SeveralForms { .. } => " (--plain)",
        SyncError::PlainUnchecked { .. } => "; sign it and give --key, or leave out --plain",
        SyncError::NoIndexes { .. } => "; give them with --keep",
        SyncError::NothingKept { .. } => " (--keep)",
        SyncError::Untrusted { reason, .. } => return of_trust(reason),
        SyncError::Unsignable { .. } => " (make --format 2)",
        #[cfg(feature = "publish")]
        SyncError::Source { reason, .. } if matches!(**reason, SourceError::Platform { .. }) => " (--platform)",
        SyncError::SeveralImages { .. } => " (--tag)",
        SyncError::Engine(error) => of_engine(error),
        _ => "",
    })
}

fn of_engine(error: &EngineError) -> &'static str {
    match error {
        EngineError::Several { .. } => "; say which one with --engine",
        EngineError::NoneFound => "; give its socket with --socket",
        EngineError::Unreachable { .. } => "; --socket names another one",
        EngineError::Unnamed { .. } => "; give it one with --tag",
        EngineError::Address { .. } => " (--socket)",
        _ => "",
    }
}

fn of_trust(reason: &TrustError) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        TrustError::Digest { .. } => " (--digest)",
        TrustError::Channel { .. } => " (--name)",
        TrustError::OtherChannel { stated, .. } => {
            return format!("; --name \"{stated}\" takes these from now on").into();
        }
        TrustError::Older { .. } => "; --allow-older takes it anyway",
        TrustError::NothingToCheckBy => "; give one with --key or --digest",
        TrustError::Signature(SignError::Untrusted(_)) => "; if one of these keys is right, give it with --key",
        _ => "",
    })
}

fn of_store(error: &StoreError) -> Cow<'static, str> {
    Cow::Borrowed(match error {
        // A missing pack may mean that the store is elsewhere.
        StoreError::NotFound { object, .. } if object.ends_with(".pack") => {
            "; is this the right store? give it with --store"
        }
        StoreError::Denied { object, .. } if object.starts_with("oci") => " with docker login or podman login",
        StoreError::Denied { .. } => " with --header",
        StoreError::Withheld { to, .. } => {
            return format!("; name this one too: --header \"{to}=Name: value\"").into();
        }
        StoreError::Untrusted { .. } => ", with --ca-file",
        StoreError::Slow { .. } => " (--min-rate)",
        StoreError::TimeUp { .. } => " (--max-time)",
        StoreError::Redirected { refusal, .. } => of_redirect(*refusal),
        StoreError::Parameters { .. } => "; leave out --avg-size or use another store",
        StoreError::Occupied { .. } => ", or --new-store to make a store among them",
        StoreError::NoFolder { .. } => " with --store",
        StoreError::Bucket { problem: BucketProblem::Region { region }, .. } => return of_region(region.as_deref()),
        _ => "",
    })
}

fn of_redirect(refusal: RedirectRefusal) -> &'static str {
    match refusal {
        RedirectRefusal::Any => " (--redirects none)",
        RedirectRefusal::OtherOrigin => "; --redirects safe or any allows it",
        RedirectRefusal::Unencrypted | RedirectRefusal::UnencryptedByProxy | RedirectRefusal::Nearer(_) => {
            "; --redirects any allows it"
        }
        _ => "",
    }
}

/// The hint for a bucket that is in this region, or in one that the host does not name.
fn of_region(region: Option<&str>) -> Cow<'static, str> {
    match region {
        Some(region) => format!("; give --region {region}").into(),
        None => "; give its own with --region, or its endpoint with --endpoint".into(),
    }
}

fn of_local(error: &LocalError) -> &'static str {
    match error {
        LocalError::Partial { .. } => "; --allow-partial takes it as it is",
        LocalError::TooManyMembers => " (--patch-level 2)",
        LocalError::TimeUp { .. } => " (--max-time)",
        _ => "",
    }
}

fn of_index(error: &IndexError) -> Cow<'static, str> {
    match error {
        IndexError::SmallChunks { needed, .. } => format!("; --min-avg-size {needed} takes them").into(),
        IndexError::LargeImage { .. } => " (--max-size)".into(),
        _ => "".into(),
    }
}

/// The hint for a warning.
pub(crate) fn of_warning(warning: &(dyn Error + 'static)) -> &'static str {
    match warning.downcast_ref() {
        Some(SyncWarning::StoreUnnamed) => " with --store",
        Some(SyncWarning::MountPoint { .. }) => " (as --in-place does at once, without a copy)",
        Some(SyncWarning::Unprotected { .. }) => " (--key, --digest)",
        Some(SyncWarning::UnnamedImage) => " with --tag",
        Some(SyncWarning::PacksUnlisted | SyncWarning::PacksUnread) => " with --like",
        _ => "",
    }
}

/// The hint for a problem that `regrow verify` finds in a store.
pub(crate) fn of_problem(problem: &StoreProblem) -> &'static str {
    match problem.part {
        StorePart::Patch => "; `regrow patch --replace` makes it again",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use regrow_store::Distrust;
    use regrow_sync::Missing;

    use super::*;

    fn line(error: impl Into<SyncError>) -> String {
        let error = error.into();
        format!("{error}{}", of_error(&error))
    }

    fn path() -> PathBuf {
        "app".into()
    }

    #[test]
    fn registries_have_their_own_logins() {
        let denied = |object: &str| StoreError::Denied { object: object.to_owned(), status: 401 };
        assert_eq!(of_store(&denied("oci://h/s:v1")), " with docker login or podman login");
        assert_eq!(of_store(&denied("https://h/s")), " with --header");
    }

    #[test]
    fn errors_of_stores_end_with_their_flags() {
        let object = || "s".to_owned();
        let redirected = |refusal| StoreError::Redirected { object: object(), to: "http://t".to_owned(), refusal };
        let untrusted = |distrust, proxy| StoreError::Untrusted { object: object(), distrust, proxy };
        let region = |region| StoreError::Bucket {
            object: object(),
            problem: BucketProblem::Region { region },
            reason: "elsewhere".to_owned(),
        };
        let within = Duration::from_secs(60);
        let lines = [
            (
                StoreError::Denied { object: object(), status: 401 },
                "s: access denied (HTTP 401); give credentials with --header",
            ),
            (
                StoreError::Withheld { object: object(), to: "https://t".to_owned(), status: 401 },
                "s: access denied by https://t (HTTP 401), where a redirect leads; the headers went to the first host \
                 only; name this one too: --header \"https://t=Name: value\"",
            ),
            (
                untrusted(Distrust::UnknownIssuer, None),
                "s: the server's certificate is not accepted: its issuer is not known here; give the certificate of the \
                 authority, or a self-signed one itself, with --ca-file",
            ),
            (
                untrusted(Distrust::Authority, Some("http://p".to_owned())),
                "s: the server's certificate (through the proxy http://p) is not accepted: it is an authority's (CA:TRUE) \
                 instead of a server's; make one with CA:FALSE, or give this very certificate, with --ca-file",
            ),
            (
                StoreError::Slow { object: object(), bytes: 9, within },
                "s: only 9 bytes in 60 s of waiting, which is below the lowest rate accepted (--min-rate)",
            ),
            (StoreError::TimeUp { allowed: within }, "the time allowed for this run, 60 s, is over (--max-time)"),
            (
                redirected(RedirectRefusal::Any),
                "s: redirected to http://t, but no redirects are followed (--redirects none)",
            ),
            (
                redirected(RedirectRefusal::OtherOrigin),
                "s: redirected to http://t, which is another origin; --redirects safe or any allows it",
            ),
            (
                redirected(RedirectRefusal::Nearer("an address of this machine")),
                "s: redirected to http://t, an address of this machine, where it may not send readers; --redirects any \
                 allows it",
            ),
            (
                redirected(RedirectRefusal::Downgrade),
                "s: redirected to http://t, from https to http, which is not followed",
            ),
            (
                StoreError::Parameters { store: object(), found: 16384, wanted: 65536 },
                "s: the store has chunks of 16384 bytes on average, not 65536; leave out --avg-size or use another store",
            ),
            (
                StoreError::Occupied { location: object(), found: "notes".to_owned() },
                "s: is not a store, and holds other files (notes); give a folder of its own, or --new-store to make a \
                 store among them",
            ),
            (StoreError::NoFolder { path: path() }, "app: no such folder; give the store with --store"),
            (region(Some("eu-1".to_owned())), "s: elsewhere; give --region eu-1"),
            (region(None), "s: elsewhere; give its own with --region, or its endpoint with --endpoint"),
        ];
        for (error, expected) in lines {
            assert_eq!(line(error), expected);
        }
    }

    #[test]
    fn errors_of_flows_end_with_their_flags() {
        let index = |source| SyncError::Index { location: "app".to_owned(), source };
        let lines = [
            (
                SyncError::Empty { path: path(), bytes: 9 },
                "app: the image has 0 bytes, and the file has 9; it is left as it is; --force replaces it",
            ),
            (
                SyncError::NoStore { location: "app".to_owned() },
                "app: the index does not say where its store is; give one with --store",
            ),
            (SyncError::StoreNeeded, "chunks are missing and no store is known; give one with --store"),
            (
                SyncError::InUse { path: path() },
                "app: the device is mounted or in use otherwise; --force writes over it anyway",
            ),
            (
                SyncError::MountPoint { path: path() },
                "app: something is mounted on this file, so no other can take its place, and none can be made beside it; \
                 --in-place writes over it",
            ),
            (SyncError::NoFile { path: path() }, "app: is no file; write a device with --in-place, and a pipe with -"),
            (
                SyncError::SmallChunks { store: "s".to_owned(), limit: 4096, needed: 1024 },
                "s: machines refuse chunks of less than 4096 bytes on average; if all of them run with --min-avg-size 1024, \
                 give it here too",
            ),
            (SyncError::NoIndexes { places: "s".to_owned() }, "s: there is no index to keep; give them with --keep"),
            (
                SyncError::NothingKept { place: "s".to_owned() },
                "s: there is no index (*.rgx) to keep there; nothing is deleted (--keep)",
            ),
            (
                index(IndexError::SmallChunks { min: 256, avg: 1024, limit: 4096, needed: 1024 }),
                "app: chunks of 1024 bytes on average, 256 at least, are smaller than the 4096 on average that are taken; \
                 --min-avg-size 1024 takes them",
            ),
            (
                index(IndexError::LargeImage { bytes: 9, limit: 8 }),
                "app: the image has 9 bytes, more than the limit of 8 (--max-size)",
            ),
            (
                LocalError::Partial { path: path(), missing: Missing::Everything }.into(),
                "app: is empty; nothing was published; --allow-partial takes it as it is",
            ),
            (
                LocalError::TooManyMembers.into(),
                "the patch that is made: too many compressed files; make one that does not look into them (--patch-level 2)",
            ),
        ];
        for (error, expected) in lines {
            assert_eq!(line(error), expected);
        }
    }

    #[test]
    fn refusals_of_images_end_with_their_flags() {
        let untrusted = |reason| SyncError::Untrusted { location: "app".to_owned(), reason };
        let lines = [
            (
                untrusted(TrustError::OtherChannel { stated: "beta".to_owned(), last: "stable".to_owned() }),
                "app: the image belongs to channel beta, and images from there belonged to channel stable until now; --name \
                 \"beta\" takes these from now on",
            ),
            (
                untrusted(TrustError::Older { stated: String::new(), counter: 6, seen: 7 }),
                "app: the image is older than one that this machine has seen: its counter in no channel is 6, and 7 was \
                 there; --allow-older takes it anyway",
            ),
            (
                untrusted(TrustError::Signature(SignError::Unsigned)),
                "app: images that are not signed by a trusted key are not taken here: it is not signed",
            ),
            (
                SyncError::Unsignable { location: "app".to_owned() },
                "app: an index of version 1 cannot be signed; make the image again in version 2 (make --format 2)",
            ),
        ];
        for (error, expected) in lines {
            assert_eq!(line(error), expected);
        }
    }

    #[test]
    fn warnings_and_problems_end_with_their_flags() {
        assert_eq!(of_warning(&SyncWarning::StoreUnnamed), " with --store");
        assert_eq!(of_warning(&SyncWarning::PacksUnread), " with --like");
        assert_eq!(of_warning(&SyncError::Worker), "");
        let problem = |part| StoreProblem { message: String::new(), part };
        assert_eq!(of_problem(&problem(StorePart::Patch)), "; `regrow patch --replace` makes it again");
        assert_eq!(of_problem(&problem(StorePart::Pack)), "");
    }
}
