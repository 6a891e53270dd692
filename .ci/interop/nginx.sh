#!/usr/bin/env bash
# nginx as the host: HTTP/1.1, then HTTP/2 over TLS with a certificate authority of its own.
source "$(dirname "$0")/lib"

make_pair

update() { "$regrow" extract --json "$@" --seed "$work/old.tar" "$url" "$work/out.tar" >"$work/report" 2>"$work/errors"; }
same() { cmp "$work/new.tar" "$work/out.tar"; }
pack_lines() { grep '/packs/' "$work/nginx/access.log"; }
single_ranges() { pack_lines >"$work/packs" && ! grep -vE ' 206 [0-9]+ "bytes=[0-9]*-[0-9]*"$' "$work/packs"; }
all_are() { [ -s "$work/nginx/access.log" ] && ! grep -v "^$1 " "$work/nginx/access.log"; }
reported() { jq -r ".$1" "$work/report"; }
forget() {
    at_rest "$work/nginx/access.log"
    : >"$work/nginx/access.log"
    rm -rf "$work/out.tar" "$XDG_CACHE_HOME"
}

# round NAME PROTOCOL URL [OPTION...]: an update from nginx, and what its log says of it.
round() {
    local name=$1 protocol=$2 url=$3 requests bytes
    shift 3
    forget
    check "$name: extract" update "$@"
    cat "$work/errors"
    logged "$work/nginx/access.log" "$(reported requests)"
    requests=$(wc -l <"$work/nginx/access.log")
    bytes=$(wire_bytes)
    check "$name: the image is bit for bit the same" same
    check "$name: all requests came over $protocol" all_are "$protocol"
    check "$name: packs are asked for in single ranges, all answered with 206" single_ranges
    check "$name: nginx counts $requests requests, regrow the same" [ "$(reported requests)" = "$requests" ]
    check "$name: nginx counts $bytes bytes, regrow the same" [ "$(reported bytes_fetched)" = "$bytes" ]
    check "$name: few requests: at most 20" [ "$requests" -le 20 ]
    check "$name: less than half of the image is fetched" [ $((bytes * 2)) -lt "$(bytes_of "$work/new.tar")" ]
}

# by_patch NAME URL [OPTION...]: the same update with a patch there.
by_patch() {
    local name=$1 url=$2 requests bytes
    shift 2
    forget
    check "$name, a patch: extract" update "$@"
    cat "$work/errors"
    logged "$work/nginx/access.log" "$(reported requests)"
    requests=$(wc -l <"$work/nginx/access.log")
    bytes=$(wire_bytes)
    check "$name, a patch: the image is bit for bit the same" same
    check "$name, a patch: two requests, the index and the patch" [ "$requests" = 2 ]
    check "$name, a patch: nginx counts $bytes bytes, regrow the same" [ "$(reported bytes_fetched)" = "$bytes" ]
    check "$name, a patch: less than a fifth of the $chunk_bytes bytes without" [ $((bytes * 5)) -lt "$chunk_bytes" ]
    check "$name, a patch: chunks came from it" [ "$(reported chunks_patch)" -gt 0 ]
}

# Without the authority's certificate: one line on standard error that says why, and no output.
refuses_a_stranger() {
    local url=$1
    if update --tries 2; then return 1; fi
    cat "$work/errors"
    [ "$(wc -l <"$work/errors")" = 1 ] && grep -qi certificate "$work/errors" && [ ! -e "$work/out.tar" ]
}

root=$work/www
mkdir "$root"
"$regrow" make --quiet "$root/old.rgx" "$work/old.tar"
"$regrow" make --quiet "$root/new.rgx" "$work/new.tar"
start_nginx "$root"
round "nginx, HTTP/1.1" HTTP/1.1 "http://127.0.0.1:$plain/new.rgx"
chunk_bytes=$(wire_bytes)
round "nginx, TLS" HTTP/2.0 "https://localhost:$tls/new.rgx" --ca-file "$work/ca.pem"
"$regrow" patch --quiet "$root/old.rgx" "$root/new.rgx"
by_patch "nginx, HTTP/1.1" "http://127.0.0.1:$plain/new.rgx"
by_patch "nginx, TLS" "https://localhost:$tls/new.rgx" --ca-file "$work/ca.pem"
forget
check "nginx, TLS: a certificate of an unknown authority is refused in one line" refuses_a_stranger "https://localhost:$tls/new.rgx"
