#!/usr/bin/env bash
# Images that are no file, by real tools: the same image in a registry, in a folder with the OCI layout, in dockerd, and in the
# storage of podman gives the same archive wherever its layers are the same blobs, and tools find the manifest's digest in it
# that the registry has. What is not installed, or needs root, is passed over.
source "$(dirname "$0")/lib"

PATH=$PATH:/usr/sbin:/sbin
export XDG_DATA_HOME=$work/data XDG_RUNTIME_DIR=$work/run
mkdir -p "$XDG_RUNTIME_DIR"
make_pair

# archive_of OUT SOURCE [OPTION...]: what regrow makes of a source, put together again.
archive_of() {
    local out=$1 source=$2
    shift 2
    "$regrow" make --json "$@" "$work/image.rgx" "$source" >"$work/report.json" &&
        "$regrow" extract --quiet --force "$work/image.rgx" "$out"
}
source_digest() { jq -r .source_digest "$work/report.json"; }
digest_of() { echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"; }
same() { cmp "$1" "$2"; }

# copied_digest ARCHIVE: the digest of the manifest that skopeo takes out of an archive.
copied_digest() {
    rm -rf "$work/copied"
    skopeo copy --quiet --insecure-policy "oci-archive:$1" "dir:$work/copied" && digest_of "$work/copied/manifest.json"
}
copies_to() { [ "$(copied_digest "$1")" = "$2" ]; }

missing() {
    command -v "$1" >/dev/null && return 1
    echo "passed over: $1 is not installed"
}

within_or_gone() {
    local process=$1 until=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < until)) && kill -0 "$process" 2>/dev/null || return 1
        sleep 0.2
    done
}

unmount_below() {
    local at
    awk -v root="$1" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r at; do umount "$at"; done
}

if missing skopeo; then exit 0; fi

# One image in a layout, its layers compressed.
skopeo copy --quiet --insecure-policy --format oci "docker-archive:$work/old.tar" "oci:$work/layout:old"
digest=$(jq -r '.manifests[0].digest' "$work/layout/index.json")
check "sources: make takes a folder with the OCI layout" archive_of "$work/oci.tar" "oci:$work/layout:old"
check "sources: the report has the manifest's digest" test "$(source_digest)" = "$digest"
check "sources: skopeo finds that digest in the archive" copies_to "$work/oci.tar" "$digest"
check "sources: by its digest it is the same archive" archive_of "$work/other.tar" "oci:$work/layout@$digest"
check "sources: byte for byte" same "$work/oci.tar" "$work/other.tar"

registry_port=
# in_registry: checks of an image in a registry, whose layers are those of the layout.
in_registry() {
    missing docker-registry && return
    local port
    port=$(free_port)
    printf 'version: 0.1\nstorage: { filesystem: { rootdirectory: %s } }\nhttp: { addr: 127.0.0.1:%s }\n' \
        "$work/registry" "$port" >"$work/registry.yml"
    docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
    started+=($!)
    answers "http://127.0.0.1:$port/v2/"
    registry_port=$port
    local place=127.0.0.1:$port/team/app to=(--quiet --insecure-policy --dest-tls-verify=false)
    skopeo copy "${to[@]}" --preserve-digests "oci:$work/layout:old" "docker://$place:old"
    check "sources: make takes an image of a registry" archive_of "$work/other.tar" "oci://$place:old"
    check "sources: it is the archive of the layout" same "$work/oci.tar" "$work/other.tar"
    check "sources: the registry has the same digest" test \
        "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$place:old")" = "$(source_digest)"
    check "sources: make takes it by its digest" archive_of "$work/other.tar" "oci://$place@$digest"
    check "sources: byte for byte again" same "$work/oci.tar" "$work/other.tar"
    check "sources: skopeo brings the archive back under its digest" comes_back "$place"
    # In the form that Docker has for manifests.
    skopeo copy "${to[@]}" --format v2s2 "docker-archive:$work/new.tar" "docker://$place:new"
    check "sources: make takes Docker's manifests, with a patch" archive_of "$work/new-oci.tar" "oci://$place:new" \
        --patch-from "$work/image.rgx"
    check "sources: skopeo finds their digest" copies_to "$work/new-oci.tar" "$(source_digest)"
    in_index "$place"
    check "sources: an image that is not there" refuses "$regrow" make "$work/none.rgx" "oci://$place:none"
}

