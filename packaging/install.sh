#!/bin/sh
# Builds regrow and installs the command, its manual page and its completions below a prefix.
#   packaging/install.sh [PREFIX]          PREFIX is /usr/local unless given
# FEATURES: options for cargo, such as --no-default-features. DESTDIR: a folder to install into instead of /.
set -eu
cd "$(dirname "$0")/.."

prefix=${DESTDIR:-}${1:-/usr/local}
# The time of the sources, by which the command knows that a clock which shows less is wrong.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || true)}"
[ -z "$SOURCE_DATE_EPOCH" ] || export SOURCE_DATE_EPOCH
# shellcheck disable=SC2086  # several options
cargo build --release --locked --package regrow --bin regrow ${FEATURES:-}
built=${CARGO_TARGET_DIR:-target}/release/regrow

install -D -m 755 "$built" "$prefix/bin/regrow"
put() {
    mkdir -p "$prefix/$(dirname "$1")"
    "$built" "$2" ${3:-} >"$prefix/$1"
}
put share/man/man1/regrow.1 man
put share/bash-completion/completions/regrow completions bash
put share/zsh/site-functions/_regrow completions zsh
put share/fish/vendor_completions.d/regrow.fish completions fish
echo "installed below $prefix: bin/regrow, its manual page, completions for bash, zsh and fish"
