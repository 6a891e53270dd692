#!/usr/bin/env bash
# Archives whose layers skopeo compresses with zstd, and a whole archive by the zstd command: seen through, updated by a
# patch, and as they were for skopeo.
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

# The zstd command writes what its own version of libzstd makes, which regrow has or has not.
version=$(zstd --version | grep -o 'v[0-9.]*' | head -n 1)
for options in "" "-1" "-19" "--long" "--single-thread" "--no-check"; do
    # shellcheck disable=SC2086
    zstd --quiet --force $options "$work/old.tar" -o "$work/old.tar.zst" && zstd --quiet --force $options "$work/new.tar" -o "$work/new.tar.zst"
    check "zstd $options: comes back" update "zstd $options" "$work/old.tar.zst" "$work/new.tar.zst"
    if [ "$version" = v1.5.7 ]; then
        check "zstd $options: is seen through" is_seen_through "$work/new.rgx" libzstd
    fi
done
