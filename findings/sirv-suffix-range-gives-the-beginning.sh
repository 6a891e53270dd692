#!/usr/bin/env bash
# `Range: bytes=-500` asks for the last 500 bytes of a file (RFC 9110, 14.1.2). sirv answers it with 206
# and the first 501 bytes: it reads the text before the hyphen as the start, and nothing there is 0.
# Only `Content-Range` says so. Debian's weborf and Mojolicious do the same.
#
# A good guess would be that a server which does not know suffix ranges ignores them (200) or refuses
# them (416). A client that believes the status takes the beginning of a file for its end.
# Seen with sirv-cli 3.0.1 (npm) on Node.js 20.20.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
(cd "$work" && npm install --silent --no-audit --no-fund --no-package-lock sirv-cli@3.0.1)
node --version
grep '"version"' "$work/node_modules/sirv-cli/package.json"
mkdir "$work/files"
seq 10000 >"$work/files/numbers.txt"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# The program itself, and not a shell that npm puts before it, so that ending it ends all.
node "$work/node_modules/sirv-cli/bin.js" "$work/files" --host 127.0.0.1 --port "$port" >"$work/log" 2>&1 &
server=$!
url=http://127.0.0.1:$port/numbers.txt
curl -s --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 20 -o /dev/null "$url"
status=$(curl -s -r -500 -D "$work/head" -o "$work/part" -w '%{http_code}' "$url")
echo "bytes=-500: $status, $(grep -i '^content-range' "$work/head" | tr -d '\r'), $(wc -c <"$work/part") bytes"
head -c 501 "$work/files/numbers.txt" >"$work/beginning"
[ "$status" = 206 ] && cmp -s "$work/part" "$work/beginning" || { echo "the behaviour has changed" >&2; exit 1; }