comes_back() {
    skopeo copy --quiet --insecure-policy --dest-tls-verify=false --preserve-digests "oci-archive:$work/oci.tar" \
        "docker://$1:back" || return 1
    [ "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$1:back")" = "$digest" ]
}

# in_index PLACE: images for two platforms behind one name.
in_index() {
    missing buildah && return
    local place=$1 arch
    export CONTAINERS_STORAGE_CONF=$work/buildah.conf
    printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$work/buildah" "$work/buildah-run" >"$work/buildah.conf"
    buildah manifest create both >/dev/null
    local to=(--quiet --insecure-policy --dest-tls-verify=false)
    skopeo copy "${to[@]}" --preserve-digests "oci:$work/layout:old" "docker://$place:amd64"
    skopeo copy "${to[@]}" --format oci "docker-archive:$work/new.tar" "docker://$place:arm64"
    for arch in amd64 arm64; do
        buildah manifest add --tls-verify=false --arch "$arch" --os linux both "docker://$place:$arch" >/dev/null
    done
    buildah manifest push --quiet --tls-verify=false --all both "docker://$place:both"
    check "sources: one platform of an index" archive_of "$work/other.tar" "oci://$place:both" --platform linux/amd64
    check "sources: it is the image alone" same "$work/oci.tar" "$work/other.tar"
    check "sources: all platforms" archive_of "$work/all.tar" "oci://$place:both" --all
    rm -rf "$work/all"
    check "sources: skopeo takes them out again" skopeo copy --quiet --insecure-policy --all --preserve-digests \
        "oci-archive:$work/all.tar" "dir:$work/all"
    check "sources: under the digest of the index" test "$(digest_of "$work/all/manifest.json")" = "$(source_digest)"
    unset CONTAINERS_STORAGE_CONF
}

in_docker() {
    missing dockerd && return
    local socket=$work/docker.sock process
    dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=vfs --data-root "$work/docker" \
        --exec-root "$work/docker-exec" --pidfile "$work/docker.pid" -H "unix://$socket" >"$work/docker.log" 2>&1 &
    process=$!
    local docker=(docker -H "unix://$socket")
    if ! within_or_gone "$process" "${docker[@]}" version; then
        echo "passed over: dockerd does not run here"
        tail -n 3 "$work/docker.log"
        return
    fi
    local name=example.org/team/app:7
    check "sources: dockerd tags what has a name" loads_by_name "${docker[@]}"
    export DOCKER_HOST=unix://$socket
    check "sources: make takes an image of dockerd" archive_of "$work/docker.tar" "docker-daemon:$name"
    check "sources: skopeo finds the digest in the archive" copies_to "$work/docker.tar" "$(source_digest)"
    check "sources: by its id it is the same archive" archive_of "$work/other.tar" \
        "docker-daemon:$("${docker[@]}" image inspect --format '{{.Id}}' "$name")"
    check "sources: byte for byte, too" same "$work/docker.tar" "$work/other.tar"
    unset DOCKER_HOST
    # The archives go back: that with plain layers, and that with compressed ones.
    local id
    id=$("${docker[@]}" image inspect --format '{{.Id}}' "$name")
    for archive in docker oci; do
        "${docker[@]}" image rm --force "$id" >/dev/null
        check "sources: dockerd loads $archive.tar" "${docker[@]}" load --quiet -i "$work/$archive.tar"
        check "sources: dockerd has the same image id" "${docker[@]}" image inspect --format '{{.Id}}' "$id"
    done
    if [ -n "$registry_port" ]; then
        check "sources: dockerd gets a small update from the registry that it pulls from" updates_docker "${docker[@]}"
    fi
    kill -TERM "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
    unmount_below "$work/docker"
    rm -rf "$work/docker" "$work/docker-exec"
}

loads_by_name() {
    archive_of "$work/named.tar" "oci:$work/layout:old" --tag example.org/team/app:7 &&
        "$@" load --quiet -i "$work/named.tar" | grep -q 'Loaded image: example.org/team/app:7'
}

