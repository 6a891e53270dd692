#!/usr/bin/env bash
# The ETag of npm's `serve` is a SHA-1 of the file's bytes. It is kept by path and modification time:
# a file that is replaced by one of the same time keeps the old tag, even if its size is another. A
# client that asks with this tag is told 304, and one that does not gets the new bytes with the old tag.
#
# A good guess would be that a tag made of the contents changes with the contents. Builds that set all
# times to SOURCE_DATE_EPOCH, and copies by `rsync -t` or `cp -p`, make such files every day.
# Seen with serve 14.2.7 (npm) on Node.js 20.20.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
(cd "$work" && npm install --silent --no-audit --no-fund --no-package-lock serve@14.2.7)
node --version
grep '"version"' "$work/node_modules/serve/package.json"
mkdir "$work/files"
publish() {
    printf '%s\n' "$1" >"$work/new"
    touch -d @1700000000 "$work/new"
    mv "$work/new" "$work/files/release.txt"
}
publish "the first release"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
node "$work/node_modules/serve/build/main.js" -n -l "tcp://127.0.0.1:$port" "$work/files" >"$work/log" 2>&1 &
server=$!
url=http://127.0.0.1:$port/release.txt
tag() { curl -s --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 20 -o "$work/body" -D - "$url" | tr -d '\r' |
    awk 'tolower($1) == "etag:" { print $2 }'; }
first=$(tag)
publish "a second release, which is longer than the first one"
second=$(tag)
status=$(curl -s -o /dev/null -w '%{http_code}' -H "If-None-Match: $first" "$url")
echo "tag of the first file: $first"
echo "tag of the second:     $second, with the body: $(cat "$work/body")"
echo "asked with the first tag: $status"
[ -n "$first" ] && [ "$first" = "$second" ] && [ "$status" = 304 ] && grep -q second "$work/body" ||
    { echo "the behaviour has changed" >&2; exit 1; }
