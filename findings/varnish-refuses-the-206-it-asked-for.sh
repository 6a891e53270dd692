#!/usr/bin/env bash
# The usual recipe to let Varnish keep ranges puts `Range` into the backend request and hashes it. The
# origin's right answer, a 206 with Content-Range, is then refused: "Unexpected content-range header",
# and the client gets 503. The same answer is taken when VCL hides the header and the status (200) in
# vcl_backend_response, and gives both back in vcl_deliver.
#
# A good guess would be that an answer which VCL asked for is taken, or is at least passed on. The
# check looks at the client's request alone, from which Varnish has taken `Range` away by itself.
# Seen with Debian's varnish 7.1.1-2+deb12u1, whose packages are unpacked and not installed.
set -euo pipefail
work=$(mktemp -d)
started=()
end_all() {
    local process
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap end_all EXIT
chmod 755 "$work"
mkdir "$work/debs" "$work/root" "$work/files"
version=7.1.1-2+deb12u1
(cd "$work/debs" && apt-get download -qq "varnish=$version" "libvarnishapi3=$version" libjemalloc2 libedit2 libbsd0 libmd0)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
libraries=$work/root/usr/lib
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
export LD_LIBRARY_PATH=$libraries/$triplet:$libraries/varnish:$libraries/$triplet/varnish
varnishd=$work/root/usr/sbin/varnishd
"$varnishd" -V 2>&1 | head -1

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
origin=$(free_port)
cat >"$work/origin.py" <<'PYTHON'
import http.server
import re
import sys

DATA = bytes(range(256)) * 400


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        start, end = map(int, re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "bytes=0-102399").groups())
        self.send_response(206 if "Range" in self.headers else 200)
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(DATA)}")
        self.send_header("Cache-Control", "max-age=3600")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        self.wfile.write(DATA[start : end + 1])


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PYTHON
python3 "$work/origin.py" "$origin" &
started+=($!)

# ask NAME VCL: a range through a Varnish with these lines; the status and the bytes go into NAME.status.
ask() {
    local name=$1 port
    port=$(free_port)
    printf 'vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "%s"; }\n%s\n' "$origin" "$2" >"$work/$name.vcl"
    "$varnishd" -j none -F -a "127.0.0.1:$port" -f "$work/$name.vcl" -n "$work/$name" -s malloc,64m >"$work/$name.log" 2>&1 &
    started+=($!)
    curl -s --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 20 -r 1000-1999 -o "$work/$name.body" \
        -w '%{http_code} %{size_download}' "http://127.0.0.1:$port/file" >"$work/$name.status"
}

recipe='sub vcl_recv { set req.http.X-Range = req.http.Range; }
sub vcl_hash { hash_data(req.http.X-Range); }
sub vcl_backend_fetch { set bereq.http.Range = bereq.http.X-Range; }'
hidden='sub vcl_recv { set req.http.X-Range = req.http.Range; unset req.http.Range; }
sub vcl_backend_response {
    set beresp.http.X-Content-Range = beresp.http.Content-Range;
    unset beresp.http.Content-Range;
    set beresp.status = 200;
    set beresp.ttl = 1h;
}
sub vcl_deliver { set resp.http.Content-Range = resp.http.X-Content-Range; set resp.status = 206; }'
ask usual "$recipe"
ask renamed "$hidden
${recipe#*$'\n'}"
usual=$(cat "$work/usual.status")
renamed=$(cat "$work/renamed.status")
echo "the usual recipe: $usual"
echo "with the header hidden: $renamed"
[ "${usual% *}" = 503 ] && [ "$renamed" = "206 1000" ] || { echo "the behaviour has changed" >&2; exit 1; }
