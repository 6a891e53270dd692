#!/usr/bin/env bash
# What real programs write as zstd is seen through, updated by a patch, and as it was for skopeo: layers by skopeo, podman and
# buildah, streams by Go programs, by the zstd command and by libzstd 1.5.7; and streams that are damaged.
source "$(dirname "$0")/lib"

make_pair
start_python

# archive NAME FORM: an OCI archive of an image with layers of this form. A colon in its name would begin a tag.
archive() {
    skopeo copy --quiet --insecure-policy --dest-compress-format "$2" \
        "docker-archive:$work/$1.tar" "oci-archive:$work/$1-${2/:/-}.tar"
}

manifest_of() { skopeo inspect --raw "oci-archive:$1" | sha256sum; }

same_manifest() { [ "$(manifest_of "$1")" = "$(manifest_of "$2")" ]; }

# skopeo computes all digests again where it copies.
copies() {
    rm -rf "$work/copied"
    mkdir "$work/copied"
    skopeo copy --quiet --insecure-policy --preserve-digests "oci-archive:$1" "dir:$work/copied"
}

is_seen_through() {
    "$regrow" info --json "$1" >"$work/info.json" &&
        jq -e --arg name "$2" '.coded | length > 0 and all(.[].encoders[]; contains($name))' "$work/info.json" >/dev/null
}

# update NAME OLD NEW: NEW's index, a patch from OLD, and NEW again from it.
update() {
    patch_bytes=
    rm -rf "$work/store" "$work/out.tar" "$work/old.rgx" "$work/new.rgx"
    "$regrow" make --quiet "$work/old.rgx" "$2" || return 1
    "$regrow" make --quiet --patch-from "$work/old.rgx" "$work/new.rgx" "$3" || return 1
    "$regrow" extract --quiet --seed "$2" "$work/new.rgx" "$work/out.tar" || return 1
    cmp "$3" "$work/out.tar" || return 1
    patch_bytes=$("$regrow" info --json "$work/new.rgx" | jq '.patches[0].bytes')
    echo "$1: a patch of $patch_bytes bytes to $(bytes_of "$3")"
}

archive old gzip && archive new gzip
check "zstd: the update of gzip layers, for comparison" update gzip "$work/old-gzip.tar" "$work/new-gzip.tar"
gzip_bytes=${patch_bytes:-0}
for form in zstd zstd:chunked; do
    archive old "$form" && archive new "$form" || continue
    old=$work/old-${form/:/-}.tar new=$work/new-${form/:/-}.tar
    check "$form: updated by a patch" update "$form" "$old" "$new"
    check "$form: layers are seen through" is_seen_through "$work/new.rgx" klauspost
    check "$form: costs what gzip does" test "${patch_bytes:-999999999}" -lt $((gzip_bytes * 105 / 100 + 2000))
    check "$form: skopeo finds the same manifest" same_manifest "$new" "$work/out.tar"
    check "$form: skopeo finds every digest right" copies "$work/out.tar"
    check "$form: the second implementation agrees" format_check "$work/new.rgx" "$work/store" "$new"
    check "$form: from gzip layers" update "gzip to $form" "$work/old-gzip.tar" "$new"
    check "$form: the same image from gzip layers costs next to nothing" \
        update "the same, gzip to $form" "$work/new-gzip.tar" "$new"
    check "$form: that is at most 20 KB" test "${patch_bytes:-999999999}" -lt 20000
    check "$form: and back" update "the same, $form to gzip" "$new" "$work/new-gzip.tar"
done

# podman and buildah, by their own push.
engine() { "$1" --root "$work/engine" --runroot "$work/engine-run" --storage-driver vfs "${@:2}"; }
if engine podman load --quiet -i "$work/new.tar" >/dev/null; then
    image=$(engine podman images --quiet | head -n 1)
    for program in podman buildah; do
        for form in zstd zstd:chunked; do
            new=$work/$program-${form/:/-}.tar
            engine "$program" push --quiet --compression-format "$form" "$image" "oci-archive:$new" >/dev/null
            check "$program, $form: from gzip layers" update "$program, gzip to $form" "$work/new-gzip.tar" "$new"
            check "$program, $form: is seen through" is_seen_through "$work/new.rgx" klauspost
            check "$program, $form: is not what gzip costs" test "${patch_bytes:-999999999}" -lt 20000
            check "$program, $form: skopeo finds every digest right" copies "$work/out.tar"
        done
    done
else
    echo "passed over: podman does not run here"
fi

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
