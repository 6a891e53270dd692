#!/usr/bin/env bash
# FORMAT.md against the command: an implementation in Python, written from that page and docs/format/, reads the stores and
# patches that the command makes, cuts and names the same, and arrives at the same bytes.
source "$(dirname "$0")/lib"

start_python

check "format: the golden files" format_check --golden "$here/../../sync/tests/golden/v1"
check "format: the golden files of coded layers" format_check --golden "$here/../../sync/tests/golden/v1-coded"
"$python" "$here/golden_bodies.py" "$work/body.base" "$work/body.target"
for coding in mixed streams; do
    check "format: the golden body, $coding" \
        format_check --body "$here/../../delta/tests/golden/$coding.body" "$work/body.base" "$work/body.target"
done

# The format is shown with small chunks, which readers take where they are told to.
export REGROW_MIN_AVG_SIZE=1KiB
make_pair
check "format: make of OLD" "$regrow" make --quiet --format 1 --avg-size 1KiB "$work/old.rgx" "$work/old.tar"
check "format: make of NEW after it" "$regrow" make --quiet --format 1 "$work/new.rgx" "$work/new.tar"
check "format: OLD is read, cut and named the same" format_check "$work/old.rgx" "$work/store" "$work/old.tar"
check "format: NEW is read, cut and named the same" format_check "$work/new.rgx" "$work/store" "$work/new.tar"
check "format: a patch from OLD to NEW" "$regrow" patch --quiet "$work/old.rgx" "$work/new.rgx"
check "format: the patch makes the same" format_check --patch "$work/old.rgx" "$work/new.rgx" "$work/store"

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
# More levels than are walked.
cp "$work/odd/zeros" "$work/deep"
for level in 1 2 3 4 5 6 7 8 9; do
    tar --create --format=ustar --file "$work/deeper" -C "$work" deep "odd/cut"
    mv "$work/deeper" "$work/deep"
done
cp "$work/deep" "$work/odd/deep"
for image in "$work"/odd/*; do
    name=${image##*/}
    "$regrow" make --quiet --format 1 --allow-partial "$work/$name.rgx" "$image"
    check "format: $name is read, cut and named the same" format_check "$work/$name.rgx" "$work/store" "$image"
done

# Layers that are compressed, by zlib, which Python makes again, and by gzip, whose streams it takes from the image.
layer() { tar --extract --to-stdout --wildcards --file "$work/$1.tar" '*/layer.tar' | { head -c "$2"; cat >/dev/null; }; }
by_zlib='import sys, zlib
c = zlib.compressobj(int(sys.argv[1]), zlib.DEFLATED, 31, int(sys.argv[2]))
sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read()) + c.flush())'
mkdir "$work/coded"
layer old 3000000 | "$python" -c "$by_zlib" 6 8 >"$work/coded/old-zlib-6"
layer new 3000000 | "$python" -c "$by_zlib" 6 8 >"$work/coded/new-zlib-6"
layer new 2000001 | "$python" -c "$by_zlib" 9 9 >"$work/coded/zlib-9-memory-9"
layer new 3000000 | gzip -n -9 >"$work/coded/gzip-9"
"$python" -c "$by_zlib" 6 8 <"$work/deep" >"$work/coded/deep"
# Nearly what zlib makes: flushed, and in all ways that corrections describe.
layer new 3000000 | "$python" "$here/nearly.py" >"$work/coded/nearly"
layer new 3000000 | "$python" -c 'import sys, zlib
data, c = sys.stdin.buffer.read(), zlib.compressobj(6, zlib.DEFLATED, 31)
sys.stdout.buffer.write(c.compress(data[:1200000]) + c.flush(zlib.Z_FULL_FLUSH) + c.compress(data[1200000:]) + c.flush())' \
    >"$work/coded/flushed"
# Two members, and bytes behind them.
{ cat "$work/coded/old-zlib-6"; layer new 70000 | "$python" -c "$by_zlib" 1 8; printf 'behind'; } >"$work/coded/members"
for layer in "$work"/coded/*; do
    name=${layer##*/}
    case $name in
        members) cp "$layer" "$work/$name.image" ;;
        *) "$python" "$here/oci.py" "$layer" "$work/$name.image" ;;
    esac
    "$regrow" make --quiet --format 1 --allow-partial "$work/$name.rgx" "$work/$name.image"
    check "format: a layer by $name is seen through the same" \
        format_check "$work/$name.rgx" "$work/store" "$work/$name.image" --coded
done
for name in new-zlib-6 nearly flushed members; do
    check "format: a layer by zlib, $name, is made again without the image" format_check "$work/$name.rgx" "$work/store"
done
"$regrow" patch --quiet "$work/old-zlib-6.rgx" "$work/new-zlib-6.rgx"
check "format: a patch between layers" format_check --patch "$work/old-zlib-6.rgx" "$work/new-zlib-6.rgx" "$work/store"

# Files that hold deflate streams, which a patch sees through.
for side in old new; do
    "$python" "$here/members.py" "$work/members-$side.tar" "$side"
    "$regrow" make --quiet --format 1 "$work/members-$side.rgx" "$work/members-$side.tar"
done
"$regrow" patch --quiet "$work/members-old.rgx" "$work/members-new.rgx"
check "format: a patch that sees through files" \
    format_check --patch "$work/members-old.rgx" "$work/members-new.rgx" "$work/store" --members

# What a cache keeps.
"$regrow" extract --quiet --catalog "$work/catalog" --cache "$work/cache" --store "$work/store" "$work/old.rgx" "$work/out"
check "format: the cache of frames" format_check --cache "$work/cache" "$work/store"
"$regrow" extract --quiet --catalog "$work/catalog" --cache "$work/cache" --store "$work/store" --seed "$work/old.tar" \
    "$work/new.rgx" "$work/out-new"
check "format: the cache with a patch" format_check --cache "$work/cache" "$work/store"

# A byte that is another, under a checksum that holds, is refused.
patch=$(find "$work/store/patches" -name '*.patch' -size +2k | head -1)
size=$(bytes_of "$patch")
for at in 130 $((size / 2)) $((size - 40)); do
    cp "$patch" "$work/kept.patch"
    changed "$patch" "$at"
    check "format: a patch is refused whose byte $at is another" \
        refuses format_check --patch "$work/members-old.rgx" "$work/members-new.rgx" "$work/store"
    cp "$work/kept.patch" "$patch"
done
size=$(bytes_of "$work/members.rgx")
for at in 20 60 $((size / 2)) $((size - 40)); do
    cp "$work/members.rgx" "$work/changed.rgx"
    changed "$work/changed.rgx" "$at"
    check "format: an index is refused whose byte $at is another" refuses format_check "$work/changed.rgx" "$work/store"
done

# What gc is about to delete. It also deletes patches between images that are not kept.
mkdir "$work/kept"
cp "$work/new.rgx" "$work/kept"
"$regrow" gc --quiet --grace 2s --store "$work/store" --keep "$work/kept"
check "format: gc has condemned packs" grep -q '"pack"' "$work/store/gc.json"
check "format: a store of which packs are condemned" format_check "$work/new.rgx" "$work/store" "$work/new.tar"

pack=$(find "$work/store/packs" -name '*.pack' | head -1)
printf '\377' | dd of="$pack" bs=1 seek=20 conv=notrunc status=none
check "format: a pack is refused with a byte that is another" refuses format_check "$work/old.rgx" "$work/store" "$work/old.tar"
check "format: what is refused has a reason" have_reasons
