#!/usr/bin/env bash
# Real S3 servers: moto, and Garage where REGROW_CI_GARAGE=1; each with nginx's proxy_cache before it as the CDN.
source "$(dirname "$0")/lib"

bucket=regrow-interop
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_S3
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
make_pair
cat "$work/new.tar" "$work/old.tar" >"$work/other.tar"

# start_moto: on $AWS_ENDPOINT_URL, with its requests in $work/s3.log.
start_moto() {
    local venv=${REGROW_CI_VENV:-$work/venv} port
    [ -x "$venv/bin/moto_server" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'moto[server]==5.2.5'; }
    port=$(free_port)
    export AWS_ACCESS_KEY_ID=interop AWS_SECRET_ACCESS_KEY=interop AWS_REGION=us-east-1
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port
    "$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$work/s3.log" 2>&1 &
    started+=($!)
    listens "$port"
    "$venv/bin/python" - "$bucket" <<'PY'
import json, sys
import boto3
s3, bucket = boto3.client("s3"), sys.argv[1]
s3.create_bucket(Bucket=bucket)
anyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [anyone]}))
PY
    origin=$AWS_ENDPOINT_URL/$bucket origin_host=127.0.0.1
}

# start_garage: one node, as its documentation sets one up.
start_garage() {
    local rpc api web admin home=$work/garage
    command -v garage >/dev/null ||
        cargo install garage --locked --no-default-features --features bundled-libs,lmdb --quiet
    mkdir -p "$home"
    rpc=$(free_port) api=$(free_port) web=$(free_port) admin=$(free_port)
    cat >"$home/garage.toml" <<CONF
metadata_dir = "$home/meta"
data_dir = "$home/data"
db_engine = "lmdb"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$rpc"
rpc_public_addr = "127.0.0.1:$rpc"
rpc_secret = "$(openssl rand -hex 32)"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:$api"
root_domain = ".s3.garage.localhost"
[s3_web]
bind_addr = "127.0.0.1:$web"
root_domain = ".web.garage.localhost"
[admin]
api_bind_addr = "127.0.0.1:$admin"
CONF
    export GARAGE_CONFIG_FILE=$home/garage.toml
    garage server >"$work/s3.log" 2>&1 &
    started+=($!)
    listens "$api"
    local key
    garage layout assign -z here -c 1G "$(garage node id -q | cut -d@ -f1)" >/dev/null
    garage layout apply --version 1 >/dev/null
    garage bucket create "$bucket" >/dev/null
    key=$(garage key create interop)
    garage bucket allow --read --write --owner "$bucket" --key interop >/dev/null
    AWS_ACCESS_KEY_ID=$(awk '/Key ID/ { print $NF }' <<<"$key")
    AWS_SECRET_ACCESS_KEY=$(awk '/Secret key/ { print $NF }' <<<"$key")
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION=garage AWS_ENDPOINT_URL=http://127.0.0.1:$api
    # Garage shows a bucket to all as a web site.
    garage bucket website --allow "$bucket" >/dev/null
    origin=http://127.0.0.1:$web origin_host=$bucket.web.garage.localhost
}

# start_cdn: nginx on $cdn, which keeps what the bucket gives by its Cache-Control. Slices are how nginx keeps ranges: each MiB of an object
# is an entry. The log tells what was a hit.
start_cdn() {
    local host=$work/cdn
    mkdir -p "$host"
    cdn=$(free_port)
    cat >"$work/cdn.conf" <<CONF
user root;
daemon off;
worker_processes 1;
pid $host/pid;
error_log $host/error.log info;
events { worker_connections 256; }
http {
    log_format cdn '\$upstream_cache_status \$request_method \$uri \$status \$body_bytes_sent "\$http_range"';
    access_log $host/access.log cdn;
    proxy_cache_path $host/cache keys_zone=packs:10m;
    proxy_temp_path $host/proxy; client_body_temp_path $host/body; fastcgi_temp_path $host/fastcgi;
    uwsgi_temp_path $host/uwsgi; scgi_temp_path $host/scgi;
    server {
        listen 127.0.0.1:$cdn;
        proxy_http_version 1.1;
        proxy_cache packs;
        location / {
            proxy_set_header Host $origin_host;
            proxy_pass $origin/;
        }
        location ~ ^/(.*/packs/.*)\$ {
            slice 1m;
            proxy_cache_key \$uri\$slice_range;
            proxy_set_header Range \$slice_range;
            proxy_cache_valid 200 206 1h;
            proxy_set_header Host $origin_host;
            proxy_pass $origin/\$1;
        }
    }
}
CONF
    nginx -p "$host" -c "$work/cdn.conf" -e "$host/error.log" 2>"$host/start.log" &
    started+=($!)
    listens "$cdn"
}

