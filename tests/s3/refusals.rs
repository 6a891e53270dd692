//! Refusals of a host. They give one line that says why, and exit code 4; they never claim that something is
//! missing.

use http::Method;

use super::Bucket;
use crate::environment::{Outcome, TestEnvironment};
use crate::s3server::{Fault, SECRET_KEY};
use regrow_demo::noise;

/// All commands that reach a bucket. `keep.rgx` and `keep` are on this machine.
const COMMANDS: [&str; 9] = [
    "make s3://bucket/app.rgx image",
    "make --like s3://bucket/image.rgx --store s3://bucket/store app.rgx image",
    "extract s3://bucket/image.rgx out",
    "extract --store s3://bucket/store here/image.rgx out",
    "info s3://bucket/image.rgx",
    "diff s3://bucket/image.rgx s3://bucket/image.rgx",
    "verify --store s3://bucket/store s3://bucket/image.rgx",
    "push here/image.rgx s3://bucket/store",
    "gc --store s3://bucket/store",
];

fn bucket() -> Bucket {
    let bucket = Bucket::new();
    bucket.make("image", &noise("refused", 200_000));
    bucket.run("push s3://bucket/image.rgx here/store").success();
    bucket
}

#[track_caller]
fn refused(env: &TestEnvironment, outcome: Outcome, code: i32, about: &str) {
    let outcome = outcome.failure(code, about);
    assert!(!outcome.stderr.contains("missing chunk") && !outcome.stderr.contains(SECRET_KEY), "{}", outcome.stderr);
    assert!(!env.exists("out") && !env.exists("app.rgx"));
}

#[test]
fn each_refusal_has_its_line() {
    let bucket = bucket();
    let files = bucket.env.files("s3");
    let in_region = |status, code: &str| {
        let body = format!("<Error><Code>{code}</Code><Message>m</Message><Region>eu-west-1</Region></Error>");
        let headers = vec![("x-amz-bucket-region", "eu-west-1".to_owned())];
        Fault::Answer { status, headers, body }
    };
    let cases = [
        (Fault::code(403, "AccessDenied"), "access denied: the credentials do not allow s3:"),
        (Fault::code(403, "InvalidAccessKeyId"), "the host does not accept the credentials (InvalidAccessKeyId)"),
        (Fault::code(403, "SignatureDoesNotMatch"), "does not accept the credentials (SignatureDoesNotMatch)"),
        (Fault::code(400, "ExpiredToken"), "the credentials have expired (ExpiredToken)"),
        (Fault::code(403, "RequestTimeTooSkewed"), "the clock of this computer"),
        (Fault::code(404, "NoSuchBucket"), "there is no bucket \"bucket\" at this endpoint (NoSuchBucket)"),
        (in_region(400, "AuthorizationHeaderMalformed"), "is in the region eu-west-1, not us-east-1"),
        (in_region(301, "PermanentRedirect"), "give --region eu-west-1"),
        (Fault::code(400, "KeyTooLongError"), "HTTP 400 KeyTooLongError: Said so."),
    ];
    for (fault, about) in cases {
        bucket.server.set_hook(move |_| Some(fault.clone()));
        for command in COMMANDS {
            refused(&bucket.env, bucket.run(command), 4, about);
        }
    }
    assert_eq!(bucket.env.files("s3"), files, "something was done all the same");
}

