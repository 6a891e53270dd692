#!/usr/bin/env bash
# An image in archives by docker, skopeo, podman, ctr and umoci: an update by patch from an archive by any of them to one by
# any other costs what it does between archives by one program.
source "$(dirname "$0")/lib"

# start_docker, start_containerd: daemons of our own, which need no network.
start_docker() {
    local at=$work/docker
    mkdir "$at"
    dockerd --data-root "$at/data" --exec-root "$at/exec" --pidfile "$at/pid" --host "unix://$at/socket" --bridge none \
        --iptables=false --ip-forward=false --storage-driver vfs 2>"$at/log" &
    started+=($!)
    docker=(docker --host "unix://$at/socket")
    within "${docker[@]}" info >/dev/null 2>&1 || { tail -5 "$at/log"; return 1; }
}
start_containerd() {
    local at=$work/containerd
    mkdir "$at"
    cat >"$at/config.toml" <<CONF
version = 2
root = "$at/root"
state = "$at/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$at/socket"
[ttrpc]
address = "$at/ttrpc"
CONF
    containerd --config "$at/config.toml" 2>"$at/log" &
    started+=($!)
    ctr=(ctr --address "$at/socket")
    within "${ctr[@]}" version >/dev/null 2>&1 || { tail -5 "$at/log"; return 1; }
}
podman=(podman --root "$work/podman/root" --runroot "$work/podman/run" --tmpdir "$work/podman/tmp" --storage-driver vfs
    --cgroup-manager cgroupfs --events-backend none)

# by_PROGRAM IMAGE RELEASE OUT: what the program makes of an archive by docker.
by_docker() { "${docker[@]}" load --quiet --input "$1" >/dev/null && "${docker[@]}" save --output "$3" "shop:$2"; }
by_skopeo() { skopeo copy --quiet --insecure-policy "docker-archive:$1" "docker-archive:$3:shop:$2"; }
by_skopeo_oci() { skopeo copy --quiet --insecure-policy "docker-archive:$1" "oci-archive:$3:$2"; }
by_podman() { "${podman[@]}" load --quiet --input "$1" >/dev/null && "${podman[@]}" save --quiet --output "$3" "localhost/shop:$2"; }
by_podman_oci() { "${podman[@]}" save --quiet --format oci-archive --output "$3" "localhost/shop:$2"; }
by_ctr() {
    "${ctr[@]}" images import --no-unpack "$1" >/dev/null && "${ctr[@]}" images export "$3" "docker.io/library/shop:$2"
}
by_umoci() {
    local layout=$work/umoci-$2 layer
    rm -rf "$layout"
    umoci init --layout "$layout" && umoci new --image "$layout:latest" || return 1
    for layer in $(tar -xOf "$1" manifest.json | jq -r '.[0].Layers[]'); do
        tar -xOf "$1" "$layer" >"$work/layer" && umoci raw add-layer --image "$layout:latest" "$work/layer" || return 1
    done
    tar -C "$layout" -cf "$3" .
}

writers=(skopeo skopeo_oci podman podman_oci umoci)
# Not every machine lets daemons run.
if start_docker; then writers+=(docker); else echo "passed over: dockerd does not run here"; fi
if start_containerd; then writers+=(ctr); else echo "passed over: containerd does not run here"; fi
python3 "$here/image.py" "$work/old.image" old base
python3 "$here/image.py" "$work/new.image" new base
for release in old new; do
    for writer in "${writers[@]}"; do
        mkdir -p "$work/$writer"
        check "crossings: $release by $writer" "by_$writer" "$work/$release.image" "$release" "$work/$writer/$release.tar"
    done
done
for writer in "${writers[@]}"; do
    make=("$regrow" make --quiet --format 2 --store "$work/store" --catalog "$work/catalog")
    "${make[@]}" "$work/$writer/old.rgx" "$work/$writer/old.tar"
    check "crossings: a patch to what $writer wrote" \
        "${make[@]}" --patch-from "$work/$writer/old.rgx" --old "$work/$writer/old.tar" "$work/$writer/new.rgx" "$work/$writer/new.tar"
done
start_nginx "$work" /skopeo/new.rgx

# crosses FROM TO: two requests, and hardly more bytes than from an archive by the same program.
crosses() {
    local url=http://127.0.0.1:$plain/$2/new.rgx
    rm -f "$work/out" "$work/extract-catalog"
    "$regrow" extract --quiet --json --head-first --catalog "$work/extract-catalog" --seed "$work/$1/old.tar" "$url" \
        "$work/out" >"$work/report.json" || return 1
    cmp "$work/out" "$work/$2/new.tar" || return 1
    local bytes
    bytes=$(jq .bytes_fetched "$work/report.json")
    [ "$1" = "$2" ] && same=$bytes
    echo "    $bytes bytes, $same from the same program"
    ((bytes * 100 <= same * 102 || bytes <= same + 600)) && jq -e '.requests == 2' "$work/report.json" >/dev/null
}
for to in "${writers[@]}"; do
    check "crossings: from $to to $to" crosses "$to" "$to"
    for from in "${writers[@]}"; do
        [ "$from" = "$to" ] || check "crossings: from $from to $to" crosses "$from" "$to"
    done
done