s3=s3://$bucket/site
report() { jq -r ".$1" "$work/report"; }
publish() { "$regrow" make --json "$@" >"$work/report"; }
identical() { cmp "$work/$1.tar" "$work/out.tar"; }
fresh() { rm -rf "$work/out.tar" "$XDG_CACHE_HOME"; }
verifies() { "$regrow" verify --quiet --store "$s3/store" "$@"; }
headers_of() { curl -sI "http://127.0.0.1:$cdn/$1"; }
is_immutable() { headers_of "$1" | tr -d '\r' | grep -qi '^cache-control: public, max-age=31536000, immutable$'; }
is_short() { headers_of "$1" | tr -d '\r' | grep -qi '^cache-control: public, max-age=60$'; }
a_pack() { "$regrow" info --json "$s3/new.rgx" | jq -r '.packs[-1].id' | sed -E 's|^(..)(.*)$|site/store/packs/\1/\1\2.pack|'; }

device() {
    fresh
    : >"$work/cdn/access.log"
    "$regrow" extract --json --seed "$work/old.tar" "http://127.0.0.1:$cdn/site/new.rgx" "$work/out.tar" >"$work/report"
}
pack_hits() {
    logged "$work/cdn/access.log" "$(report requests)"
    grep '/packs/' "$work/cdn/access.log" >"$work/packs" && ! grep -v '^HIT ' "$work/packs"
}

# one line on standard error, which says this.
refused_with() {
    local text=$1
    shift
    if "$@" 2>"$work/errors"; then return 1; fi
    cat "$work/errors"
    [ "$(wc -l <"$work/errors")" = 1 ] && grep -q "$text" "$work/errors"
}

killed_and_again() {
    local process
    fresh
    "$regrow" make --quiet --pack-size 256KiB "$s3/other.rgx" "$work/other.tar" &
    process=$!
    sleep 0.3
    kill -9 "$process" 2>/dev/null
    wait "$process" 2>/dev/null
    "$regrow" make --quiet --pack-size 256KiB "$s3/other.rgx" "$work/other.tar" && verifies "$s3/other.rgx"
}

rounds() {
    local name=$1
    start_cdn
    check "$name: publish the first image" publish "$s3/old.rgx" "$work/old.tar"
    fresh
    check "$name: publish the second, by --like" publish --like "$s3/old.rgx" "$s3/new.rgx" "$work/new.tar"
    check "$name: $(report requests_write) requests write, at most 12" [ "$(report requests_write)" -le 12 ]
    check "$name: $(($(report requests) - $(report requests_write))) requests read, at most 12" \
        [ $(($(report requests) - $(report requests_write))) -le 12 ]
    check "$name: the store verifies" verifies "$s3/old.rgx" "$s3/new.rgx"
    check "$name: packs are immutable for caches" is_immutable "$(a_pack)"
    check "$name: indexes are not" is_short site/new.rgx
    fresh
    check "$name: extract from the bucket" "$regrow" extract --quiet --seed "$work/old.tar" "$s3/new.rgx" "$work/out.tar"
    check "$name: bit for bit" identical new
    check "$name, CDN: a first device" device
    check "$name, CDN: bit for bit" identical new
    check "$name, CDN: a second device" device
    check "$name, CDN: bit for bit again" identical new
    check "$name, CDN: its packs are all hits" pack_hits
    check "$name: killed and run again" killed_and_again
    check "$name: push within the bucket" "$regrow" push --quiet "$s3/new.rgx" "s3://$bucket/live/store"
    check "$name: push to a folder" "$regrow" push --quiet "$s3/new.rgx" "$work/usb/store"
    fresh
    check "$name: extract from that" "$regrow" extract --quiet "$work/usb/new.rgx" "$work/out.tar"
    check "$name: bit for bit from that" identical new
    sleep 2
    check "$name: gc condemns" "$regrow" gc --quiet --store "$s3/store" --keep "$s3/new.rgx" --grace 1s
    sleep 3
    check "$name: gc deletes" gc_deletes
    check "$name: what is kept verifies" verifies "$s3/new.rgx"
    check "$name: no such bucket, in a line" refused_with NoSuchBucket "$regrow" info s3://no-such-bucket-here/new.rgx
    check "$name: no credentials, in a line" refused_with "no AWS credentials" \
        env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "$regrow" make --quiet "$s3/x.rgx" "$work/old.tar"
}

gc_deletes() {
    "$regrow" gc --json --store "$s3/store" --keep "$s3/new.rgx" --grace 1s >"$work/report" && [ "$(report packs_deleted)" -gt 0 ]
}

start_moto
rounds moto
if [ "${REGROW_CI_GARAGE:-0}" = 1 ]; then
    start_garage
    rounds Garage
else
    echo "Garage is left out: set REGROW_CI_GARAGE=1 for it"
fi
