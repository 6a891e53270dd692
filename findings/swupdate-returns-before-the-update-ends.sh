#!/usr/bin/env bash
# `swupdate -i FILE` at times returns with 1 while the update goes on, and succeeds: the script of the
# update finishes seconds after the command has returned. In other runs of the same file it waits for
# the end and returns 0.
#
# A good guess would be that a command in the foreground ends with the update, and that its exit code
# tells how that went. A wrapper that reboots, cleans up or reports when the command returns cuts
# updates short, the more likely the longer they take.
# Seen with Debian's swupdate 2022.12+dfsg-4+deb12u3, whose packages are unpacked and not installed. Needs root.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/root" "$work/update"
(
    cd "$work/debs"
    apt-get download -qq -o APT::Sandbox::User=root swupdate=2022.12+dfsg-4+deb12u3
    # shellcheck disable=SC2046
    apt-get download -qq -o APT::Sandbox::User=root $(dpkg-deb -f swupdate_*.deb Depends | tr ',' '\n' | sed 's/|.*//; s/(.*//' |
        tr -d ' ' | grep -E '^lib' | grep -vE '^libc6$')
)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet:$work/root/lib/$triplet
dpkg-deb -f "$work"/debs/swupdate_*.deb Version

cd "$work/update"
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj "/CN=demo" -days 2 2>/dev/null
cat >script.sh <<SCRIPT
#!/bin/sh
[ "\$1" = postinst ] || exit 0
sleep 3
touch "$work/done"
SCRIPT
cat >sw-description <<TEXT
software = {
    version = "1.0";
    hardware-compatibility = ( "1.0" );
    scripts: ( { filename = "script.sh"; type = "shellscript"; sha256 = "$(sha256sum script.sh | cut -d' ' -f1)"; } );
}
TEXT
openssl cms -sign -in sw-description -out sw-description.sig -signer cert.pem -inkey key.pem -outform DER -nosmimecap -binary
printf '%s\n' sw-description sw-description.sig script.sh | cpio -o -H crc >update.swu 2>/dev/null

early=0 waited=0
for run in $(seq 1 30); do
    rm -f "$work/done"
    code=0
    "$work/root/usr/bin/swupdate" -k cert.pem -H demo:1.0 -i update.swu >log 2>&1 </dev/null || code=$?
    if [ "$code" = 1 ] && [ ! -e "$work/done" ]; then
        until [ -e "$work/done" ] || ((++waited > 100)); do sleep 0.1; done
        [ -e "$work/done" ] && early=1 && break
    fi
    sleep 0.2
done
if [ "$early" = 1 ]; then
    echo "run $run: the command returned 1; the update's script finished $(((waited + 9) / 10)) s later"
else
    echo "in $run runs the command always waited for the end of the update"
    echo "the behaviour has changed" >&2
    exit 1
fi