#[test]
fn what_fails_late_says_so_too() {
    let bucket = bucket();
    // A user that may only read learns it at the first pack; one that may not list learns it at the list.
    let denied = |is_hit: fn(&crate::s3server::Seen) -> bool| {
        bucket.server.set_hook(move |seen| is_hit(seen).then(|| Fault::code(403, "AccessDenied")));
    };
    bucket.env.write("other", &noise("another", 100_000));
    denied(|seen| seen.method == Method::PUT);
    refused(&bucket.env, bucket.run("make s3://bucket/other.rgx other"), 4, "do not allow s3:PutObject (AccessDenied)");
    bucket.run("push here/image.rgx s3://bucket/store").failure(4, "s3:PutObject");
    bucket.run("push s3://bucket/image.rgx s3://bucket/prod/store").failure(4, "s3:PutObject");
    denied(|seen| seen.is_list());
    for command in
        ["make s3://bucket/other.rgx other", "gc --store s3://bucket/store", "verify --store s3://bucket/store"]
    {
        refused(&bucket.env, bucket.run(command), 4, "do not allow s3:ListBucket (AccessDenied)");
    }
    // With a similar index nothing is listed.
    bucket.run("make --like s3://bucket/image.rgx s3://bucket/other.rgx other").success();
    std::fs::remove_file(bucket.env.path("s3/bucket/other.rgx")).unwrap();
    denied(|seen| seen.method == Method::POST || seen.method == Method::DELETE);
    bucket.run("gc --grace 0s --store s3://bucket/store").failure(4, "do not allow s3:DeleteObject (AccessDenied)");
    bucket.server.clear_hook();
    bucket.run("verify --store s3://bucket/store s3://bucket/image.rgx").success();
}

#[test]
fn the_server_itself_refuses() {
    let bucket = bucket();
    for command in COMMANDS {
        let mut wrong = bucket.command(command);
        let wrong = Outcome::of(wrong.env("AWS_SECRET_ACCESS_KEY", "wrong"));
        refused(&bucket.env, wrong, 4, "does not accept the credentials (SignatureDoesNotMatch)");
        let without = Outcome::of(&mut bucket.command_without_keys(command));
        refused(&bucket.env, without, 4, "no AWS credentials were found");
    }
    let mut refusing = bucket.command("extract --tries 1 s3://bucket/image.rgx out");
    refusing.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    refused(&bucket.env, Outcome::of(&mut refusing), 4, "connection refused");
}

#[test]
fn places_that_cannot_be_are_2() {
    let bucket = bucket();
    for (command, about) in [
        ("make http://127.0.0.1:1/app.rgx image", "http(s):// is for reading"),
        ("make --store https://127.0.0.1:1/store app.rgx image", "http(s):// is for reading"),
        ("push here/image.rgx http://127.0.0.1:1/store", "http(s):// is for reading"),
        ("gc --store http://127.0.0.1:1/store", "http(s):// is for reading"),
        ("make s3://bucket image", "write it like"),
        ("make --endpoint nonsense s3://bucket/app.rgx image", "endpoint"),
        ("make ftp://b/app.rgx image", "ftp:// is not supported"),
    ] {
        refused(&bucket.env, bucket.run(command), 2, about);
    }
    // An index that is not there gives this error.
    bucket.run("extract s3://bucket/absent.rgx out").failure(4, "s3://bucket/absent.rgx: not found");
    bucket.run("verify --store s3://bucket/absent").failure(4, "no store here");
    bucket.run("gc --store s3://bucket/absent").failure(4, "no store here");
}

#[test]
fn a_pack_that_is_gone_is_named() {
    let bucket = bucket();
    let pack = bucket.packs("bucket").remove(0);
    let bytes = bucket.env.read(&pack);
    bucket.env.remove(&pack);
    let name = pack.strip_prefix("s3/").unwrap();
    bucket.run("extract s3://bucket/image.rgx out").failure(4, &format!("s3://{name}: not found"));
    bucket.env.write(&pack, &bytes[..bytes.len() - 1]);
    bucket.run("extract s3://bucket/image.rgx out").failure(3, name);
    bucket.run("verify -q --store s3://bucket/store s3://bucket/image.rgx").failure(3, &name["bucket/store/".len()..]);
    // If the damaged pack is removed, making the image again mends the store.
    bucket.env.remove(&pack);
    bucket.run("make --catalog none s3://bucket/image.rgx image").success();
    bucket.check("bucket", &[("image", &bucket.env.read("image"))]);
}
