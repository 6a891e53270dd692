#!/usr/bin/env bash
# webfs answers a range whose first byte is there and whose last one is not with 400, although it takes
# the same range with the right end, and suffixes. RFC 9110, 14.1.2, has such a range mean the rest of
# the file, and nearly every server sends that.
#
# A good guess would be 206 with the rest, or 200 with the whole file from a server that knows no
# ranges. A client that asks for the first 32 KiB of a file whose size it does not know gets an error
# that says nothing of ranges, from files that are shorter.
# Seen with Debian's webfs 1.21+ds1-12+b1, which is unpacked and not installed.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/files" "$work/root"
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
(cd "$work" && apt-get download -qq -o APT::Sandbox::User=root webfs=1.21+ds1-12+b1 libgnutls30)
for package in "$work"/*.deb; do dpkg -x "$package" "$work/root"; done
export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet
printf hello >"$work/files/five"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$work/root/usr/bin/webfsd" -F -i 127.0.0.1 -p "$port" -r "$work/files" >"$work/log" 2>&1 &
server=$!
url=http://127.0.0.1:$port/five
curl -s --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 20 -o /dev/null "$url"
echo "webfs 1.21+ds1-12+b1, a file of 5 bytes"
seen=
for range in 0-4 -3 0-5 2-99; do
    status=$(curl -s -r "$range" -o /dev/null -w '%{http_code}' "$url")
    echo "bytes=$range: $status"
    seen="$seen $status"
done
[ "$seen" = " 206 206 400 400" ] || { echo "the behaviour has changed" >&2; exit 1; }
