//! Credentials, region and endpoint from the places where AWS's own tools find them. Each case is a process of its
//! own, since all of it is in the environment.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use regrow_store::{BucketOptions, BucketStore, BucketUrl, Condition, Meter, PutOutcome};

use crate::buckets::{Bucket, patient};
use crate::s3server::{ACCESS_KEY, Fault, SECRET_KEY};
use crate::server::{Reply, Server};
use crate::support::hasty;
use crate::writing::try_put;

/// Puts an object at the URL that the environment names, and prints the outcome.
#[tokio::test]
#[ignore = "the other tests run it"]
async fn child() {
    let url = BucketUrl::parse(&std::env::var("TEST_URL").unwrap()).unwrap().unwrap();
    let options = BucketOptions {
        profile: std::env::var("TEST_PROFILE").ok(),
        endpoint: std::env::var("TEST_ENDPOINT").ok(),
        ..BucketOptions::default()
    };
    let outcome = match BucketStore::open(&url, &options, patient(), Meter::new(), hasty()).await {
        Ok(store) => try_put(&store, "x", b"bytes", Condition::Always).await.map(|outcome| (store, outcome)),
        Err(error) => Err(error),
    };
    match outcome {
        Ok((store, PutOutcome::Stored)) => println!("\noutcome: stored by {store:?}"),
        Ok((_, PutOutcome::Refused)) => println!("\noutcome: refused"),
        Err(error) => println!("\noutcome: {error}"),
    }
}

/// Runs [`child`] with no AWS variables in its environment but `variables`.
async fn outcome(home: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "ambient::child", "--ignored", "--nocapture"]);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env("HOME", home).env("TEST_URL", "s3://bucket/s").env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("outcome: "));
    line.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr))).to_owned()
}

fn profiles(home: &Path, config: &str) {
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    std::fs::write(home.join(".aws/config"), config).unwrap();
}

/// The region for which the last request was signed.
fn signed_region(bucket: &Bucket) -> String {
    let requests = bucket.server.requests();
    let header = requests[requests.len() - 1].headers["authorization"].to_str().unwrap().to_owned();
    header.split('/').nth(2).unwrap().to_owned()
}

#[tokio::test]
async fn keys_and_endpoint_come_from_the_environment() {
    let bucket = Bucket::new().await;
    let endpoint = bucket.server.endpoint();
    let keys = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    for (name, other) in
        [("AWS_ENDPOINT_URL", None), ("AWS_ENDPOINT_URL_S3", Some(("AWS_ENDPOINT_URL", "http://127.0.0.1:1")))]
    {
        let variables: Vec<_> =
            keys.into_iter().chain([(name, endpoint), ("AWS_REGION", "eu-west-1")]).chain(other).collect();
        let line = outcome(bucket.root.path(), &variables).await;
        assert!(line.starts_with("stored by "), "{line}");
        assert_eq!(signed_region(&bucket), "eu-west-1");
    }
    let line = outcome(bucket.root.path(), &[keys[0], keys[1], ("AWS_ENDPOINT_URL", endpoint)]).await;
    assert!(line.starts_with("stored by "), "{line}");
    assert_eq!(signed_region(&bucket), "us-east-1");
}

