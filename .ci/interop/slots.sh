#!/usr/bin/env bash
# Updates of A/B slots: RAUC's slot hook and SWUpdate's script run packaging/regrow-slot, with loop devices as slots. The
# bundle holds the index in the place of the image. As root only, and where the tools are installed.
source "$(dirname "$0")/lib"

PATH=$PATH:/usr/sbin:/sbin
if [ "$(id -u)" != 0 ]; then
    echo "passed over: slots are devices, which only root writes"
    exit 0
fi
loops=()
end_slots() {
    end_all
    local loop
    for loop in "${loops[@]}"; do losetup --detach "$loop" 2>/dev/null || true; done
}
trap end_slots EXIT
# loop_of FILE: makes a loop device, whose name is in $loop then.
loop_of() { loop=$(losetup --find --show "$1" 2>>"$work/losetup.log") && loops+=("$loop"); }

make_pair
mkdir "$work/site"
size=$((($(bytes_of "$work/old.tar") + $(bytes_of "$work/new.tar")) / 1048576 * 1048576 + 1048576))
for version in old new; do
    truncate -s "$size" "$work/$version.tar"
done
"$regrow" make --quiet "$work/site/old.rgx" "$work/old.tar"
"$regrow" make --quiet --patch-from "$work/site/old.rgx" "$work/site/new.rgx" "$work/new.tar"
start_nginx "$work/site"
cp "$work/old.tar" "$work/a.img"
truncate -s "$size" "$work/b.img"
loop_of "$work/a.img" && a=$loop && loop_of "$work/b.img" && b=$loop || {
    echo "passed over: there are no loop devices"
    exit 0
}
printf 'STORE=http://127.0.0.1:%s/store\nACTIVE=%s\nREGROW=%s\n' "$plain" "$a" "$regrow" >"$work/slot.conf"
export REGROW_SLOT_CONF=$work/slot.conf
slot=$here/../../packaging/regrow-slot
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -subj "/O=demo/CN=demo" -days 2 \
    2>>"$work/openssl.log"

empty_slot() { truncate -s 0 "$work/b.img" && truncate -s "$size" "$work/b.img" && blockdev --flushbufs "$b"; }
is_filled() { cmp "$b" "$work/new.tar"; }
# fetched_little: whether the requests since the last look brought less than a tenth of the image.
fetched_little() {
    logged "$work/nginx/access.log"
    local bytes
    bytes=$(wire_bytes)
    : >"$work/nginx/access.log"
    echo "$bytes bytes of $size were fetched"
    ((bytes > 0 && bytes < size / 10))
}
refuses_the_running_slot() { ! "$slot" "$work/site/new.rgx" "$a" 2>"$work/running.log" && grep -q "is running" "$work/running.log"; }
check "slots: the slot that is running is not written" refuses_the_running_slot
# A slot is told from what should be there by exit code 3, whether the catalog knows the image's names or not.
half_a_slot_is_not_the_image() {
    head -c $((size / 2)) "$work/new.tar" >"$work/half.img"
    loop_of "$work/half.img"
    local code
    for _ in 1 2; do
        code=0
        "$regrow" verify --quiet --catalog "$work/verify.sqlite" "$work/site/new.rgx" "$loop" 2>"$work/half.log" || code=$?
        [ "$code" = 3 ] || { cat "$work/half.log"; return 1; }
        "$regrow" verify --quiet --catalog "$work/verify.sqlite" "$work/site/new.rgx" "$work/new.tar"
    done
}
check "slots: half a slot is not the image" half_a_slot_is_not_the_image
: >"$work/nginx/access.log"

by_rauc() {
    export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$work/bus
    mkdir -p "$work/bundle"
    cp "$work/site/new.rgx" "$work/bundle/rootfs.img"
    cat >"$work/bundle/hook" <<HOOK
#!/bin/sh
[ "\$1" = slot-install ] || exit 0
exec "$slot" "\$RAUC_IMAGE_NAME" "\$RAUC_SLOT_DEVICE"
HOOK
    chmod +x "$work/bundle/hook"
    printf '%s\n' '[update]' compatible=demo version=2 '[bundle]' format=plain '[hooks]' filename=hook \
        '[image.rootfs]' filename=rootfs.img hooks=install >"$work/bundle/manifest.raucm"
    rauc --cert="$work/cert.pem" --key="$work/key.pem" bundle "$work/bundle" "$work/new.raucb" >"$work/rauc.log" 2>&1
    echo "the bundle has $(bytes_of "$work/new.raucb") bytes"
    cat >"$work/system.conf" <<CONF
[system]
compatible=demo
bootloader=noop
statusfile=$work/status
mountprefix=$work/mnt
[keyring]
path=$work/cert.pem
[slot.rootfs.0]
device=$a
type=raw
bootname=A
[slot.rootfs.1]
device=$b
type=raw
bootname=B
CONF
    cat >"$work/bus.conf" <<CONF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=$work/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>
CONF
    dbus-daemon --config-file="$work/bus.conf" --nofork >"$work/bus.log" 2>&1 &
    started+=($!)
    within test -S "$work/bus"
    rauc --conf="$work/system.conf" --override-boot-slot=A service >"$work/rauc-service.log" 2>&1 &
    started+=($!)
    within rauc status >>"$work/rauc.log" 2>&1
    rauc install "$work/new.raucb" >>"$work/rauc.log" 2>&1 || {
        tail -30 "$work/rauc.log" "$work/rauc-service.log"
        return 1
    }
}
if command -v rauc >/dev/null && command -v dbus-daemon >/dev/null; then
    check "slots: RAUC installs a bundle that holds an index" by_rauc
    check "slots: the slot that RAUC chose has the image" is_filled
    check "slots: RAUC's update fetched little" fetched_little
else
    echo "passed over: rauc or dbus-daemon is not installed"
fi

by_swupdate() (
    mkdir -p "$work/sw"
    cd "$work/sw"
    cp "$work/site/new.rgx" rootfs.rgx
    cat >fill.sh <<SCRIPT
#!/bin/sh
[ "\$1" = postinst ] || exit 0
exec "$slot" "$work/sw/there/rootfs.rgx" "$b"
SCRIPT
    mkdir -p there
    cat >sw-description <<TEXT
software = {
    version = "2.0";
    hardware-compatibility = ( "1.0" );
    files: ( { filename = "rootfs.rgx"; path = "$work/sw/there/rootfs.rgx"; sha256 = "$(sha256sum rootfs.rgx | cut -d' ' -f1)"; } );
    scripts: ( { filename = "fill.sh"; type = "shellscript"; sha256 = "$(sha256sum fill.sh | cut -d' ' -f1)"; } );
}
TEXT
    openssl cms -sign -in sw-description -out sw-description.sig -signer "$work/cert.pem" -inkey "$work/key.pem" \
        -outform DER -nosmimecap -binary
    printf '%s\n' sw-description sw-description.sig fill.sh rootfs.rgx | cpio -o -H crc >new.swu 2>/dev/null
    echo "the update file has $(bytes_of new.swu) bytes"
    # It may return, with 1, while the script is still running (findings/swupdate-returns-before-the-update-ends.sh).
    swupdate -v -k "$work/cert.pem" -H demo:1.0 -i new.swu >log 2>&1 || true
    within is_filled 2>/dev/null || {
        tail -30 log
        return 1
    }
)
if command -v swupdate >/dev/null && command -v cpio >/dev/null; then
    empty_slot
    check "slots: SWUpdate fills the slot by a file that holds an index" by_swupdate
    check "slots: SWUpdate's update fetched little" fetched_little
else
    echo "passed over: swupdate or cpio is not installed"
fi
