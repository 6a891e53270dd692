#!/usr/bin/env bash
# Gzip layers as real tools write them are seen through, come back bit for bit, and cost next to nothing in the index.
source "$(dirname "$0")/lib"

# A layer: a tar of files that are on any machine, some MB.
mkdir "$work/layers"
tar -C / --sort=name --owner=0 --group=0 --mtime=@1700000000 -cf "$work/all.tar" usr/bin/python3 usr/share/perl5 usr/bin/openssl usr/share/doc \
    2>/dev/null || true
head -c 12000000 "$work/all.tar" >"$work/layer.tar"

# archive BLOB OUT: an OCI archive of one layer.
archive() { python3 "$here/oci.py" "$1" "$2"; }

# seen_through NAME IMAGE: make knows the encoder, extract gives the image again, and what the index says of it is at most 0.1 % of the layers.
seen_through() {
    local name=$1 image=$2 index=$work/$1.rgx
    "$regrow" make --json --store "$work/store" "$index" "$image" >"$work/made.json" 2>"$work/made.log" || return 1
    jq -e '.coded > 0' "$work/made.json" >/dev/null || { cat "$work/made.log"; return 1; }
    "$regrow" info --json --store "$work/store" "$index" >"$work/info.json"
    jq -r '.coded[] | "    \(.encoders | join("; ")): \(.index_bytes) bytes in the index for \(.bytes)"' "$work/info.json"
    jq -e '(.coded | map(.index_bytes) | add) * 1000 <= (.coded | map(.bytes) | add)' "$work/info.json" >/dev/null || return 1
    rm -f "$work/out"
    "$regrow" extract --quiet --store "$work/store" "$index" "$work/out" && cmp "$work/out" "$image"
}

# A tool that writes gzip to standard output.
with_tool() {
    local name=$1
    shift
    "$@" <"$work/layer.tar" >"$work/layers/$name"
    archive "$work/layers/$name" "$work/$name.tar"
    check "gzip layers: $name" seen_through "$name" "$work/$name.tar"
    rm -f "$work/$name.tar"
}

python='import sys, zlib
c = zlib.compressobj(int(sys.argv[1]), zlib.DEFLATED, 31, int(sys.argv[2]))
sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read()) + c.flush())'

for level in 1 2 3 4 5 6 7 8 9; do
    with_tool "gzip-$level" gzip "-$level"
    with_tool "zlib-$level" python3 -c "$python" "$level" 8
done
with_tool zlib-6-memory-9 python3 -c "$python" 6 9
for level in 1 6 9; do
    with_tool "pigz-$level" pigz -p 2 "-$level"
done

# The tools that write layers themselves.
by_skopeo() {
    archive "$work/layer.tar" "$work/plain.tar"
    skopeo copy --quiet --insecure-policy --dest-compress --dest-compress-format gzip "oci-archive:$work/plain.tar" "oci-archive:$work/skopeo.tar" \
        && seen_through skopeo "$work/skopeo.tar"
}
by_umoci() {
    rm -rf "$work/oci"
    umoci init --layout "$work/oci" && umoci new --image "$work/oci:latest" && umoci raw add-layer --image "$work/oci:latest" "$work/layer-whole.tar" \
        && tar -C "$work/oci" -cf "$work/umoci.tar" . && seen_through umoci "$work/umoci.tar"
}
by_buildah() {
    local tool=(buildah --root "$work/buildah" --runroot "$work/buildah-run" --storage-driver vfs) container
    container=$("${tool[@]}" from scratch) && "${tool[@]}" add --quiet "$container" "$work/layer-whole.tar" / >/dev/null \
        && "${tool[@]}" commit --quiet --disable-compression=false "$container" "oci-archive:$work/buildah.tar" >/dev/null \
        && seen_through buildah "$work/buildah.tar"
}
tar -C / --sort=name -cf "$work/layer-whole.tar" usr/bin/openssl usr/share/perl5 2>/dev/null || true
check "gzip layers: skopeo" by_skopeo
check "gzip layers: umoci" by_umoci
check "gzip layers: buildah" by_buildah

# A layer that nobody makes again: skopeo takes the archive in which it is plain.
flushed='import sys, zlib
data, c = sys.stdin.buffer.read(), zlib.compressobj(6, zlib.DEFLATED, 31)
sys.stdout.buffer.write(b"".join(c.compress(data[at:at + 70000]) + c.flush(zlib.Z_SYNC_FLUSH) for at in range(0, len(data), 70000)) + c.flush())'
normalizes() {
    python3 -c "$flushed" <"$work/layer-whole.tar" >"$work/layers/flushed"
    archive "$work/layers/flushed" "$work/flushed.tar"
    "$regrow" make --quiet --normalize --store "$work/store" "$work/flushed.rgx" "$work/flushed.tar" 2>/dev/null || return 1
    "$regrow" extract --quiet --store "$work/store" "$work/flushed.rgx" "$work/normalized.tar" || return 1
    local before after
    before=$(skopeo inspect --config --raw "oci-archive:$work/flushed.tar" | sha256sum)
    after=$(skopeo inspect --config --raw "oci-archive:$work/normalized.tar" | sha256sum)
    [ "$before" = "$after" ] || return 1
    skopeo copy --quiet --insecure-policy "oci-archive:$work/normalized.tar" "docker-archive:$work/loaded.tar:a/b:c"
}
check "gzip layers: skopeo takes a normalized archive, with the same config" normalizes

# An update between layers of different tools fetches hardly anything but where they differ.
crosses() {
    "$regrow" extract --dry-run --json --store "$work/store" --seed "$work/seed.tar" "$work/zlib-6.rgx" "$work/never" >"$work/plan.json"
    jq -e '.bytes_seed > 0.99 * (.bytes_seed + .bytes_store)' "$work/plan.json" >/dev/null
}
archive "$work/layers/gzip-9" "$work/seed.tar"
check "gzip layers: a layer by gzip -9 seeds the same by zlib" crosses