#[tokio::test]
async fn a_profile_brings_keys_region_and_endpoint() {
    let (bucket, home) = (Bucket::new().await, tempfile::tempdir().unwrap());
    let endpoint = bucket.server.endpoint();
    let script = home.path().join("keys.sh");
    let answer = format!(r#"{{"Version":1,"AccessKeyId":"{ACCESS_KEY}","SecretAccessKey":"{SECRET_KEY}"}}"#);
    std::fs::write(&script, format!("echo '{answer}'\n")).unwrap();
    profiles(
        home.path(),
        &format!(
            "[default]\nregion = eu-north-1\nendpoint_url = {endpoint}\naws_access_key_id = {ACCESS_KEY}\n\
             aws_secret_access_key = {SECRET_KEY}\n\
             [profile other]\nregion = eu-south-1\nendpoint_url = {endpoint}\ncredential_process = sh {}\n",
            script.display()
        ),
    );
    let line = outcome(home.path(), &[]).await;
    assert!(line.starts_with("stored by "), "{line}");
    assert_eq!(signed_region(&bucket), "eu-north-1");
    // The chosen profile takes precedence over the environment.
    let variables = [
        ("TEST_PROFILE", "other"),
        ("AWS_ACCESS_KEY_ID", "AKIDOTHER"),
        ("AWS_SECRET_ACCESS_KEY", "other"),
        ("AWS_REGION", "us-west-2"),
    ];
    let line = outcome(home.path(), &variables).await;
    assert!(line.starts_with("stored by "), "{line}");
    assert_eq!(signed_region(&bucket), "eu-south-1");
}

#[tokio::test]
async fn without_credentials_anywhere_the_error_says_so() {
    let (bucket, home) = (Bucket::new().await, tempfile::tempdir().unwrap());
    let line = outcome(home.path(), &[("AWS_ENDPOINT_URL", bucket.server.endpoint())]).await;
    let none = "no AWS credentials were found (environment, ~/.aws, instance role)";
    assert_eq!(line, format!("s3://bucket/s/x: {none}: s3:PutObject is not allowed without any"));
}

#[tokio::test]
async fn a_metadata_service_that_does_not_answer_is_soon_left() {
    let (bucket, home) = (Bucket::new().await, tempfile::tempdir().unwrap());
    let silent = Bucket::new().await;
    silent.server.set_hook(|_| Some(Fault::Silence));
    let variables = [
        ("AWS_ENDPOINT_URL", bucket.server.endpoint()),
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", silent.server.endpoint()),
    ];
    let begun = Instant::now();
    let line = outcome(home.path(), &variables).await;
    assert!(line.contains("no AWS credentials were found"), "{line}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(!silent.server.requests().is_empty(), "it was not asked");
}

#[tokio::test]
async fn credentials_that_are_set_up_and_cannot_be_had_are_an_error() {
    let (bucket, home) = (Bucket::new().await, tempfile::tempdir().unwrap());
    profiles(home.path(), "[default]\ncredential_process = false\n");
    let line = outcome(home.path(), &[("AWS_ENDPOINT_URL", bucket.server.endpoint())]).await;
    assert!(line.starts_with("s3://bucket/s: the AWS credentials that are set up cannot be obtained: "), "{line}");
    assert!(line.contains("aws sso login"), "{line}");
    let line = outcome(home.path(), &[("TEST_PROFILE", "absent")]).await;
    assert!(line.contains("absent"), "{line}");
}

#[tokio::test]
async fn google_and_azure_are_set_up_by_their_own_variables() {
    let home = tempfile::tempdir().unwrap();
    let date = "Sat, 21 Nov 2026 04:00:00 GMT";
    let server = Server::start(move |_| Reply::bare(201).header("ETag", "\"1\"").header("Last-Modified", date)).await;
    let url = server.url();
    let account = r#"{"private_key":"","private_key_id":"","client_email":"","disable_oauth":true}"#;
    let google = [("TEST_URL", "gs://bucket/s"), ("TEST_ENDPOINT", &url), ("GOOGLE_SERVICE_ACCOUNT_KEY", account)];
    let line = outcome(home.path(), &google).await;
    assert!(line.starts_with("stored by "), "{line}");
    assert_eq!(server.requests()[0].target, "/bucket/s%2Fx");
    let azure = [
        ("TEST_URL", "az://bucket/s"),
        ("TEST_ENDPOINT", &url),
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5"),
    ];
    let line = outcome(home.path(), &azure).await;
    assert!(line.starts_with("stored by "), "{line}");
    assert_eq!(server.requests()[1].target, "/bucket/s/x");
    assert!(server.requests()[1].header("authorization").unwrap().starts_with("SharedKey account:"));
    let line = outcome(home.path(), &azure[..2]).await;
    assert_eq!(line, "az://bucket/s: the account of the container is not known; set AZURE_STORAGE_ACCOUNT_NAME");
    let wrong = [google[0], google[1], ("GOOGLE_SERVICE_ACCOUNT", "/nowhere.json")];
    let line = outcome(home.path(), &wrong).await;
    assert!(line.starts_with("gs://bucket/s: ") && line.contains("No such file"), "{line}");
}
