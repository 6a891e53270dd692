#!/usr/bin/env bash
# FORMAT.md against the command: an implementation in Python, written from that page alone, reads the stores that the command
# makes, and cuts and names the same.
source "$(dirname "$0")/lib"

python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check blake3 xxhash zstandard
format_check() { "$work/python/bin/python" "$here/format_check.py" "$@"; }

check "format: the golden files" format_check --golden "$here/../../sync/tests/golden/v1"
# The format is shown with small chunks, which readers take where they are told to.
export REGROW_MIN_AVG_SIZE=1KiB
make_pair
check "format: make of OLD" "$regrow" make --quiet --avg-size 1KiB "$work/old.rgx" "$work/old.tar"
check "format: make of NEW after it" "$regrow" make --quiet "$work/new.rgx" "$work/new.tar"
check "format: OLD is read, cut and named the same" format_check "$work/old.rgx" "$work/store" "$work/old.tar"
check "format: NEW is read, cut and named the same" format_check "$work/new.rgx" "$work/store" "$work/new.tar"

mkdir "$work/odd"
head -c 600 /dev/zero >"$work/odd/zeros"
: >"$work/odd/empty"
head -c 100000 "$work/new.tar" | tail -c 99000 >"$work/odd/middle"
head -c 77777 "$work/new.tar" >"$work/odd/cut"
cat "$work/old.tar" "$work/odd/zeros" "$work/odd/middle" >"$work/odd/tail"
truncate -s 300K "$work/odd/holes"
printf 'data' | dd of="$work/odd/holes" bs=1 seek=200000 conv=notrunc status=none
tar --create --sparse --format=oldgnu --file "$work/odd/sparse" -C "$work/odd" holes zeros cut
tar --create --format=pax --file "$work/odd/pax" -C "$work" odd/cut odd/tail odd/sparse
for image in "$work"/odd/*; do
    name=${image##*/}
    "$regrow" make --quiet --allow-partial "$work/$name.rgx" "$image"
    check "format: $name is read, cut and named the same" format_check "$work/$name.rgx" "$work/store" "$image"
done
