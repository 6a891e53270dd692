#!/usr/bin/env bash
# Registries: Debian's docker-registry, open, with passwords and with tokens, and container-registry from crates.io, which
# knows neither ranges nor lists. skopeo copies images between them, and oras makes a store of one.
source "$(dirname "$0")/lib"

python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check bcrypt==5.0.0 oras==0.2.43
python=$work/python/bin/python
second=${REGISTRY_SECOND:-$PWD/target/ci-registry/bin/container-registry}
[ -x "$second" ] || cargo install --quiet --locked --root target/ci-registry --features bin container-registry@0.3.1

# start_registry NAME [AUTH]: a docker-registry whose port is $port.
start_registry() {
    port=$(free_port)
    cat >"$work/$1.yml" <<CONF
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/$1}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port"}
${2:-}
CONF
    docker-registry serve "$work/$1.yml" >"$work/$1.log" 2>&1 &
    started+=($!)
    listens "$port"
}

# number REPORT KEY
number() { jq -r ".$2" "$1"; }
manifest() { curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$1/manifests/$2"; }
same_manifests() { [ "$(manifest "$1" "$2" | sha256sum)" = "$(manifest "$3" "$4" | sha256sum)" ]; }
extracts() { "$regrow" extract --quiet --catalog "$work/fresh-$RANDOM" "$1" "$work/out" && cmp "$work/out" "$2" && rm "$work/out"; }
catalog() { echo --catalog "$work/catalog"; }

make_pair
start_registry one
one=127.0.0.1:$port
start_registry two
two=127.0.0.1:$port
app=oci://$one/team/app

check "registry: make" "$regrow" make --quiet "$app:v1" "$work/old.tar"
check "registry: make the next image, with a patch" "$regrow" make --quiet --patch-from "$app:v1" "$app:v2" "$work/new.tar"
check "registry: both come back" eval 'extracts "$app:v1" "$work/old.tar" && extracts "$app:v2" "$work/new.tar"'

updates() {
    "$regrow" extract --json $(catalog) --seed "$work/old.tar" "$app:v2" "$work/out" >"$work/report" || return 1
    cmp "$work/out" "$work/new.tar" || return 1
    local patch
    patch=$(manifest "$one/v2/team/app" v2 | jq '[.layers[] | select(.mediaType | endswith("patch.v1"))][0].size')
    echo "fetched $(number "$work/report" bytes_fetched) bytes in $(number "$work/report" requests) requests, of which the patch has $patch"
    [ "$(number "$work/report" requests)" = 2 ] && (($(number "$work/report" bytes_fetched) <= patch + 8192))
}
polls() {
    "$regrow" extract --json $(catalog) "$app:v2" "$work/out" >"$work/report" && rm "$work/out" &&
        [ "$(number "$work/report" requests) $(number "$work/report" bytes_fetched)" = "1 0" ]
}
check "registry: an update by the patch takes two requests" updates
check "registry: what has not changed costs one answer without a body" polls
check "registry: info, diff, verify" eval '"$regrow" info --json "$app:v2" | jq -e ".image_bytes > 0" && "$regrow" diff --json "$app:v1" "$app:v2" | jq -e ".chunks_new > 0 or true" && "$regrow" verify --store "$app" "$app:v1" "$app:v2"'

check "registry: skopeo copies an image to another registry" skopeo copy --quiet --insecure-policy --src-tls-verify=false \
    --dest-tls-verify=false "docker://$one/team/app:v2" "docker://$two/mirror/app:stable"
check "registry: its manifest is the same there" same_manifests "$one/v2/team/app" v2 "$two/v2/mirror/app" stable
check "registry: and the image comes from there" extracts "oci://$two/mirror/app:stable" "$work/new.tar"
check "registry: skopeo copies it into a folder and back" eval 'skopeo copy --quiet --insecure-policy --src-tls-verify=false "docker://$one/team/app:v2" "oci:$work/layout:v2" &&
    skopeo copy --quiet --insecure-policy --dest-tls-verify=false "oci:$work/layout:v2" "docker://$two/mirror/back:v2" && extracts "oci://$two/mirror/back:v2" "$work/new.tar"'

pulls() {
    "$python" -c 'import sys, oras.client
host, name, folder = sys.argv[1:]
oras.client.OrasClient(hostname=host, insecure=True, tls_verify=False).pull(target=f"{host}/{name}", outdir=folder)' \
        "$one" team/app:v2 "$work/pulled"
    [ -f "$work/pulled/regrow.json" ] && "$regrow" verify --store "$work/pulled" "$work/pulled/v2.rgx"
}
check "registry: what oras pulls is a store" pulls
check "registry: the image comes from it" extracts "$work/pulled/v2.rgx" "$work/new.tar"
check "registry: push from a folder" eval '"$regrow" push --quiet "$work/pulled/v2.rgx" "oci://$two/pushed/app" && extracts "oci://$two/pushed/app:v2" "$work/new.tar"'
check "registry: push from registry to registry" eval '"$regrow" push --quiet "$app:v1" "oci://$two/pushed/app" && extracts "oci://$two/pushed/app:v1" "$work/old.tar"'

# What no tag names goes with the registry's own collection.
collects() {
    head -c 2000000 /dev/urandom >"$work/other" && "$regrow" make --quiet "$app:other" "$work/other" || return 1
    "$regrow" gc --quiet --grace 0s --keep "$app:v2" --store "$app" || return 1
    docker-registry garbage-collect --delete-untagged "$work/one.yml" >"$work/collected" 2>&1 || { cat "$work/collected"; return 1; }
    grep -c 'blob eligible for deletion' "$work/collected"
}
check "registry: gc, and the registry's own collection" collects
check "registry: what was kept is whole" eval '"$regrow" verify --store "$app" "$app:v2" && extracts "$app:v2" "$work/new.tar"'

# Passwords, from a file and from a helper.
mkdir -p "$work/docker" "$work/bin"
export DOCKER_CONFIG=$work/docker
"$python" -c 'import bcrypt; print("me:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode())' >"$work/htpasswd"
start_registry locked "auth: {htpasswd: {realm: interop, path: $work/htpasswd}}"
locked=oci://127.0.0.1:$port/team/app
log_in() { printf '{"auths":{"127.0.0.1:%s":{"auth":"%s"}}}' "$port" "$(printf %s "$1" | base64)" >"$work/docker/config.json"; }
check "registry: without a password nothing is made" refuses "$regrow" make --quiet "$locked:v1" "$work/old.tar"
log_in me:wrong
check "registry: nor with a wrong one" refuses "$regrow" make --quiet "$locked:v1" "$work/old.tar"
log_in me:secret
check "registry: make and extract with a password" eval '"$regrow" make --quiet "$locked:v1" "$work/old.tar" && extracts "$locked:v1" "$work/old.tar"'
printf '#!/bin/sh\ncat >/dev/null\necho %s\n' "'{\"ServerURL\":\"\",\"Username\":\"me\",\"Secret\":\"secret\"}'" >"$work/bin/docker-credential-interop"
chmod +x "$work/bin/docker-credential-interop"
printf '{"credHelpers":{"127.0.0.1:%s":"interop"}}' "$port" >"$work/docker/config.json"
check "registry: extract with a credential helper" env PATH="$work/bin:$PATH" "$regrow" extract --quiet "$locked:v1" "$work/helped"

# Tokens of a server of their own.
tokens=$(free_port)
make_certificates
start_registry tokens "auth: {token: {realm: \"http://127.0.0.1:$tokens/token\", service: interop, issuer: interop, rootcertbundle: $work/server.pem}}"
token_app=oci://127.0.0.1:$port/team/app
python3 "$here/registry_tokens.py" "$tokens" "$work/server.key" "$work/server.pem" me:secret "$work/tokens.log" &
started+=($!)
listens "$tokens"
log_in me:secret
check "registry: make with tokens" eval '"$regrow" make --quiet "$token_app:v1" "$work/old.tar" && "$regrow" make --quiet --patch-from "$token_app:v1" "$token_app:v2" "$work/new.tar"'
with_tokens() {
    "$regrow" extract --quiet $(catalog) "$token_app:v1" "$work/warm" || return 1
    "$regrow" extract --json $(catalog) --seed "$work/old.tar" "$token_app:v2" "$work/out" >"$work/report" || return 1
    cmp "$work/out" "$work/new.tar" && rm "$work/out" && echo "$(number "$work/report" requests) requests" && [ "$(number "$work/report" requests)" = 3 ]
}
check "registry: an update with a token takes three requests" with_tokens
log_in me:wrong
check "registry: a wrong password gets no token" refuses "$regrow" extract --quiet "$token_app:v1" "$work/never"
check "registry: refusals say why" have_reasons

# Another server, without ranges and lists.
port=$(free_port)
"$second" --bind "127.0.0.1:$port" >"$work/second.log" 2>&1 &
started+=($!)
listens "$port"
# It wants a login, and takes any.
log_in me:anything
other=oci://127.0.0.1:$port/team/app
check "container-registry: make, and the next image with a patch" eval '"$regrow" make --quiet "$other:v1" "$work/old.tar" &&
    "$regrow" make --quiet --like "$other:v1" --patch-from "$other:v1" "$other:v2" "$work/new.tar"'
check "container-registry: both come back" eval 'extracts "$other:v1" "$work/old.tar" && extracts "$other:v2" "$work/new.tar"'
check "container-registry: an update" eval '"$regrow" extract --quiet $(catalog) --seed "$work/old.tar" "$other:v2" "$work/out" && cmp "$work/out" "$work/new.tar" && rm "$work/out"'
