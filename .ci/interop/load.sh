#!/usr/bin/env bash
# Images that go into real engines: dockerd, podman, containerd. Each has the old image, takes the new one by `regrow load`, and
# has it then as the maker had it, by id and by the manifest's digest. Only what an engine lacks is sent, and only that is read.
# As root only, and where the engines are installed.
source "$(dirname "$0")/lib"
source "$(dirname "$0")/daemons"

if [ "$(id -u)" != 0 ]; then
    echo "passed over: engines' storage belongs to root"
    exit 0
fi
export XDG_DATA_HOME=$work/data XDG_RUNTIME_DIR=$work/run
mkdir -p "$XDG_RUNTIME_DIR" "$work/site"

# Images of small layers: the old one of 40, the new one with 3 others at its top; the same as OCI archives with gzip layers.
python3 "$here/layers.py" "$work" || exit 1
for name in old new; do
    "$regrow" make --quiet "$work/site/$name.rgx" "$work/$name.tar"
    "$regrow" make --quiet "$work/site/$name-oci.rgx" "$work/$name-oci.tar"
done
"$regrow" make --quiet "$work/site/large.rgx" "$work/large.tar"
id=$(cat "$work/new.id")
manifest=$(cat "$work/new.manifest")
port=$(free_port)
"$regrow" serve --quiet --listen "127.0.0.1:$port" "$work/site" >"$work/serve.log" 2>&1 &
started+=($!)
url=http://127.0.0.1:$port
answers "$url/new.rgx"

# loads INDEX OPTION...: gives the image to the engine; the report is in $work/report.json.
loads() {
    local index=$1
    shift
    "$regrow" load --json --catalog "$work/catalog-$RANDOM$RANDOM" "${engine[@]}" "$@" "$url/$index" >"$work/report.json"
}
says() { jq -e "$1" "$work/report.json" >/dev/null || { jq -c 'del(.layers)' "$work/report.json"; return 1; }; }

# refuses_in_a_line CODE TEXT COMMAND...: whether the command ends with this code, and one line that has this text.
refuses_in_a_line() {
    local code=$1 text=$2 given=0
    shift 2
    "$@" 2>"$work/said" >/dev/null || given=$?
    grep -v '^regrow: warning: ' "$work/said" >"$work/error" || true
    [ "$given" = "$code" ] && [ "$(wc -l <"$work/error")" = 1 ] && grep -q "$text" "$work/error" && return 0
    echo "exit code $given:" && cat "$work/said"
    return 1
}

# reads_nothing_held PATTERN: loads the new image, and looks whether files with such names are opened.
reads_nothing_held() {
    local files=$1
    strace -f -qq -e trace=open,openat,openat2 -o "$work/strace" "$regrow" load --quiet --catalog "$work/catalog-$RANDOM$RANDOM" \
        "${engine[@]}" "$url/new.rgx" || return 1
    ! grep -E "$files" "$work/strace" | grep -v ENOENT | head -n 5 | grep .
}

is_docker_image() { [ "$("${docker[@]}" image inspect --format '{{.Id}}' "$1")" = "$2" ]; }

in_docker() {
    missing dockerd && return
    missing docker && return
    starts_docker docker overlay2 || starts_docker docker vfs || { check "load: dockerd runs" false; return; }
    docker=(docker -H "unix://$work/docker.sock")
    engine=(--engine docker --socket "$work/docker.sock")
    "${docker[@]}" load --quiet -i "$work/old.tar" >/dev/null
    check "load: docker: a dry run says what would be sent" loads new.rgx --dry-run
    check "load: docker: 3 of 40 layers" says '.layers_sent == 3 and .layers_held == 37 and .dry_run'
    check "load: docker: a dry run gives nothing" refuses is_docker_image app:new "$id"
    check "load: docker: an image goes in, and nothing of 37 layers is read" reads_nothing_held 'layer-[0-9]+-of-37'
    check "load: docker: it has the maker's id" is_docker_image app:new "$id"
    check "load: docker: it is there already" loads new.rgx
    check "load: docker: and nothing is sent" says '.already_there and .layers_sent == 0'
    "${docker[@]}" image rm --force app:new >/dev/null
    check "load: docker: an OCI archive with gzip layers" loads new-oci.rgx
    check "load: docker: only 3 layers of it are sent" says '.layers_sent == 3'
    check "load: docker: it has the maker's id from there, too" is_docker_image app:new "$id"
    check "load: docker: another name" loads new.rgx --tag host:5000/other:2
    check "load: docker: and the image has it" is_docker_image host:5000/other:2 "$id"
    docker_refuses
    docker_updates
    ends_daemon docker
    rm -rf "$work/docker" "$work/docker-exec"
    docker_is_full
}

