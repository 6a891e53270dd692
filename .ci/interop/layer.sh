#!/usr/bin/env bash
# regrow layer in real engines: the image that it makes and the new image are loaded into dockerd, podman, containerd and umoci, and
# their root file systems are compared: contents, modes, owners, attributes, links and times. As root only, and where the engines
# are installed. LAYER_PAIRS: folders with further pairs, an old.tar and a new.tar in each.
source "$(dirname "$0")/lib"

PATH=$PATH:/usr/sbin:/sbin
if [ "$(id -u)" != 0 ]; then
    echo "passed over: engines unpack devices and owners for root alone"
    exit 0
fi
# missing PROGRAM: says so where one is not there.
missing() {
    command -v "$1" >/dev/null && return 1
    echo "passed over: $1 is not installed"
}

pairs=$work/pairs
mkdir -p "$pairs"
python3 "$here/layer_images.py" "$pairs"
for folder in ${LAYER_PAIRS:-}; do
    ln -s "$(realpath "$folder")" "$pairs/$(basename "$folder")"
done

# Names that engines can tell apart: the images of one pair may have the same one.
renamed() {
    python3 - "$1" "$2" "$3" <<'PY'
import io, json, sys, tarfile
source, target, name = sys.argv[1:]
with tarfile.open(source) as old, tarfile.open(target, "w") as new:
    for entry in old:
        data = old.extractfile(entry) if entry.isreg() else None
        if entry.name == "manifest.json":
            manifest = json.load(data)
            manifest[0]["RepoTags"] = [name]
            data = io.BytesIO(json.dumps(manifest).encode())
            entry.size = len(data.getvalue())
        if entry.name == "index.json":
            index = json.load(data)
            index["manifests"] = index["manifests"][:1]
            index["manifests"][0]["annotations"] = {
                "io.containerd.image.name": "docker.io/library/" + name,
                "org.opencontainers.image.ref.name": name.split(":")[1],
            }
            data = io.BytesIO(json.dumps(index).encode())
            entry.size = len(data.getvalue())
        new.addfile(entry, data)
PY
}
names=()
for folder in "$pairs"/*; do
    name=$(basename "$folder")
    names+=("$name")
    mkdir -p "$work/$name"
    check "layer: $name: it is made" "$regrow" layer --quiet "$folder/old.tar" "$folder/new.tar" "$work/$name/out.tar"
    renamed "$work/$name/out.tar" "$work/$name/made.tar" "made-$name:1"
    renamed "$folder/new.tar" "$work/$name/new.tar" "new-$name:1"
done

# listed ENGINE NAME WHICH FOLDER: writes the listing of an image; compared ENGINE NAME: compares those of both images.
compared() { check "layer: $1: $2: the files are those of the new image" same_listings "$work/$2/$1"; }
same_listings() { [ -s "$1-new.txt" ] && diff "$1-new.txt" "$1-made.txt"; }
listed() { python3 "$here/tree.py" "$4" >"$work/$2/$1-$3.txt"; }

# What is mounted below a folder of ours.
unmount_below() {
    local at
    awk -v root="$1" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r at; do umount "$at"; done
}

# within_or_gone PROCESS COMMAND...: waits until the command succeeds, as long as the process lives.
within_or_gone() {
    local process=$1 until=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < until)) && kill -0 "$process" 2>/dev/null || return 1
        sleep 0.2
    done
}

in_umoci() {
    missing umoci && return
    missing skopeo && return
    local name which
    for name in "${names[@]}"; do
        for which in made new; do
            skopeo copy --quiet --insecure-policy "docker-archive:$work/$name/$which.tar" "oci:$work/layout:$which" &&
                umoci unpack --image "$work/layout:$which" "$work/bundle" >"$work/umoci.log" 2>&1 ||
                tail -n 3 "$work/umoci.log"
            listed umoci "$name" "$which" "$work/bundle/rootfs" || true
            rm -rf "$work/bundle" "$work/layout"
        done
        compared umoci "$name"
    done
}

# Each layer of an image of overlay2, the uppermost first.
layers_of_docker() {
    "${docker[@]}" image inspect --format '{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}' "$1" | sed 's/:<no value>$//'
}

in_docker() {
    missing dockerd && return
    missing docker && return
    local data=$work/docker socket=$work/docker.sock process name which layers is_up=1
    dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=overlay2 --data-root "$data" \
        --exec-root "$work/docker-exec" --pidfile "$work/docker.pid" -H "unix://$socket" >"$work/docker.log" 2>&1 &
    process=$!
    docker=(docker -H "unix://$socket")
    if within_or_gone "$process" "${docker[@]}" version; then
        is_up=0
        for name in "${names[@]}"; do
            for which in made new; do
                "${docker[@]}" load --quiet -i "$work/$name/$which.tar" || continue
                layers=$(layers_of_docker "$which-$name:1")
                mkdir -p "$work/merged" "$work/nothing"
                mount -t overlay overlay -o "ro,lowerdir=$layers:$work/nothing" "$work/merged" || continue
                listed docker "$name" "$which" "$work/merged" || true
                umount "$work/merged"
            done
            compared docker "$name"
            check "layer: docker: $name: the image is saved again" saved_again "$name"
        done
    fi
    kill -TERM "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
    unmount_below "$work/docker"
    if ((is_up)); then
        echo "passed over: dockerd does not run with overlay2 here"
        tail -n 3 "$work/docker.log"
    fi
    rm -rf "$data" "$work/docker-exec"
}

# saved_again NAME: the archive that docker saves has the layers that it was given. It cannot save sparse files in any image.
saved_again() {
    [ "$1" = sparse ] && return
    "${docker[@]}" save -o "$work/saved.tar" "made-$1:1" || return 1
    "$regrow" layer --json "$work/saved.tar" "$work/$1/made.tar" "$work/nothing.tar" | jq -e '.bytes_layer == 0'
}

in_podman() {
    missing podman && return
    local root=$work/podman name which at
    printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$root" "$work/podman-run" >"$work/storage.conf"
    export CONTAINERS_STORAGE_CONF=$work/storage.conf
    if ! podman --log-level=error info >/dev/null; then
        echo "passed over: podman does not run with overlay here"
        return
    fi
    for name in "${names[@]}"; do
        for which in made new; do
            podman --log-level=error load --quiet -i "$work/$name/$which.tar" &&
                at=$(podman image mount "$which-$name:1") &&
                listed podman "$name" "$which" "$at" || true
        done
        compared podman "$name"
    done
    podman image unmount --all >/dev/null || true
    unmount_below "$root"
    rm -rf "$root" "$work/podman-run"
}

in_containerd() {
    missing containerd && return
    local root=$work/containerd process name which is_up=1
    printf 'version = 2\nroot = "%s"\nstate = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "%s"\n' \
        "$root" "$work/containerd-state" "$work/containerd.sock" >"$work/containerd.toml"
    containerd --config "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
    process=$!
    local ctr=(ctr --address "$work/containerd.sock")
    if within_or_gone "$process" "${ctr[@]}" version; then
        is_up=0
        for name in "${names[@]}"; do
            for which in made new; do
                mkdir -p "$work/snapshot"
                "${ctr[@]}" images import "$work/$name/$which.tar" >"$work/ctr.log" 2>&1 &&
                    "${ctr[@]}" images mount "docker.io/library/$which-$name:1" "$work/snapshot" >>"$work/ctr.log" 2>&1 ||
                    tail -n 3 "$work/ctr.log"
                listed containerd "$name" "$which" "$work/snapshot" || true
                umount "$work/snapshot" || true
            done
            compared containerd "$name"
        done
    fi
    kill -TERM "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
    unmount_below "$work/containerd"
    check "layer: containerd ran" test "$is_up" = 0
}

in_umoci
in_docker
in_podman
in_containerd
