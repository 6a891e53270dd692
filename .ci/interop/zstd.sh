#!/usr/bin/env bash
# Zstd layers by skopeo, podman and buildah are seen through, updated by a patch, and as they were for skopeo. zstd_files.sh
# has single files.
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