docker_refuses() {
    install -m 755 "$regrow" "$work/for-all"
    chmod 711 "$work"
    check "load: docker: another user's socket" refuses_in_a_line 1 "may not use docker's socket" \
        setpriv --reuid 65534 --clear-groups "$work/for-all" load "${engine[@]}" "$url/new.rgx"
    "${docker[@]}" image rm --force app:new host:5000/other:2 >/dev/null
    "${docker[@]}" image prune --force >/dev/null
    "$regrow" load --quiet --catalog "$work/catalog-killed" --limit-rate 20KB --no-patch "${engine[@]}" "$url/new.rgx" &
    local process=$!
    sleep 1
    kill -KILL "$process"
    wait "$process" 2>/dev/null || true
    check "load: docker: a run that is killed leaves no image" refuses is_docker_image app:new "$id"
    check "load: docker: and the next one completes it" loads new.rgx
    check "load: docker: by the maker's id" is_docker_image app:new "$id"
}

# The script of the timer: an update, one that does not start, and the way back.
docker_updates() {
    "${docker[@]}" tag "$("${docker[@]}" image inspect --format '{{.Id}}' app:old)" app:latest
    cat >"$work/regrow" <<SCRIPT
#!/bin/sh
exec "$regrow" "\$@" --catalog "$work/catalog-timer"
SCRIPT
    chmod +x "$work/regrow"
    export DOCKER_HOST=unix://$work/docker.sock
    local old
    old=$("${docker[@]}" image inspect --format '{{.Id}}' app:old)
    updates() { INDEX=$url/new.rgx IMAGE=app RESTART=$1 REGROW=$work/regrow "$here/../../packaging/regrow-load" "${@:2}"; }
    check "load: timer: an image that does not start" refuses updates "test -e $work/nothing"
    check "load: timer: is taken back" is_docker_image app:latest "$old"
    check "load: timer: and not tried again" updates "touch $work/started"
    check "load: timer: nothing was started" test ! -e "$work/started"
    "${docker[@]}" image rm app:failed >/dev/null
    check "load: timer: an image that starts" updates "touch $work/started"
    check "load: timer: is the latest" is_docker_image app:latest "$id"
    check "load: timer: and the one before is kept" is_docker_image app:previous "$old"
    check "load: timer: it started" test -e "$work/started"
    check "load: timer: the next run" updates "false"
    "$regrow" load --json --catalog "$work/catalog-timer" --tag app:next "$url/new.rgx" >"$work/report.json"
    # The tags of this server prove nothing, so it is the head of the index that comes.
    check "load: timer: costs one small request" says '.already_there and .requests == 1 and .bytes_fetched < 4096'
    check "load: timer: the way back" updates true back
    check "load: timer: leads to the one before" is_docker_image app:latest "$old"
    check "load: timer: and stays there" updates "false"
    check "load: timer: as it is" is_docker_image app:latest "$old"
    unset DOCKER_HOST
}

# A daemon whose disk has no room for the image.
docker_is_full() {
    mkdir -p "$work/full"
    mount -t tmpfs -o size=24m none "$work/full" || return 0
    if starts_docker full vfs; then
        engine=(--engine docker --socket "$work/full.sock")
        docker=(docker -H "unix://$work/full.sock")
        check "load: docker: a full disk is said in one line" refuses_in_a_line 1 "no space left" loads large.rgx
        check "load: docker: and no image is there" test -z "$("${docker[@]}" image ls --all --quiet)"
    fi
    ends_daemon full
    umount "$work/full" 2>/dev/null || true
}

podman_shows() { [ "$(podman image inspect --format "$2" "$1")" = "$3" ]; }

in_podman() {
    missing podman && return
    local driver root=$work/podman whole
    engine=(--engine podman)
    export CONTAINERS_STORAGE_CONF=$work/storage.conf
    for driver in overlay vfs; do
        printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' "$driver" "$root" "$work/podman-run" \
            >"$CONTAINERS_STORAGE_CONF"
        podman --log-level=error load --quiet -i "$work/new.tar" >/dev/null && break
        rm -rf "$root" "$work/podman-run"
    done
    # What Podman makes of the whole archive.
    whole=$(podman image inspect --format '{{.Digest}}' app:new)
    podman image rm --force app:new >/dev/null
    podman load --quiet -i "$work/old.tar" >/dev/null
    check "load: podman: an image goes in, and nothing of 37 layers is read" reads_nothing_held 'layer-[0-9]+-of-37'
    check "load: podman: it has the maker's id" podman_shows app:new '{{.Id}}' "${id#sha256:}"
    check "load: podman: and the digest that the whole archive gives" podman_shows app:new '{{.Digest}}' "$whole"
    check "load: podman: it is there already" loads new.rgx
    check "load: podman: and nothing is sent" says '.already_there and .layers_sent == 0'
    podman image rm --force app:new >/dev/null
    check "load: podman: an OCI archive with gzip layers" loads new-oci.rgx
    check "load: podman: keeps the maker's id" podman_shows app:new '{{.Id}}' "${id#sha256:}"
    check "load: podman: and the maker's manifest" podman_shows app:new '{{.Digest}}' "$manifest"
    podman image rm --all --force >/dev/null
    check "load: podman: the old OCI archive, all of it" loads old-oci.rgx
    check "load: podman: its layers are known by their blobs" loads new-oci.rgx
    check "load: podman: and only 3 are sent" says '.layers_sent == 3 and .layers_held == 37'
    check "load: podman: the maker's manifest again" podman_shows app:new '{{.Digest}}' "$manifest"
    check "load: podman: nothing is left behind" test -z "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'regrow-tmp-*' -newer "$work/report.json")"
    unset CONTAINERS_STORAGE_CONF
    unmount_below "$root"
    rm -rf "$root" "$work/podman-run"
}

