#!/usr/bin/env bash
# rebuild.sh OLD NEW: how long a device takes to make the squashfs image NEW again, without a seed and with OLD as one, and how
# long mksquashfs takes for the same image on the same cores. Seconds of processor time, and what the wall clock says.
# REGROW names the command; mksquashfs and unsquashfs must be there.
set -euo pipefail
(($# == 2)) || {
    echo "usage: rebuild.sh OLD NEW" >&2
    exit 2
}
regrow=${REGROW:-regrow} old=$(readlink -f "$1") new=$(readlink -f "$2")
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
export REGROW_STATE=$work/state

# measured NAME COMMAND...: a line of the table.
measured() {
    local name=$1 TIMEFORMAT='%U %S %R' times
    shift
    times=$({ time "$@" >"$work/log" 2>&1; } 2>&1) || { cat "$work/log" >&2 && return 1; }
    awk -v name="$name" '{ printf "| %s | %.1f | %.1f |\n", name, $1 + $2, $3 }' <<<"$times"
}

# The options of the image, as its superblock has them.
value() { sed -n "s/^$1 //p" "$work/about" | head -n 1; }
unsquashfs -s "$new" >"$work/about"
block=$(value 'Block size')
options=(-noappend -quiet -no-progress -b "$block")
kind=$(value Compression)
options+=(-comp "$kind")
level=$(sed -n 's/^[[:space:]]*compression-level //p' "$work/about" | head -n 1)
[ -z "$level" ] || options+=(-Xcompression-level "$level")
! grep -q 'High Compression' "$work/about" || options+=(-Xhc)
unsquashfs -quiet -no-progress -dest "$work/tree" "$new" >/dev/null

mkdir "$work/site"
"$regrow" make --quiet --catalog "$work/catalog" "$work/site/new.rgx" "$new"
"$regrow" serve --listen 127.0.0.1:0 "$work/site" >"$work/serve" 2>&1 &
server=$!
until url=$(grep -o 'http://[^ ]*' "$work/serve"); do sleep 0.1; done
extract() {
    rm -f "$work/out"
    "$regrow" extract --quiet --no-state --catalog "$work/device-$RANDOM" "$@" "${url%/}/new.rgx" "$work/out"
    cmp "$work/out" "$new"
}

echo "$(stat -c %s "$new") bytes of squashfs, ${options[*]}; $(nproc) cores"
printf '| way | processor, s | clock, s |\n|---|--:|--:|\n'
measured mksquashfs mksquashfs "$work/tree" "$work/again" "${options[@]}"
measured "regrow, no seed" extract
measured "regrow, the old image as seed" extract --seed "$old"
