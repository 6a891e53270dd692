//! Printed text. It is free of characters that control a terminal, and of passwords.

use regrow_index::Index;

use crate::environment::{Outcome, TestEnvironment};
use crate::s3server::Fault;
use regrow_demo::{Tree, noise};

/// A text that sets a title, clears the screen, and turns the direction of text.
const EVIL: &str = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\u{2066}\u{200f}\u{2028}evil";

#[track_caller]
fn check(text: &str) {
    let harmful = |c: char| {
        (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c) || matches!(c, '\u{2066}' | '\u{200f}')
    };
    assert!(!text.contains(harmful), "{text:?}");
}

/// Checks that the command printed the name, but no part of it as it was.
#[track_caller]
fn is_clean(outcome: &Outcome) {
    let text = String::from_utf8(outcome.stdout.clone()).unwrap();
    check(&text);
    check(&outcome.stderr);
    assert!(text.contains("evil") || outcome.stderr.contains("evil"), "{text}{}", outcome.stderr);
}

#[test]
fn what_an_index_and_its_image_say_is_cleaned() {
    let env = TestEnvironment::new();
    let old = Tree::sample("app", 10);
    let mut new = old.clone();
    new.0.insert(EVIL.to_owned(), noise("evil", 9000));
    env.make("old", &old.tar(1));
    env.make("new", &new.tar(1));
    let outcome = env.run("diff old.rgx new.rgx").success();
    is_clean(&outcome);
    let json = env.run("diff --json old.rgx new.rgx").success();
    is_clean(&json);
    assert!(json.json()["paths"].as_array().unwrap().iter().any(|cost| cost["path"] == EVIL), "JSON says it as it is");
    let index = Index { store: EVIL.to_owned(), ..Index::decode(&env.read("new.rgx")).unwrap() };
    env.write("evil.rgx", &index.encode());
    is_clean(&env.run("info --store store evil.rgx").success());
    let json = env.run("info --json --store store evil.rgx").success();
    is_clean(&json);
    assert_eq!(json.json()["store"], EVIL);
    is_clean(&env.run("extract evil.rgx out").failure(4, "evil"));
}

#[test]
fn names_of_files_are_cleaned() {
    let env = TestEnvironment::new();
    env.make("app", &noise("app", 50_000));
    let failed = Outcome::of(&mut env.command_of(&["extract", "--seed", EVIL, "app.rgx", "out"]));
    is_clean(&failed.failure(1, "evil"));
    let two_lines = Outcome::of(&mut env.command_of(&["info", "evil\nregrow: done"]));
    is_clean(&two_lines.failure(4, "evil"));
    let path = env.path(EVIL);
    let warned = Outcome::of(&mut env.command_of(&["make", path.to_str().unwrap(), "app"]));
    is_clean(&warned.failure(4, "evil"));
}

#[test]
fn what_a_bucket_answers_is_cleaned() {
    let bucket = crate::s3::Bucket::new();
    for element in ["Code", "Region", "Message"] {
        let code = if element == "Region" { "PermanentRedirect" } else { "Odd" };
        let body = format!("<Error><Code>{code}</Code><{element}>&#27;]0;x&#7;&#x202e;evil</{element}></Error>");
        let body = if element == "Code" { body.replace("<Code>Odd</Code>", "") } else { body };
        bucket.server.set_hook(move |_| Some(Fault::Answer { status: 400, headers: Vec::new(), body: body.clone() }));
        let outcome = bucket.run("info s3://bucket/app.rgx");
        assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
        check(&outcome.stderr);
    }
}

#[test]
fn no_password_is_printed() {
    let env = TestEnvironment::new();
    env.make("app", &noise("app", 50_000));
    for command in [
        "extract https://user:PW@host:bad/app.rgx out",
        "extract https://us@er:PW@host:bad/app.rgx out",
        "extract https://user:x#PW@host/app.rgx out",
        "extract --store https://user:PW@host:bad/ app.rgx out",
        "extract http:///user:PW@127.0.0.1:1/app.rgx out",
        "extract http://127.0.0.1:1/app.rgx?signature=PW out",
        "info ftp://user:PW@host/app.rgx",
        "info ftp://user:P/PW@host/app.rgx",
        "info file://user:PW@host/app.rgx",
        "push app.rgx s3://KEY:PW@bucket/store",
        "push app.rgx s3://KEY:SEC/PW@bucket/store",
        "push app.rgx s3://bucket/a//b?PW",
        "info --endpoint ftp://u:PW@host s3://bucket/app.rgx",
        "info --endpoint http://u:PW@host:bad s3://bucket/app.rgx",
        "info --endpoint ftp://u:PW@host gs://bucket/app.rgx",
    ] {
        let mut command = env.command(command);
        command.arg("--tries=1").env("AWS_EC2_METADATA_DISABLED", "true").env("GCE_METADATA_HOST", "127.0.0.1:1");
        let outcome = Outcome::of(&mut command);
        assert!(matches!(outcome.code, Some(2 | 4)), "{command:?}: {outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{command:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("PW"), "{command:?}: {}", outcome.stderr);
    }
}
