#!/usr/bin/env bash
# A cache that keeps whole objects between a device and a slow origin: nginx's proxy_cache without slice, in front of an
# nginx that gives each connection RATE bytes a second. Machines without a seed install an image of MIB MiB: from the origin,
# through the empty cache, and through the full one. MIB=200 RATE=1m takes two minutes and shows what a slow origin costs.
source "$(dirname "$0")/lib"

mib=${MIB:-96}
rate=${RATE:-4m}

# serve_through_cache: the origin on port $origin, which limits each connection, and the cache on port $cache.
serve_through_cache() {
    local common="root $work/www; access_log $work/nginx/origin.log wire;"
    mkdir -p "$work/nginx"
    origin=$(free_port)
    cache=$(free_port)
    cat >"$work/nginx.conf" <<CONF
user root;
daemon off;
worker_processes 1;
pid $work/nginx/pid;
error_log $work/nginx/error.log info;
events { worker_connections 256; }
http {
    log_format wire '\$request_method \$uri \$status \$body_bytes_sent "\$http_range"';
    client_body_temp_path $work/nginx/body; proxy_temp_path $work/nginx/proxy; fastcgi_temp_path $work/nginx/fastcgi;
    uwsgi_temp_path $work/nginx/uwsgi; scgi_temp_path $work/nginx/scgi;
    proxy_cache_path $work/nginx/cache keys_zone=packs:1m max_size=4g inactive=1d use_temp_path=off;
    types { }
    server { listen 127.0.0.1:$origin; $common limit_rate $rate; }
    server {
        listen 127.0.0.1:$cache;
        access_log $work/nginx/cache.log wire;
        location / {
            proxy_pass http://127.0.0.1:$origin;
            proxy_cache packs;
            proxy_cache_valid 200 1d;
            proxy_buffering on;
            ${LOCK:+proxy_cache_lock on; proxy_cache_lock_timeout 1h; proxy_cache_lock_age 1h;}
        }
    }
}
CONF
    nginx -p "$work/nginx" -c "$work/nginx.conf" -e "$work/nginx/error.log" 2>"$work/nginx/start.log" &
    started+=($!)
    answers "http://127.0.0.1:$origin/new.rgx" || {
        cat "$work/nginx/start.log" "$work/nginx/error.log"
        return 1
    }
}

# install PORT: a machine without a seed; sets $seconds and $bytes, what the origin sent meanwhile.
install() {
    local begin
    rm -rf "$work/out" "$XDG_CACHE_HOME"
    at_rest "$work/nginx/origin.log"
    : >"$work/nginx/origin.log"
    begin=$(date +%s%N)
    "$regrow" extract -q --json "http://127.0.0.1:$1/new.rgx" "$work/out" >"$work/report" || return 1
    seconds=$(($(date +%s%N) - begin))
    cmp "$work/image" "$work/out" || return 1
    at_rest "$work/nginx/origin.log"
    bytes=$(awk '{ sum += $4 } END { print sum + 0 }' "$work/nginx/origin.log")
    echo "   $((seconds / 1000000)) ms, $(jq -r .bytes_fetched "$work/report") bytes in $(jq -r .requests "$work/report")" \
        "requests; $bytes bytes from the origin"
}

at_most() { [ $(($1 * 100)) -le $(($2 * $3)) ]; }

mkdir -p "$work/www"
head -c "$((mib << 20))" /dev/urandom >"$work/image"
"$regrow" make -q ${PACK_SIZE:+--pack-size "$PACK_SIZE"} "$work/www/new.rgx" "$work/image"
serve_through_cache
check "the origin alone" install "$origin"
alone_seconds=$seconds alone_bytes=$bytes
check "through an empty cache" install "$cache"
# Where ranges waited for whole packs it would be three times as long. A busy machine may take longer for either, so it has
# three tries.
keeps_pace() {
    local try
    for try in 1 2 3; do
        at_most "$seconds" "$alone_seconds" 120 && return
        echo "   try $try was too slow"
        install "$origin" || return 1
        alone_seconds=$seconds
        rm -rf "$work"/nginx/cache/*
        install "$cache" || return 1
    done
    at_most "$seconds" "$alone_seconds" 120
}
check "it takes at most 1.2 times as long" keeps_pace
check "the origin sends at most 1.1 times the bytes" at_most "$bytes" "$alone_bytes" 110
check "through the full cache" install "$cache"
check "the origin sends nothing but the index" at_most "$bytes" "$(bytes_of "$work/www/new.rgx")" 100