containerd_shows() { "${ctr[@]}" images ls "name==\"$1\"" | grep -q "$2"; }

in_containerd() {
    missing containerd && return
    local whole
    starts_containerd containerd || { check "load: containerd runs" false; return; }
    engine=(--engine containerd --socket "$work/containerd.sock" --namespace k8s.io)
    ctr=(ctr --address "$work/containerd.sock" --namespace k8s.io)
    "${ctr[@]}" images import "$work/new.tar" >/dev/null
    whole=$("${ctr[@]}" images ls 'name=="docker.io/library/app:new"' | awk 'END { print $3 }')
    "${ctr[@]}" images rm --sync docker.io/library/app:new >/dev/null
    "${ctr[@]}" images import "$work/old.tar" >/dev/null
    check "load: containerd: an image goes in, and nothing of 37 layers is read" reads_nothing_held 'layer-[0-9]+-of-37'
    check "load: containerd: it has the digest that the whole archive gives" containerd_shows docker.io/library/app:new "$whole"
    check "load: containerd: it is complete" is_complete docker.io/library/app:new
    check "load: containerd: it is there already" loads new.rgx
    check "load: containerd: and nothing is sent" says '.already_there and .layers_sent == 0'
    check "load: containerd: an OCI archive with gzip layers" loads new-oci.rgx --tag app:oci
    check "load: containerd: keeps the maker's manifest" containerd_shows docker.io/library/app:oci "$manifest"
    check "load: containerd: its layers are not sent twice" loads new-oci.rgx --dry-run --tag app:other
    check "load: containerd: neither as blobs nor as snapshots" says '.layers_sent == 0'
    # As machines of Kubernetes have it whose containerd discards layers after unpacking them.
    ctr=(ctr --address "$work/containerd.sock" --namespace discarding)
    engine=(--engine containerd --socket "$work/containerd.sock" --namespace discarding)
    "${ctr[@]}" images import "$work/old.tar" >/dev/null
    "${ctr[@]}" content ls | awk '$2 ~ /^1[0-9][0-9]\..kB$/ { print $1 }' | xargs "${ctr[@]}" content rm >/dev/null
    check "load: containerd: layers that were discarded after unpacking are not sent" loads new.rgx
    check "load: containerd: but those of which there is no snapshot" says '.layers_sent == 3'
    check "load: containerd: and the image is unpacked" unpacked docker.io/library/app:new
    engine=(--engine containerd --socket "$work/containerd.sock" --namespace other)
    ctr=(ctr --address "$work/containerd.sock" --namespace other)
    check "load: containerd: another namespace" loads new.rgx
    check "load: containerd: gets all layers" says '.layers_sent == 40'
    check "load: containerd: and is complete" is_complete docker.io/library/app:new
    check "load: containerd: an image under no other name" test "$("${ctr[@]}" images ls --quiet)" = docker.io/library/app:new
    "$regrow" load --quiet --catalog "$work/catalog-killed-2" --limit-rate 20KB --no-patch --engine containerd --socket "$work/containerd.sock" --namespace killed \
        "$url/new.rgx" 2>/dev/null &
    local process=$!
    sleep 1
    kill -KILL "$process"
    wait "$process" 2>/dev/null || true
    check "load: containerd: a run that is killed leaves no image" \
        test -z "$(ctr --address "$work/containerd.sock" --namespace killed images ls --quiet)"
    ends_daemon containerd
    rm -rf "$work/containerd" "$work/containerd-state"
}
unpacked() { "${ctr[@]}" images check "name==\"$1\"" | grep -q ' true'; }
is_complete() { "${ctr[@]}" images check "name==\"$1\"" | grep -q ' complete .*true'; }

in_docker
in_podman
in_containerd
