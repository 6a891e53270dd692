#!/usr/bin/env bash
# casync side by side: the same pair, the bytes of the update counted on both sides.
source "$(dirname "$0")/lib"

make_pair
casync_make() { casync make --store="$work/castr" --chunk-size=16384 --compression=zstd "$work/$1.caibx" "$work/$1.tar"; }
casync_extract() {
    casync extract --store="$work/castr" --seed="$work/old.tar" --seed-output=no "$work/new.caibx" "$work/casync.tar"
}
chunk_bytes() { find "$work/castr" -name '*.cacnk' -printf '%s\n' | awk '{ sum += $1; n++ } END { print sum + 0, n + 0 }'; }

check "casync: make of OLD" casync_make old
read -r bytes_before count_before < <(chunk_bytes)
check "casync: make of NEW" casync_make new
read -r bytes_after count_after < <(chunk_bytes)
check "casync: extract" casync_extract
check "casync: its image is bit for bit the same" cmp "$work/new.tar" "$work/casync.tar"
casync_bytes=$((bytes_after - bytes_before + $(bytes_of "$work/new.caibx")))
casync_requests=$((count_after - count_before + 1))

mkdir "$work/www"
"$regrow" make --quiet "$work/www/old.rgx" "$work/old.tar"
"$regrow" make --quiet "$work/www/new.rgx" "$work/new.tar"
start_nginx "$work/www"
update() { "$regrow" extract --json --seed "$work/old.tar" "http://127.0.0.1:$plain/new.rgx" "$work/out.tar" >"$work/report"; }
: >"$work/nginx/access.log"
check "casync: regrow's extract of the same pair" update
check "casync: regrow's image is bit for bit the same" cmp "$work/new.tar" "$work/out.tar"
logged "$work/nginx/access.log" "$(jq -r .requests "$work/report")"
bytes=$(wire_bytes)
requests=$(wc -l <"$work/nginx/access.log")
check "casync: its update takes $casync_bytes bytes, regrow's $bytes, less" [ "$bytes" -lt "$casync_bytes" ]
check "casync: its update takes $casync_requests requests, regrow's $requests, less" [ "$requests" -lt "$casync_requests" ]
