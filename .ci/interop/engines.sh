#!/usr/bin/env bash
# Updates whose base is only in the storage of a real engine: dockerd, podman, containerd, and an OCI layout by skopeo and by
# umoci. They take what they take from the old archive, and nothing of the storage changes. As root only, and where the engines
# are installed. ENGINES_OLD, ENGINES_NEW: another pair of archives, which docker load takes.
source "$(dirname "$0")/lib"
source "$(dirname "$0")/daemons"

if [ -n "${ENGINES_OLD:-}" ]; then
    ln -s "$ENGINES_OLD" "$work/old.tar"
    ln -s "$ENGINES_NEW" "$work/new.tar"
else
    make_pair
fi
export XDG_DATA_HOME=$work/data XDG_RUNTIME_DIR=$work/run
mkdir -p "$XDG_RUNTIME_DIR" "$work/site"
"$regrow" make --quiet --format 2 "$work/site/old.rgx" "$work/old.tar"
"$regrow" make --quiet --format 2 --patch-from "$work/site/old.rgx" "$work/site/new.rgx" "$work/new.tar"
port=$(free_port)
"$regrow" serve --quiet --listen "127.0.0.1:$port" "$work/site" >"$work/serve.log" 2>&1 &
started+=($!)
url=http://127.0.0.1:$port/new.rgx
answers "$url"

# extracts SEED: the update from this seed alone; its report is in $work/report.json.
extracts() {
    rm -f "$work/out.tar"
    "$regrow" extract --head-first --json --catalog "$work/catalog-$RANDOM" --seed "$1" "$url" "$work/out.tar" \
        >"$work/report.json" || return 1
    cmp "$work/out.tar" "$work/new.tar"
}
extracts "$work/old.tar"
from_archive=$(jq .bytes_fetched "$work/report.json")
archive_s=$(jq .seconds "$work/report.json")

# Names, sizes and contents of all files.
state_of() { (cd "$1" && find . -type f -printf '%p %s %T@\n' | sort | sha256sum); }

costs_the_same() {
    local fetched requests
    fetched=$(jq .bytes_fetched "$work/report.json")
    requests=$(jq .requests "$work/report.json")
    echo "fetched $fetched in $requests requests, $(jq .seconds "$work/report.json") s; from the archive $from_archive, $archive_s s"
    ((fetched * 100 <= from_archive * 102 && requests == 2))
}

# updates WHAT KIND ROOT: the checks of one storage, named and recognised.
updates() {
    local what=$1 kind=$2 root=$3 before
    before=$(state_of "$root")
    check "engines: $what: an update from its storage" extracts "$kind:$root"
    check "engines: $what: it costs what it costs from the old archive" costs_the_same
    check "engines: $what: the folder is recognised" extracts "$root"
    check "engines: $what: as what it is" jq -e --arg kind "$kind" '.storages[0].kind == $kind' "$work/report.json"
    check "engines: $what: it costs the same" costs_the_same
    check "engines: $what: nothing changed in the storage" test "$before" = "$(state_of "$root")"
}

in_oci_layouts() {
    missing skopeo && return
    skopeo copy --quiet --insecure-policy "docker-archive:$work/old.tar" "oci:$work/layout:old" || return 1
    updates "skopeo's OCI layout" oci "$work/layout"
    rm -rf "$work/layout"
}

# runs_docker DRIVER: loads the old image into a daemon of this driver, and ends it.
runs_docker() {
    local loaded=1
    if starts_docker "docker-$1" "$1"; then
        docker -H "unix://$work/docker-$1.sock" load --quiet -i "$work/old.tar" && loaded=0
    fi
    ends_daemon "docker-$1"
    return "$loaded"
}

in_docker() {
    missing dockerd && return
    missing docker && return
    local driver any=1
    for driver in overlay2 vfs; do
        if runs_docker "$driver"; then
            any=0
            updates "dockerd with $driver" docker "$work/docker-$driver"
        else
            echo "passed over: dockerd does not run with $driver here"
            tail -n 3 "$work/docker-$driver.log"
        fi
        rm -rf "$work/docker-$driver" "$work/docker-$driver-exec"
    done
    check "engines: dockerd ran" test "$any" = 0
}

in_podman() {
    missing podman && return
    local driver=overlay root=$work/podman
    for driver in overlay vfs; do
        printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' "$driver" "$root" "$work/podman-run" \
            >"$work/storage.conf"
        if CONTAINERS_STORAGE_CONF=$work/storage.conf podman --log-level=error load --quiet -i "$work/old.tar"; then
            unmount_below "$root"
            updates "podman with $driver" containers-storage "$root"
        else
            echo "passed over: podman does not run with $driver here"
        fi
        unmount_below "$root"
        rm -rf "$root" "$work/podman-run"
    done
}

in_containerd() {
    missing containerd && return
    local root=$work/containerd loaded=1
    local ctr=(ctr --address "$work/containerd.sock" --namespace moby)
    if starts_containerd containerd; then
        # Blobs as a registry has them: compressed.
        skopeo copy --quiet --insecure-policy --dest-compress-format gzip "docker-archive:$work/old.tar" "oci:$work/pulled:old" &&
            tar -C "$work/pulled" -cf "$work/pulled.tar" . &&
            "${ctr[@]}" images import --no-unpack "$work/pulled.tar" && loaded=0
    fi
    ends_daemon containerd
    check "engines: containerd has the image" test "$loaded" = 0
    updates "containerd" containerd "$root"
    # The same content where a Docker daemon keeps it that uses containerd's store.
    mkdir -p "$work/docker-29/containerd"
    mv "$root" "$work/docker-29/containerd/daemon"
    updates "Docker with containerd's store" docker "$work/docker-29"
    rm -rf "$work/docker-29" "$work/pulled" "$work/pulled.tar" "$work/containerd-state"
}

if [ "$(id -u)" != 0 ]; then
    echo "passed over: engines' storage belongs to root"
    exit 0
fi
in_oci_layouts
in_docker
in_podman
in_containerd
