#!/usr/bin/env bash
# skopeo reads an image archive that regrow rebuilt, and finds every digest right.
source "$(dirname "$0")/lib"

make_pair
"$regrow" make --quiet "$work/old.rgx" "$work/old.tar"
"$regrow" make --quiet "$work/new.rgx" "$work/new.tar"
check "skopeo: extract" "$regrow" extract --quiet --seed "$work/old.tar" "$work/new.rgx" "$work/out.tar"

inspects() { skopeo inspect "docker-archive:$work/out.tar" >"$work/inspected" && jq -e '.Architecture == "amd64"' "$work/inspected"; }

# The layer's digest as skopeo found it, beside the one of the image before it was taken apart.
copies() {
    mkdir -p "$work/dir"
    skopeo copy --quiet --insecure-policy "docker-archive:$work/out.tar" "dir:$work/dir" || return 1
    local stated found
    stated=$(tar -xOf "$work/new.tar" "$(tar -xOf "$work/new.tar" manifest.json | jq -r '.[0].Config')" | jq -r '.rootfs.diff_ids[0]')
    # A dir: destination may compress layers; their plain bytes are what diff_ids name.
    local blob
    blob=$work/dir/$(jq -r '.layers[0].digest' "$work/dir/manifest.json" | cut -d: -f2)
    found=sha256:$( (gzip -dc "$blob" 2>/dev/null || cat "$blob") | sha256sum | cut -d' ' -f1)
    echo "stated $stated, found $found"
    [ "$stated" = "$found" ]
}

names_hold() {
    local blob
    for blob in "$work"/dir/[0-9a-f]*; do
        [ "$(sha256sum <"$blob" | cut -d' ' -f1)" = "$(basename "$blob")" ] || return 1
    done
}

check "skopeo: inspect reads the archive" inspects
check "skopeo: copy to dir: checks the archive, and the layer's digest is that of the image" copies
check "skopeo: each blob has its name's digest" names_hold