# Small updates through an ordinary registry: docs/engines.md. dockerd pulls the old image, and regrow brings the new one.
updates_docker() {
    local place=127.0.0.1:$registry_port/team/fleet both=(--quiet --insecure-policy --dest-tls-verify=false --format v2s2)
    local docker=("$@") fetched whole
    skopeo copy "${both[@]}" "docker-archive:$work/old.tar" "docker://$place:1"
    skopeo copy "${both[@]}" "docker-archive:$work/new.tar" "docker://$place:2"
    "${docker[@]}" pull --quiet "$place:1" || return 1
    "$regrow" make --quiet --patch-from "oci://$place:1" --tag "$place:2" "oci://$place-rgx:2" "oci://$place:2" || return 1
    "$regrow" load --json --engine docker --socket "$work/docker.sock" --catalog "$work/device" "oci://$place-rgx:2" \
        >"$work/report.json" || return 1
    fetched=$(jq .bytes_fetched "$work/report.json")
    whole=$(skopeo inspect --tls-verify=false --raw "docker://$place:2" | jq '[.layers[].size] | add')
    echo "fetched $fetched bytes of an image of $whole"
    ((fetched * 10 < whole)) || return 1
    "${docker[@]}" image inspect --format '{{.Id}}' "$place:2" >"$work/loaded-id" || return 1
    "${docker[@]}" image rm --force "$place:2" && "${docker[@]}" pull --quiet "$place:2" || return 1
    [ "$("${docker[@]}" image inspect --format '{{.Id}}' "$place:2")" = "$(cat "$work/loaded-id")" ]
}

in_podman() {
    missing podman && return
    local driver root=$work/podman id
    for driver in overlay vfs; do
        printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' "$driver" "$root" "$work/podman-run" \
            >"$work/storage.conf"
        export CONTAINERS_STORAGE_CONF=$work/storage.conf
        # The layers of this archive are compressed; the storage keeps them plain.
        if podman --log-level=error load --quiet -i "$work/oci.tar" >/dev/null; then
            id=$(podman images --no-trunc --quiet | head -n 1)
            podman tag "$id" localhost/app:7
            check "sources: make takes an image of podman with $driver" archive_of "$work/podman.tar" \
                "containers-storage:$root/localhost/app:7"
            check "sources: skopeo finds the digest in it" copies_to "$work/podman.tar" "$(source_digest)"
            check "sources: it is the archive of dockerd's image" same "$work/docker.tar" "$work/podman.tar"
            podman rmi --all --force >/dev/null
            check "sources: podman loads it" podman load --quiet -i "$work/podman.tar"
            check "sources: as the image of the same id" test "$(podman images --no-trunc --quiet | head -n 1)" = "$id"
            check "sources: under the manifest's digest" test \
                "$(podman images --no-trunc --digests --format '{{.Digest}}' | head -n 1)" = "$(source_digest)"
        else
            echo "passed over: podman does not run with $driver here"
        fi
        unset CONTAINERS_STORAGE_CONF
        unmount_below "$root"
        rm -rf "$root" "$work/podman-run"
    done
}

in_containerd() {
    missing containerd && return
    local process
    printf 'version = 2\nroot = "%s"\nstate = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "%s"\n' \
        "$work/containerd" "$work/containerd-state" "$work/containerd.sock" >"$work/containerd.toml"
    containerd --config "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
    process=$!
    local ctr=(ctr --address "$work/containerd.sock")
    if within_or_gone "$process" "${ctr[@]}" version; then
        archive_of "$work/named.tar" "oci:$work/layout:old" --tag example.org/team/app:7
        check "sources: containerd takes the archive" "${ctr[@]}" images import --no-unpack "$work/named.tar"
        check "sources: under its name and its digest" finds_in_containerd "${ctr[@]}"
    fi
    kill -TERM "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
    unmount_below "$work/containerd"
}

finds_in_containerd() { "$@" images list | grep -q "^example.org/team/app:7 .*$digest"; }

in_registry
if [ "$(id -u)" != 0 ]; then
    echo "passed over: engines need root"
    exit 0
fi
in_docker
in_podman
in_containerd
have_reasons
