#!/usr/bin/env bash
# Installs the servers and caches: install.sh FOLDER. Debian's own versions; Python's and npm's, pinned, into FOLDER.
# Without root, or where a package is not to be had, the rest is installed all the same: main.py tells what is not there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
mkdir -p "$folder/npm"

# What serves asks shared-mime-info and media-types for types of content.
packages=(apache2-bin busybox caddy civetweb h2o haproxy libmojolicious-perl libplack-perl lighttpd media-types
    micro-httpd mini-httpd nginx php-cli puma python3 rclone ruby-rack ruby-webrick shared-mime-info squid
    trafficserver trafficserver-experimental-plugins varnish webfs weborf)

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_debian() {
    local missing=() package
    for package in "${packages[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    command -v npm >/dev/null || missing+=(npm)
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    ((${#missing[@]} == 0)) || "$here/../apt" "${missing[@]}"
}

install_python() {
    [ -x "$folder/venv/bin/pip" ] || python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
}

install_node() {
    cp "$here/package.json" "$folder/npm/"
    (cd "$folder/npm" && npm install --silent --no-audit --no-fund --no-package-lock)
}

if [ "$(id -u)" = 0 ]; then
    install_debian
fi
install_python &
python=$!
install_node
wait "$python"
