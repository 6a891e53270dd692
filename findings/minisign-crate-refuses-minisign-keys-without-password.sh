#!/usr/bin/env bash
# minisign 0.11 writes a secret key without a password (-G -W) with zeros for its checksum, and calls
# it "minisign encrypted secret key" in its comment. The crate `minisign` 0.10.0, by the same author,
# refuses it as a "Corrupted key" while it reads the keys without a password that it made itself.
#
# A good guess would be that a library named after a program reads the program's key files. Keys made
# for CI have no password, so this is the usual case there.
# Seen with minisign 0.11-1 (Debian 12) and minisign 0.10.0 (crates.io).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if ! command -v minisign >/dev/null || [[ $(minisign -v) != "minisign 0.11" ]]; then
    apt-get download -qq minisign=0.11-1 && dpkg -x minisign_0.11-1_*.deb . && PATH=$work/usr/bin:$PATH
fi
echo "$(minisign -v), crate minisign 0.10.0"
minisign -G -W -p key.pub -s key.sec </dev/null >/dev/null
mkdir -p program/src
cat >program/Cargo.toml <<'TOML'
[package]
name = "program"
version = "0.0.0"
edition = "2021"

[dependencies]
minisign = "=0.10.0"
TOML
cat >program/src/main.rs <<'RUST'
use minisign::{KeyPair, SecretKeyBox};

fn read(name: &str, text: String) {
    match SecretKeyBox::from_string(&text).unwrap().into_unencrypted_secret_key() {
        Ok(_) => println!("{name}: read"),
        Err(error) => println!("{name}: {error}"),
    }
}

fn main() {
    read("of the program", std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap());
    let own = KeyPair::generate_unencrypted_keypair().unwrap().sk.to_box(None).unwrap();
    read("of the crate", own.to_string());
}
RUST
CARGO_TARGET_DIR=$work/target cargo run --quiet --manifest-path program/Cargo.toml -- key.sec >seen
head -n 1 key.sec >>seen
cat seen
diff seen - <<'SEEN'
of the program: Corrupted key
of the crate: read
untrusted comment: minisign encrypted secret key
SEEN
echo "as described"
