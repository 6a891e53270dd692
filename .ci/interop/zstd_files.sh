#!/usr/bin/env bash
# What real programs write as zstd files is seen through, and comes back: streams by Go programs, by the zstd command and by
# libzstd 1.5.7, and streams that are damaged. zstd.sh has layers.
source "$(dirname "$0")/lib"

make_pair
start_python

# round_trips FOLDER: an image of all files in it, and the image again, with an index of a few bytes for each.
round_trips() {
    tar -C "$1" -cf "$work/many.tar" . &&
        "$regrow" make --quiet --allow-partial "$work/many.rgx" "$work/many.tar" 2>"$work/many.log" &&
        "$regrow" extract --quiet "$work/many.rgx" "$work/many.out" &&
        cmp "$work/many.tar" "$work/many.out" &&
        "$regrow" info --json "$work/many.rgx" >"$work/many.json"
}
# coded NAME: how many files have an encoder of this name.
coded() { jq --arg name "$1" '[.coded[] | select(all(.encoders[]; contains($name)))] | length' "$work/many.json"; }

# Go programs at each level.
go=${KLAUSPOST_GO:-$(command -v go || true)}
if [ -n "$go" ] && [ -d /usr/share/gocode/src/github.com/klauspost/compress ]; then
    GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS='' GOCACHE=$work/go "$go" build -o "$work/klauspost" "$here/klauspost.go"
    mkdir "$work/go-files"
    for level in fastest default better best; do
        for form in stream all; do
            "$work/klauspost" "$level" "$form" <"$work/new.tar" >"$work/go-files/$level-$form.zst"
        done
    done
    check "Go programs: come back" round_trips "$work/go-files"
    for level in fastest default better best; do
        check "Go programs: level $level is named" test "$(coded "level $level")" = 2
    done
    # More than one flush: no known encoder.
    rm -r "$work/go-files" && mkdir "$work/go-files"
    "$work/klauspost" default flushes <"$work/new.tar" >"$work/go-files/flushes.zst"
    check "Go programs: more than one flush comes back" round_trips "$work/go-files"
else
    echo "passed over: no Go, or no klauspost/compress"
fi

# libzstd 1.5.7, at all levels, and in all ways that programs call it.
libzstd() { "$python" "$here/libzstd.py" "$@" <"$work/sample.tar" >"$work/libzstd/$1-$2-$3.zst"; }
mkdir "$work/libzstd" "$work/sample"
# Little of everything, as the highest levels are slow; but more than 256 KiB, since the package takes the parameters of large
# streams for small ones, too.
head -c 450000 "$work/new.tar" | tail -c 400000 >"$work/sample/bytes"
cp "$here"/*.py "$work/sample"
tar -C "$work/sample" -cf "$work/sample.tar" .
for level in $(seq 1 22); do
    libzstd "$level" command check
done
for mode in single library pipe; do
    libzstd 3 "$mode" none
done
libzstd 3 command long,check
libzstd 3 single long
check "libzstd: comes back" round_trips "$work/libzstd"
files=$(find "$work/libzstd" -name '*.zst' | wc -l)
check "libzstd: all $files are seen through" test "$(coded "libzstd 1.5.7")" = "$files"
for level in 1 2 3 5 17 19; do
    check "libzstd: level $level is named" test "$(coded "libzstd 1.5.7, level $level")" -gt 0
done
for name in "in one call" "long distance matching"; do
    check "libzstd: '$name' is named" test "$(coded "$name")" -gt 0
done

# The zstd command writes what its own version of libzstd makes, which regrow has or has not.
version=$(zstd --version | grep -o 'v[0-9.]*' | head -n 1)
for options in "" "-1" "-19" "--long" "--single-thread" "--no-check" "-T0" "-T4"; do
    # shellcheck disable=SC2086
    zstd --quiet --force $options "$work/old.tar" -o "$work/old.tar.zst" && zstd --quiet --force $options "$work/new.tar" -o "$work/new.tar.zst"
    check "zstd $options: comes back" update "zstd $options" "$work/old.tar.zst" "$work/new.tar.zst"
    if [ "$version" = v1.5.7 ]; then
        check "zstd $options: is seen through" is_seen_through "$work/new.rgx" libzstd
    fi
done

# Odd streams, of which no encoder makes some: they come back all the same. The tests tell which of them are seen through.
mkdir "$work/odd"
sound=$work/odd/sound.zst
"$python" "$here/libzstd.py" 3 command check <"$work/new.tar" >"$sound"
size=$(bytes_of "$sound")
head -c $((size / 2)) "$sound" >"$work/odd/cut.zst"
head -c $((size - 2)) "$sound" >"$work/odd/cut-checksum.zst"
{ head -c $((size - 1)) "$sound" && printf 'x'; } >"$work/odd/other-checksum.zst"
{ cat "$sound" && head -c 5000 /dev/urandom; } >"$work/odd/garbage.zst"
cat "$sound" "$sound" "$sound" >"$work/odd/frames.zst"
{ printf '' | zstd --quiet -c && printf '\x50\x2a\x4d\x18\x04\0\0\0skip' && cat "$sound"; } >"$work/odd/skippable.zst"
zstd --quiet --adapt -c <"$work/new.tar" >"$work/odd/adapt.zst"
zstd --quiet --rsyncable -c <"$work/new.tar" >"$work/odd/rsyncable.zst"
check "odd streams: come back" round_trips "$work/odd"
