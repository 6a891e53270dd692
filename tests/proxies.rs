//! Proxies: messages name them, and `no_proxy` is read as curl reads it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use crate::environment::{Outcome, TestEnvironment};
use crate::server::{Answer, Server, dead_url};
use regrow_demo::noise;

fn site() -> (TestEnvironment, Vec<u8>) {
    let env = TestEnvironment::new();
    let image = noise("proxies", 300_000);
    env.make("app", &image);
    (env, image)
}

/// The command with these variables and no others about proxies.
fn command(env: &TestEnvironment, variables: &[(&str, &str)], arguments: &str) -> Command {
    let mut command = env.command(arguments);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_ascii_uppercase());
    }
    command.envs(variables.iter().copied());
    command
}

#[test]
fn a_proxy_that_is_down_is_named() {
    let (env, _) = site();
    let dead = dead_url("").trim_end_matches('/').to_owned();
    let secret = dead.replacen("http://", "http://user:s3cr3t@", 1);
    for (variable, url) in [
        ("http_proxy", "http://192.0.2.1/app.rgx"),
        ("HTTPS_PROXY", "https://192.0.2.1/app.rgx"),
        ("ALL_PROXY", "https://far.example/app.rgx"),
        ("all_proxy", "http://far.example/app.rgx"),
    ] {
        let extract = format!("extract --tries 1 {url} out");
        let outcome = Outcome::of(&mut command(&env, &[(variable, &secret)], &extract));
        let outcome = outcome.failure(4, &format!("the proxy {dead} refuses the connection; check http_proxy"));
        assert!(!outcome.stderr.contains("s3cr3t"), "{}", outcome.stderr);
    }
}

#[test]
fn a_proxy_that_wants_credentials_is_named_and_not_asked_again() {
    let (env, _) = site();
    let proxy = Server::with(env.root(), |_| Answer::Status(407));
    let at = proxy.url("").trim_end_matches('/').to_owned();
    for (variable, scheme) in [("http_proxy", "http"), ("https_proxy", "https")] {
        proxy.reset_counts();
        let extract = format!("extract {scheme}://far.example/app.rgx out");
        let outcome = Outcome::of(&mut command(&env, &[(variable, &at)], &extract));
        outcome.failure(4, &format!("the proxy {at} wants credentials (HTTP 407)"));
        assert_eq!(proxy.request_count(), 1, "{scheme}");
    }
    // One that goes nowhere.
    let proxy = Server::with(env.root(), |_| Answer::Status(403));
    let at = proxy.url("").trim_end_matches('/').to_owned();
    let extract = "extract --tries 1 https://far.example/app.rgx out";
    let outcome = Outcome::of(&mut command(&env, &[("https_proxy", &at)], extract));
    outcome.failure(4, &format!("the proxy {at} does not connect to this host"));
}

#[test]
fn credentials_of_a_proxy_are_sent_to_it() {
    let (env, image) = site();
    let proxy = Server::with(env.root(), |request| match request.header("proxy-authorization") {
        Some("Basic dXM6cEB3") => Answer::Serve,
        _ => Answer::Status(407),
    });
    // A proxy is asked by the whole URL, of which this one takes the path.
    let at = proxy.url("").trim_end_matches('/').replacen("http://", "http://us:p%40w@", 1);
    std::fs::create_dir_all(env.path("http:")).unwrap();
    std::os::unix::fs::symlink(env.root(), env.path("http:/far.example")).unwrap();
    let extract = "extract http://far.example/app.rgx out";
    Outcome::of(&mut command(&env, &[("http_proxy", &at)], extract)).success();
    assert!(env.read("out") == image);
}

#[test]
fn no_proxy_exempts_addresses_too() {
    let (env, image) = site();
    let (server, dead) = (Server::new(env.root()), dead_url(""));
    let url = server.url("app.rgx");
    let with_port = format!("example.org,127.0.0.1:{}", server.port());
    for exempt in ["*", "127.0.0.0/8", "example.org 127.0.0.1", &with_port] {
        for variable in ["no_proxy", "NO_PROXY"] {
            let variables = [("all_proxy", dead.as_str()), (variable, exempt)];
            Outcome::of(&mut command(&env, &variables, &format!("extract {url} out"))).success();
            assert!(env.read("out") == image);
            env.remove("out");
        }
    }
    let variables = [("all_proxy", dead.as_str()), ("no_proxy", "127.0.0.1:1,10.0.0.0/8")];
    Outcome::of(&mut command(&env, &variables, &format!("extract --tries 1 {url} out"))).failure(4, "the proxy ");
}

#[test]
fn what_is_no_proxy_is_refused_and_not_passed_by() {
    let (env, _) = site();
    let server = Server::new(env.root());
    let url = server.url("app.rgx");
    for value in ["socks://user:s3cr3t@127.0.0.1:1080", "ftp://user:s3cr3t@127.0.0.1"] {
        let outcome = Outcome::of(&mut command(&env, &[("all_proxy", value)], &format!("extract {url} out")));
        let outcome = outcome.failure(2, "is no proxy that can be used; known are http://, https://, socks5://");
        assert!(!outcome.stderr.contains("s3cr3t"), "{}", outcome.stderr);
    }
    assert_eq!(server.request_count(), 0);
}

/// A proxy of SOCKS 5 without credentials, which leads every connection to one port of this machine. Returns its port.
fn socks(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            std::thread::spawn(move || client.ok().and_then(|client| relay(client, to)));
        }
    });
    port
}

fn relay(mut client: TcpStream, to: u16) -> Option<()> {
    let mut head = [0; 2];
    client.read_exact(&mut head).ok()?;
    client.read_exact(&mut vec![0; usize::from(head[1])]).ok()?;
    client.write_all(&[5, 0]).ok()?;
    let mut asked = [0; 5];
    client.read_exact(&mut asked).ok()?;
    let rest = match asked[3] {
        1 => 5,
        3 => usize::from(asked[4]) + 2,
        _ => return None,
    };
    client.read_exact(&mut vec![0; rest]).ok()?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).ok()?;
    let server = TcpStream::connect(("127.0.0.1", to)).ok()?;
    let (mut from, mut back) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut back));
    let (mut from, mut back) = (server, client);
    std::io::copy(&mut from, &mut back).ok().map(drop)
}

#[test]
fn proxies_of_socks_are_used() {
    let (env, image) = site();
    let server = Server::new(env.root());
    let proxy = format!("socks5h://127.0.0.1:{}", socks(server.port()));
    let extract = "extract http://far.example/app.rgx out";
    Outcome::of(&mut command(&env, &[("ALL_PROXY", &proxy)], extract)).success();
    assert!(env.read("out") == image);
    let dead = dead_url("").replace("http://", "socks5h://");
    let dead = dead.trim_end_matches('/');
    let extract = "extract --tries 1 http://far.example/app.rgx out";
    Outcome::of(&mut command(&env, &[("ALL_PROXY", dead)], extract))
        .failure(4, &format!("the proxy {dead} cannot be reached"));
}
