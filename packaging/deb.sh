#!/bin/sh
# Builds the Debian package target/debian/regrow_*.deb. Needs `cargo install cargo-deb`.
set -eu
cd "$(dirname "$0")/.."
# The package takes the manual page and the completions from here.
DESTDIR=$PWD/target/packaging packaging/install.sh /usr
cargo deb --package regrow --no-build "$@"
